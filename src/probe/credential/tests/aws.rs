//! Signatures against the vector, and keys that the machine offers.

use std::collections::HashMap;

use futures_util::future::join_all;
use reqsign_core::{Context, StaticEnv};
use serde_json::{Value, json};

use super::*;

/// The published vector, once with and once without a session token; recomputed independently of any library.
#[tokio::test]
async fn signatures_are_those_of_the_vector() {
    let rows = [
        (
            None,
            "accept;content-type;host;x-amz-date",
            "33e5c0fdfb25ae697ddf7842e87b0374df9f6ccbba9b88fb574156602a381ccf",
        ),
        (
            Some("SESSIONTOKENEXAMPLE"),
            "accept;content-type;host;x-amz-date;x-amz-security-token",
            "ede1541bcf88f3bac0e79b12324be9d4c252d1968d494fb7ddddacf3fa1db260",
        ),
    ];
    for (token, names, signature) in rows {
        let credentials = Credentials::new(clock());
        let signed = credentials
            .authorise(&bedrock(aws_keys(token)), call())
            .await
            .unwrap();
        let value = |name: &str| signed.headers.get(name).map(|value| value.to_str().unwrap());
        let scope = "Credential=AKIDEXAMPLE/20261121/us-east-1/bedrock/aws4_request";
        let wanted = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders={names}, Signature={signature}");
        assert_eq!(value("authorization"), Some(&*wanted));
        assert_eq!(value("x-amz-date"), Some("20261121T225000Z"));
        assert_eq!(value("x-amz-security-token"), token);
        assert!(signed.headers["authorization"].is_sensitive());
        assert!(
            signed
                .headers
                .get("x-amz-security-token")
                .is_none_or(HeaderValue::is_sensitive)
        );
        assert_eq!(
            (&*signed.url, &*signed.body),
            (URL, BODY.as_bytes()),
            "sent as signed"
        );
    }
}

#[tokio::test]
async fn whatever_is_sent_changes_the_signature() {
    let sign = async |call: Call| {
        let provider = bedrock(aws_keys(None));
        let signed = Credentials::new(clock()).authorise(&provider, call).await;
        signed.unwrap().headers["authorization"].clone()
    };
    let plain = sign(call()).await;
    let mut other = call();
    other.body = Bytes::from_static(b"{}");
    assert_ne!(sign(other).await, plain);
    let mut other = call();
    other.url = URL.replace("%3A", ":");
    assert_ne!(sign(other).await, plain);
    let mut other = call();
    other.headers.insert("x-amz-test", HeaderValue::from_static("1"));
    assert_ne!(sign(other).await, plain);
    // A proxy may change these.
    let mut other = call();
    other.headers.insert("x-team", HeaderValue::from_static("red"));
    assert_eq!(sign(other).await, plain);
}

fn container(url: &str, clock: &Clock) -> Credentials {
    let envs = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let env = StaticEnv {
        home_dir: None,
        envs: HashMap::from(envs.map(|(name, value)| (name.to_owned(), value.to_owned()))),
    };
    let context = Context::new()
        .with_env(env)
        .with_file_read(ambient::Files)
        .with_http_send(ambient::Web::default());
    Credentials {
        ambient: ambient::Ambient::with_context(clock.clone(), context),
        ..Credentials::new(clock.clone())
    }
}

fn container_keys(id: &str, end: &str) -> Value {
    json!({"AccessKeyId": id, "SecretAccessKey": "planted-secret", "Token": "planted-token", "Expiration": end})
}

#[tokio::test]
async fn keys_of_the_machine_are_renewed_before_they_end() {
    let endpoint = Endpoint::start(vec![
        (200, container_keys("AKIDONE", "2026-11-21T23:50:00Z")),
        (500, json!({"message": "try later"})),
        (200, container_keys("AKIDTWO", "2026-11-22T05:50:00Z")),
    ])
    .await;
    let clock = clock();
    let credentials = container(&endpoint.url, &clock);
    let ambient = bedrock(CloudCredential::AwsAmbient);
    let signer = async || {
        let sent = credentials.authorise(&ambient, call()).await.unwrap();
        assert_eq!(sent.headers["x-amz-security-token"], "planted-token");
        let value = sent.headers["authorization"].to_str().unwrap().to_owned();
        let from = value.find("Credential=").unwrap() + "Credential=".len();
        value[from..from + "AKIDONE".len()].to_owned()
    };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let at_once = join_all((0..4).map(|_| signer())).await;
    assert!(at_once.iter().all(|id| id == "AKIDONE"), "{at_once:?}");
    clock.advance(minutes(54));
    assert_eq!((signer().await.as_str(), endpoint.asked()), ("AKIDONE", 1));
    // Five minutes before the end somebody asks; a refusal then costs nothing yet.
    clock.advance(minutes(1));
    assert_eq!((signer().await.as_str(), endpoint.asked()), ("AKIDONE", 2));
    assert_eq!((signer().await.as_str(), endpoint.asked()), ("AKIDONE", 2));
    clock.advance(REFUSAL_KEPT);
    assert_eq!((signer().await.as_str(), endpoint.asked()), ("AKIDTWO", 3));
}

#[tokio::test]
async fn a_machine_without_keys_says_so() {
    let endpoint = Endpoint::start(vec![(403, json!({"message": "not yours"}))]).await;
    let clock = clock();
    let credentials = container(&endpoint.url, &clock);
    let ambient = bedrock(CloudCredential::AwsAmbient);
    for _ in 0..2 {
        let fault = credentials.authorise(&ambient, call()).await.unwrap_err();
        assert_eq!(fault.class, ErrorClass::Auth);
        let detail = &fault.detail;
        assert!(
            detail.starts_with("this machine offers no aws credential"),
            "{detail}"
        );
        assert!(detail.contains("not yours"), "{detail}");
    }
    assert_eq!(endpoint.asked(), 1);
}
