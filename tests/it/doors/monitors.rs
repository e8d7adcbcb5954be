//! `application/health+json` by `Accept`, and `HEAD` for checks that want no body.

use axum::{
    body::Body,
    http::{Method, Request, Response},
};
use endturn::feed::v1::FRESH_FOR;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    api::{World, world},
    feed::target,
};

const DRAFT: &str = "application/health+json";

async fn send(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:7411");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    world.router.clone().oneshot(request).await.unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn show(world: &World, states: [State; 3]) {
    let mut changed = view(T0, State::Operational);
    for ((place, id), state) in changed.targets.iter_mut().zip(IDS).zip(states) {
        *place = target(id, state);
    }
    let store = v1::StoreStatus::default();
    world.hub.publish(&changed, Cause::Heartbeat, &store).unwrap();
}

#[tokio::test]
async fn monitors_get_their_format_and_nobody_else_does() {
    use State::{Degraded, Down, Maintenance, Operational, Partial, Unknown};
    let world = world();
    for (states, one, whole) in [
        ([Operational; 3], (200, "pass"), (200, "pass")),
        ([Degraded, Operational, Operational], (200, "warn"), (200, "warn")),
        ([Partial, Operational, Operational], (503, "fail"), (200, "warn")),
        ([Down; 3], (503, "fail"), (503, "fail")),
        ([Maintenance, Down, Down], (503, "fail"), (503, "fail")),
        ([Unknown, Operational, Down], (200, "warn"), (200, "warn")),
        ([Unknown; 3], (200, "warn"), (200, "warn")),
    ] {
        show(&world, states);
        for (path, (status, word)) in [
            (format!("/v1/health/{}", IDS[0]), one),
            ("/v1/health".to_owned(), whole),
        ] {
            let response = send(&world, Method::GET, &path, &[("accept", DRAFT)]).await;
            assert_eq!(response.status().as_u16(), status, "{path} {states:?}");
            assert_eq!(
                (header(&response, "content-type"), header(&response, "vary")),
                (DRAFT, "accept")
            );
            let told: Value = serde_json::from_str(&body(response).await).unwrap();
            assert_eq!((&told["status"], &told["version"]), (&json!(word), &json!("1")));
            assert_eq!(told["output"].is_string(), word != "pass", "{told}");
            let plain = send(&world, Method::GET, &path, &[("accept", "*/*")]).await;
            assert_eq!(plain.status(), 200, "the feed itself never fails");
            // The whole feed comes packed, too.
            let vary = if path == "/v1/health" {
                "accept, accept-encoding"
            } else {
                "accept"
            };
            assert_eq!(
                (header(&plain, "content-type"), header(&plain, "vary")),
                ("application/json", vary)
            );
        }
    }
}

#[tokio::test]
async fn checks_are_the_figures_of_the_feed() {
    let world = world();
    show(&world, [State::Degraded, State::Operational, State::Unknown]);
    let accept = [("accept", DRAFT)];
    let response = send(&world, Method::GET, "/v1/health?targets=anthropic/*", &accept).await;
    let tag = header(&response, "etag").to_owned();
    let told: Value = serde_json::from_str(&body(response).await).unwrap();
    assert_eq!(
        told["checks"]["target:state"],
        json!([{"componentId": IDS[0], "componentType": "component", "observedValue": "degraded", "status": "warn",
            "time": "2026-06-20T13:01:00.000Z", "output": "7 of 12 replies ended before a stop reason in 60 s"}])
    );
    assert_eq!(
        told["checks"]["target:ttftP95"],
        json!([{"componentId": IDS[0], "componentType": "component", "observedValue": 903.0, "observedUnit": "ms",
            "time": "2026-06-20T13:01:00.000Z"}])
    );
    assert_eq!(told["checks"]["target:truncationRate"][0]["observedValue"], 17.28);
    assert_eq!(
        told["checks"].get("target:errorRate"),
        None,
        "no samples are no zero"
    );
    let again = [("accept", DRAFT), ("if-none-match", tag.as_str())];
    let same = send(&world, Method::GET, "/v1/health?targets=anthropic/*", &again).await;
    assert_eq!(same.status(), 304);
    let whole = send(&world, Method::GET, "/v1/health", &accept).await;
    let whole: Value = serde_json::from_str(&body(whole).await).unwrap();
    assert_eq!(whole["checks"]["target:state"].as_array().unwrap().len(), 3);
    world.clock.advance(FRESH_FOR + Duration::from_millis(1));
    let stale = send(&world, Method::GET, &format!("/v1/health/{}", IDS[0]), &accept).await;
    assert_eq!(stale.status(), 200);
    let stale: Value = serde_json::from_str(&body(stale).await).unwrap();
    assert_eq!(stale["status"], "warn");
    assert_eq!(stale["checks"]["target:state"][0]["observedValue"], "unknown");
    assert_eq!(
        stale["checks"].as_object().unwrap().len(),
        1,
        "what is stale is shown as known nowhere"
    );
}

/// What fails is told by the status each time, whatever the reader has kept.
#[tokio::test]
async fn a_failure_is_never_304() {
    let world = world();
    show(&world, [State::Down; 3]);
    let path = format!("/v1/health/{}", IDS[0]);
    let first = send(&world, Method::GET, &path, &[("accept", DRAFT)]).await;
    let tag = header(&first, "etag").to_owned();
    let headers = [("accept", DRAFT), ("if-none-match", tag.as_str())];
    let again = send(&world, Method::GET, &path, &headers).await;
    assert_eq!(
        (again.status().as_u16(), header(&again, "content-type")),
        (503, DRAFT)
    );
    assert!(body(again).await.contains("\"fail\""));
}

#[tokio::test]
async fn a_check_may_leave_the_body_out() {
    let world = world();
    for (state, status, degraded) in [
        (State::Operational, 200, ""),
        (State::Degraded, 200, "true"),
        (State::Down, 503, ""),
    ] {
        show(&world, [state; 3]);
        let path = format!("/v1/up/{}", IDS[0]);
        let (get, head) = (
            send(&world, Method::GET, &path, &[]).await,
            send(&world, Method::HEAD, &path, &[]).await,
        );
        for response in [&get, &head] {
            assert_eq!(response.status().as_u16(), status, "{state}");
            assert_eq!(header(response, "x-envoy-degraded"), degraded, "{state}");
            assert_eq!(header(response, "content-type"), "text/plain; charset=utf-8");
        }
        assert_eq!(header(&head, "content-length"), header(&get, "content-length"));
        assert_eq!(body(head).await, "");
        assert!(body(get).await.ends_with(&format!(" {state}\n")));
    }
}
