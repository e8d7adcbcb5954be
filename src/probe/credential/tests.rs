//! Signatures against vectors; tokens against a loopback endpoint, never the network.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method};
use reqsign_core::{Context, StaticEnv};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::{
    clock::Timestamp,
    config::{Provider, Secret},
    probe::{fixture::config, wire},
};

const SIGNED_AT: &str = "2026-11-21T22:50:00Z";
const BODY: &str = r#"{"messages":[{"role":"user","content":[{"text":"ping"}]}],"inferenceConfig":{"maxTokens":64}}"#;
const URL: &str = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream";

fn call() -> Call {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(
        "accept",
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    // A header that is on the wire and in no signature.
    headers.insert("accept-encoding", HeaderValue::from_static("identity"));
    Call {
        method: Method::POST,
        url: URL.to_owned(),
        headers,
        body: Bytes::from_static(BODY.as_bytes()),
        fresh: false,
    }
}

fn aws_keys(session_token: Option<&str>) -> CloudCredential {
    CloudCredential::AwsKeys {
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: session_token.map(Secret::new),
    }
}

fn provider(auth: Auth, cloud: Option<CloudCredential>) -> Provider {
    let mut provider = config(1, Duration::from_secs(60)).providers.remove(0);
    provider.auth = auth;
    provider.key = None;
    provider.cloud = cloud;
    provider
}

fn bedrock(cloud: CloudCredential) -> Provider {
    let auth = Auth::SigV4 {
        region: "us-east-1".to_owned(),
        service: "bedrock".to_owned(),
    };
    provider(auth, Some(cloud))
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_rfc3339(SIGNED_AT).unwrap())
}

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
        assert_eq!((&*signed.url, &*signed.body), (URL, BODY.as_bytes()), "sent as signed");
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

#[test]
fn only_who_has_a_credential_sends_one() {
    let sigv4 = || Auth::SigV4 {
        region: String::new(),
        service: String::new(),
    };
    let with_key = |auth, key: Option<&str>, cloud| {
        let mut provider = provider(auth, cloud);
        provider.key = key.map(Secret::new);
        wire::sends_key(&provider)
    };
    assert!(with_key(Auth::Bearer, Some("key"), None));
    assert!(with_key(Auth::Header("x".to_owned()), Some("key"), None));
    assert!(with_key(sigv4(), None, Some(CloudCredential::AwsAmbient)));
    assert!(with_key(
        Auth::GoogleToken,
        None,
        Some(CloudCredential::GoogleMetadata)
    ));
    assert!(!with_key(Auth::Bearer, None, None));
    assert!(!with_key(sigv4(), None, None));
    assert!(!with_key(Auth::GoogleToken, Some("key"), None));
    assert!(!with_key(Auth::None, Some("key"), Some(CloudCredential::AwsAmbient)));
}

#[tokio::test]
async fn a_credential_of_another_cloud_is_our_fault() {
    let credentials = Credentials::new(clock());
    let google = provider(Auth::GoogleToken, Some(aws_keys(None)));
    for provider in [bedrock(CloudCredential::GoogleMetadata), google] {
        let fault = credentials.authorise(&provider, call()).await.unwrap_err();
        assert_eq!(fault.class, ErrorClass::Auth);
    }
    // Without any, the request goes out as it is: the answer then tells of a missing credential.
    let bare = provider(Auth::GoogleToken, None);
    let sent = credentials.authorise(&bare, call()).await.unwrap();
    assert_eq!(sent.headers, call().headers);
}

/// An HTTP endpoint on loopback that gives its answers in order, the last one for ever, and keeps what it was asked.
struct Endpoint {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    async fn start(answers: Vec<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, answers.into(), Arc::clone(&asked)));
        Self { url, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn request(&self, index: usize) -> String {
        self.asked.lock().unwrap()[index].clone()
    }
}

async fn serve(listener: TcpListener, mut answers: VecDeque<(u16, Value)>, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = String::new();
        let mut chunk = [0; 4096];
        while !is_whole(&request) {
            let Ok(read @ 1..) = stream.read(&mut chunk).await else { break };
            request.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        asked.lock().unwrap().push(request);
        let (status, body) = answers[0].clone();
        if answers.len() > 1 {
            answers.pop_front();
        }
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all((head + &body).as_bytes()).await;
    }
}

/// Whether head and announced body have come.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

fn access_token(token: &str) -> Value {
    json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})
}

/// The login of a user, as `gcloud` writes it.
fn login(token_uri: &str) -> CloudCredential {
    let file = json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "planted-client-secret",
        "refresh_token": "planted-refresh-token",
        "token_uri": token_uri,
    });
    CloudCredential::GoogleServiceAccount(Secret::new(&file.to_string()))
}

/// The key in it was made for this test and opens nothing.
fn service_account() -> Value {
    let key = include_str!("test_key.b64");
    let armoured = format!("-----BEGIN {0}-----\n{key}-----END {0}-----\n", "PRIVATE KEY");
    json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "planted-key-id",
        "private_key": armoured,
        "client_email": "probe@p.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:1/never-asked",
    })
}

fn with_metadata(clock: &Clock, url: &str) -> Credentials {
    Credentials {
        google: google::Tokens::with_metadata(clock.clone(), url.to_owned()),
        ..Credentials::new(clock.clone())
    }
}

fn bearer(call: &Call) -> &str {
    let value = &call.headers["authorization"];
    assert!(value.is_sensitive());
    value.to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

#[tokio::test]
async fn one_token_serves_all_probes() {
    let metadata = Endpoint::start(vec![(200, access_token("ya29.first"))]).await;
    let credentials = with_metadata(&clock(), &metadata.url);
    let vertex = provider(Auth::GoogleToken, Some(CloudCredential::GoogleMetadata));
    let at_once = join_all((0..8).map(|_| credentials.authorise(&vertex, call()))).await;
    for sent in at_once {
        assert_eq!(bearer(&sent.unwrap()), "ya29.first");
    }
    credentials.authorise(&vertex, call()).await.unwrap();
    assert_eq!(metadata.asked(), 1);
    let request = metadata.request(0);
    assert!(request.contains("/instance/service-accounts/default/token"), "{request}");
    assert!(
        request.to_ascii_lowercase().contains("metadata-flavor: google"),
        "{request}"
    );
}

#[tokio::test]
async fn a_login_is_exchanged_where_its_file_says() {
    let endpoint = Endpoint::start(vec![(200, access_token("ya29.login"))]).await;
    let credentials = Credentials::new(clock());
    let vertex = provider(Auth::GoogleToken, Some(login(&endpoint.url)));
    let sent = credentials.authorise(&vertex, call()).await.unwrap();
    assert_eq!(bearer(&sent), "ya29.login");
    assert_eq!(endpoint.asked(), 1);
    assert!(endpoint.request(0).contains("planted-refresh-token"));
}

#[tokio::test]
async fn a_service_account_signs_for_itself() {
    let file = service_account();
    let credential = CloudCredential::GoogleServiceAccount(Secret::new(&file.to_string()));
    let vertex = provider(Auth::GoogleToken, Some(credential));
    let credentials = Credentials::new(clock());
    let sent = credentials.authorise(&vertex, call()).await.unwrap();
    let parts: Vec<&str> = bearer(&sent).split('.').collect();
    let decoded = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(decoded(parts[0])["alg"], "RS256");
    let claims = decoded(parts[1]);
    assert_eq!(claims["iss"], file["client_email"]);
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);
    let again = credentials.authorise(&vertex, call()).await.unwrap();
    assert_eq!(bearer(&again), bearer(&sent), "kept");
}

#[tokio::test]
async fn a_refusal_is_told_kept_and_forgotten() {
    let no = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
    let endpoint = Endpoint::start(vec![(400, no), (200, access_token("ya29.again"))]).await;
    let clock = clock();
    let credentials = Credentials::new(clock.clone());
    let vertex = provider(Auth::GoogleToken, Some(login(&endpoint.url)));
    for _ in 0..3 {
        let fault = credentials.authorise(&vertex, call()).await.unwrap_err();
        assert_eq!(fault.class, ErrorClass::Auth);
        assert!(fault.detail.contains("google access token"), "{}", fault.detail);
        assert!(fault.detail.contains("revoked"), "{}", fault.detail);
    }
    assert_eq!(endpoint.asked(), 1);
    clock.advance(REFUSAL_KEPT);
    let sent = credentials.authorise(&vertex, call()).await.unwrap();
    assert_eq!(bearer(&sent), "ya29.again");
}

#[tokio::test]
async fn another_credential_after_a_reload_is_used_at_once() {
    let old = Endpoint::start(vec![(401, json!({"error": "unauthorized_client"}))]).await;
    let new = Endpoint::start(vec![(200, access_token("ya29.new"))]).await;
    let credentials = Credentials::new(clock());
    let vertex = |url: &str| provider(Auth::GoogleToken, Some(login(url)));
    credentials
        .authorise(&vertex(&old.url), call())
        .await
        .unwrap_err();
    let sent = credentials.authorise(&vertex(&new.url), call()).await.unwrap();
    assert_eq!(bearer(&sent), "ya29.new");
}

#[tokio::test]
async fn a_broken_file_is_told_without_its_words() {
    let mut bad_key = service_account();
    bad_key["private_key"] = "planted-secret".into();
    let rows = [
        ("{\"type\": planted-secret", "line 1 column 10"),
        ("{\"type\": \"planted-secret\"}", "neither service_account nor authorized_user"),
        ("{\"type\": \"service_account\"}", "client_email"),
        (&bad_key.to_string(), "PEM"),
    ];
    for (file, words) in rows {
        let cloud = CloudCredential::GoogleServiceAccount(Secret::new(file));
        let vertex = provider(Auth::GoogleToken, Some(cloud));
        let fault = Credentials::new(clock())
            .authorise(&vertex, call())
            .await
            .unwrap_err();
        assert_eq!(fault.class, ErrorClass::Auth);
        assert!(fault.detail.contains(words), "{}", fault.detail);
        assert!(!fault.detail.contains("planted-secret"), "{}", fault.detail);
    }
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
        assert!(detail.starts_with("this machine offers no aws credential"), "{detail}");
        assert!(detail.contains("403"), "{detail}");
    }
    assert_eq!(endpoint.asked(), 1);
}

#[test]
fn details_are_bounded() {
    let long = "ä".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(refused(&long).detail.len(), MAX_MESSAGE_BYTES);
    assert_eq!(refused(&format!("x{long}")).detail.len(), MAX_MESSAGE_BYTES - 1);
}
