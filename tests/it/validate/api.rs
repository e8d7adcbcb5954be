//! `POST /v1/validate`: what may be posted, what is answered, what is refused.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use endturn::{
    api::{MAX_BODY_BYTES, MAX_VALIDATIONS},
    gate::{Input, Options, validate},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{capture, index};
use crate::api::{World, world};

async fn post(world: &World, query: &str, content_type: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let mut request = Request::post(format!("/v1/validate{query}")).header("host", "localhost:7411");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let request = request.body(body.into()).expect("a request");
    let response = world.router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn every_vector_is_answered_as_the_library_judges_it() {
    let world = world();
    for row in index() {
        let bytes = capture(&row);
        let outcome = validate(&Input::capture(&bytes), &Options::default());
        let (status, got) = post(&world, "", "application/octet-stream", bytes).await;
        assert_eq!(status, StatusCode::OK, "{}", row.path);
        assert_eq!(got["verdict"], outcome.verdict.family(), "{}", row.path);
        assert_eq!(got["kind"], json!(outcome.verdict.detail()), "{}", row.path);
        assert_eq!(got["text"], outcome.text.as_str(), "{}", row.path);
        let members: Vec<&str> = got
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            members,
            [
                "advice",
                "flags",
                "kind",
                "position",
                "protocol",
                "reason",
                "stop_reason",
                "text",
                "usage",
                "verdict"
            ]
        );
    }
}

#[tokio::test]
async fn envelopes_captures_and_forms() {
    let world = world();
    let body = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"[1, 2"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let stream = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    for (query, content_type, body, verdict, kind) in [
        (
            "",
            "application/json",
            r#"{"text":"{\"a\":1}","stop_reason":"end_turn","expect":"json"}"#.to_owned(),
            "complete",
            None,
        ),
        (
            "",
            "application/json; charset=utf-8",
            r#"{"text":"{\"a\":","stop_reason":"end_turn","expect":"json"}"#.to_owned(),
            "truncated",
            Some("silent"),
        ),
        (
            "",
            "application/json",
            r#"{"text":"f(","stop_reason":"stop","expect":"code","language":"js"}"#.to_owned(),
            "truncated",
            Some("silent"),
        ),
        (
            "",
            "application/json",
            r#"{"text":"one two","stop_reason":"stop","ends_with":"two"}"#.to_owned(),
            "complete",
            None,
        ),
        (
            "",
            "application/json",
            json!({"stream": stream, "protocol": "groq"}).to_string(),
            "truncated",
            Some("cut"),
        ),
        (
            "?capture=1",
            "application/json",
            body.to_owned(),
            "complete",
            None,
        ),
        (
            "?capture=1&expect=json",
            "application/json",
            body.to_owned(),
            "truncated",
            Some("silent"),
        ),
        (
            "?expect=json&protocol=openai-chat",
            "application/octet-stream",
            body.to_owned(),
            "truncated",
            Some("silent"),
        ),
        (
            "",
            "text/event-stream",
            stream.to_owned(),
            "truncated",
            Some("cut"),
        ),
        // As `curl --data-binary` and a bare socket send it.
        (
            "",
            "application/x-www-form-urlencoded",
            stream.to_owned(),
            "truncated",
            Some("cut"),
        ),
        ("", "", stream.to_owned(), "truncated", Some("cut")),
        (
            "?stop_reason=max_tokens",
            "text/plain",
            "Hello".to_owned(),
            "limited",
            None,
        ),
        ("", "text/plain", String::new(), "truncated", Some("empty")),
    ] {
        let (status, got) = post(&world, query, content_type, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{query} {body} {got}");
        assert_eq!(
            (&got["verdict"], &got["kind"]),
            (&json!(verdict), &json!(kind)),
            "{query} {body}"
        );
    }
    let (_, got) = post(&world, "?capture=1&expect=json", "application/json", body).await;
    assert_eq!(got["position"]["byte"], 5);
    assert_eq!(got["usage"], json!({"input": 3, "output": 4, "reasoning": null}));
    assert_eq!(got["protocol"], "openai-chat");
    assert_eq!(got["advice"], "retry_elsewhere");
    assert!(
        got["flags"]
            .as_array()
            .expect("a list")
            .contains(&json!("forged"))
    );
}

#[tokio::test]
async fn what_is_refused_is_a_problem() {
    let world = world();
    for (query, content_type, body, status, detail) in [
        ("?protocol=smtp", "text/plain", "x", 400, "unknown protocol"),
        ("?expect=poem", "text/plain", "x", 400, "unknown kind of text"),
        ("?exepct=json", "text/plain", "x", 400, "unknown field"),
        ("?capture=yes", "text/plain", "x", 400, "allowed are 0 and 1"),
        ("", "application/json", "{", 400, "no envelope"),
        (
            "",
            "application/json",
            r#"{"id":"c","choices":[]}"#,
            400,
            "?capture=1",
        ),
        (
            "",
            "application/json",
            r#"{"text":"x"}"#,
            400,
            "needs its stop_reason",
        ),
        (
            "",
            "application/json",
            r#"{"text":"x","stream":"y"}"#,
            400,
            "an envelope holds",
        ),
        (
            "",
            "application/json",
            r#"{"stream":"y","stop_reason":"stop"}"#,
            400,
            "an envelope holds",
        ),
        (
            "",
            "application/json",
            r#"{"stream":"y","protocol":"smtp"}"#,
            400,
            "unknown protocol",
        ),
        (
            "?expect=json",
            "application/json",
            r#"{"stream":"y"}"#,
            400,
            "say it in the envelope",
        ),
        (
            "",
            "multipart/form-data; boundary=x",
            "x",
            415,
            "send the capture itself",
        ),
    ] {
        let (got, problem) = post(&world, query, content_type, body).await;
        assert_eq!(got.as_u16(), status, "{query} {body} {problem}");
        assert!(
            problem["detail"].as_str().unwrap_or_default().contains(detail),
            "{problem}"
        );
        assert_eq!(problem["instance"], "/v1/validate");
    }
    let (status, _) = post(&world, "", "text/plain", vec![b'x'; MAX_BODY_BYTES]).await;
    assert_eq!(status, StatusCode::OK, "as long as allowed");
    let (status, problem) = post(&world, "", "text/plain", vec![b'x'; MAX_BODY_BYTES + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(problem["type"], "urn:endturn:problem:body-too-large");
    let get = Request::get("/v1/validate")
        .header("host", "localhost")
        .body(Body::empty());
    let response = world
        .router
        .clone()
        .oneshot(get.expect("a request"))
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// Bodies that never come hold turns, not the feed; and they end.
#[tokio::test(start_paused = true)]
async fn slow_bodies_hold_up_nobody_else() {
    let world = world();
    let slow = || {
        let never = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        post(&world, "", "text/plain", Body::from_stream(never))
    };
    let held = futures_util::future::join_all((0..MAX_VALIDATIONS).map(|_| slow()));
    let late = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let feed = Request::get("/v1/health")
            .header("host", "localhost")
            .body(Body::empty());
        let feed = world
            .router
            .clone()
            .oneshot(feed.expect("a request"))
            .await
            .expect("an answer");
        assert_eq!(feed.status(), StatusCode::OK);
        post(&world, "", "text/plain", "x").await.0
    };
    let (held, late) = tokio::join!(held, late);
    assert_eq!(late, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        held.iter()
            .all(|(status, _)| *status == StatusCode::REQUEST_TIMEOUT),
        "{held:?}"
    );
    assert_eq!(
        post(&world, "", "text/plain", "x").await.0,
        StatusCode::OK,
        "turns come back"
    );
}
