//! Google access tokens from each kind of source.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;

/// The key in it was made for this test and opens nothing.
fn service_account() -> Value {
    let key = include_str!("../test_key.b64");
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
        google: crate::probe::credential::google::Tokens::with_metadata(clock.clone(), url.to_owned()),
        ..Credentials::new(clock.clone())
    }
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
    assert!(
        request.contains("/instance/service-accounts/default/token"),
        "{request}"
    );
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
    let decoded =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
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
        (
            "{\"type\": \"planted-secret\"}",
            "neither service_account nor authorized_user",
        ),
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
