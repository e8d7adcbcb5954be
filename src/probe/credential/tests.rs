//! A loopback endpoint that hands out credentials, and what the tests share. Nothing here asks the network.

mod aws;
mod google;
mod whole;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
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
const BODY: &str =
    r#"{"messages":[{"role":"user","content":[{"text":"ping"}]}],"inferenceConfig":{"maxTokens":64}}"#;
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
    assert!(!with_key(
        Auth::None,
        Some("key"),
        Some(CloudCredential::AwsAmbient)
    ));
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
        Self::slow(Clock::system(), Duration::ZERO, answers).await
    }

    /// Each answer takes that long, by that manual clock.
    async fn slow(clock: Clock, takes: Duration, answers: Vec<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut answers = VecDeque::from(answers);
        let next = move || {
            clock.advance(takes);
            if answers.len() > 1 {
                answers.pop_front().expect("more than one")
            } else {
                answers[0].clone()
            }
        };
        let task = tokio::spawn(serve(listener, next, Arc::clone(&asked)));
        Self { url, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn request(&self, index: usize) -> String {
        self.asked.lock().unwrap()[index].clone()
    }
}

async fn serve(
    listener: TcpListener,
    mut next: impl FnMut() -> (u16, Value),
    asked: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = String::new();
        let mut chunk = [0; 4096];
        while !is_whole(&request) {
            let Ok(read @ 1..) = stream.read(&mut chunk).await else {
                break;
            };
            request.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        asked.lock().unwrap().push(request);
        let (status, body) = next();
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        // Whoever asked may be gone.
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

fn bearer(call: &Call) -> &str {
    let value = &call.headers["authorization"];
    assert!(value.is_sensitive());
    value.to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

#[test]
fn details_are_bounded() {
    let long = "ä".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(refused(&long).detail.len(), MAX_MESSAGE_BYTES);
    assert_eq!(refused(&format!("x{long}")).detail.len(), MAX_MESSAGE_BYTES - 1);
}
