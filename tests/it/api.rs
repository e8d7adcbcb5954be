//! The API: every path and error in process, then what only a socket can show.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

mod events;
mod routes;
mod world;

use std::{
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, Version},
    routing::get,
};
use endturn::{
    api::{
        ApiState, COMMENT_EVERY, ChangeQuery, Checks, History, HistoryError, IncidentQuery, KeptEvent,
        Listing, MAX_LIMIT, MAX_REPLAY, MAX_WAIT, ObservationQuery, Readiness, SCHEDULER_STALL, router,
    },
    clock::{Clock, Timestamp},
    feed::{Cause, HEARTBEAT, Hub, MAX_SUBSCRIBERS, RING_EVENTS, v1},
    health::{Change, ChangeKind, Hint, Incident, Network, State},
    store::{Series, SeriesQuery},
    verdict::{Observation, Source, Verdict},
};
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) use world::{World, rules, world};

use crate::feed::{IDS, T0, beat, hub, id, incident, parts, target, transition, view};

fn request(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "localhost:7411");
    request.body(Body::empty()).unwrap()
}

impl World {
    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.send(request(path)).await;
        (response.status(), text(response).await)
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn publish(&self, after: Duration, state: State) -> u64 {
        let at = T0.plus(after);
        let moved = [transition(IDS[0], at, State::Unknown, state)];
        let view = view(at, state);
        let event = self
            .hub
            .publish(&view, Cause::Transition(&moved), &v1::StoreStatus::default());
        event.unwrap().revision
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The next chunk of an event stream.
async fn chunk(body: &mut Body) -> Option<Vec<u8>> {
    let frame = body.frame().await?.unwrap();
    Some(frame.into_data().unwrap().to_vec())
}

#[tokio::test]
async fn every_answer_is_where_the_contract_says() {
    let world = world();
    let feed = world.json("/v1/health").await;
    assert_eq!(
        (&feed["schema"], &feed["revision"]),
        (&"endturn.health.v1".into(), &101.into())
    );
    assert_eq!(
        world.json("/v1/health?targets=openai/*").await["targets"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    for path in ["/v1/health/openai/meta/llama", "/v1/health/openai%2Fmeta%2Fllama"] {
        let one = world.json(path).await;
        assert_eq!(
            (&one["id"], &one["state"]),
            (&"openai/meta/llama".into(), &"operational".into())
        );
        assert_eq!(one["stale_after"], "2026-06-20T13:01:15.000Z");
    }
    let list = world
        .json("/v1/observations?target=anthropic/claude-haiku-4-5&verdict=complete&source=canary&limit=5&cursor=next")
        .await;
    assert_eq!(
        (&list["items"][0]["verdict"], &list["next_cursor"]),
        (&"complete".into(), &"next".into())
    );
    let asked = world.past.asked.lock().unwrap().take().unwrap();
    for part in [
        "anthropic/claude-haiku-4-5",
        "complete",
        "Canary",
        "limit: 5",
        "next",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    let list = world.json("/v1/incidents?open=true").await;
    assert_eq!(
        (&list["items"][0]["open"], &list["next_cursor"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        world.json("/v1/incidents/inc-7").await["timeline"][0]["kind"],
        "first_evidence"
    );
    assert_eq!(world.json("/livez").await["status"], "ok");
    assert_eq!(world.json("/readyz").await["status"], "ok");
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let world = world();
    let long = "9".repeat(200);
    for (path, status, detail) in [
        ("/nowhere", 404, "nothing at this path"),
        ("/v1/health/", 404, "nothing at this path"),
        (
            "/v1/health/openai/none",
            404,
            "no target openai/none is configured",
        ),
        ("/v1/health/openai", 400, "has no model"),
        ("/v1/health/openai/%FF", 400, "UTF-8"),
        ("/v1/up/openai/none", 404, "no target openai/none is configured"),
        ("/v1/up/openai/gpt-5.2?unknown=perhaps", 400, "unknown variant"),
        ("/v1/health?sinse=3", 400, "sinse: unknown field"),
        ("/v1/health?since=x", 400, "invalid digit"),
        ("/v1/health?since=3&since=4", 400, "duplicate field"),
        ("/v1/health?wait=soon", 400, "is no duration"),
        ("/v1/health?targets=", 400, "a pattern is empty"),
        ("/v1/health/openai/gpt-5.2?targets=a", 400, "unknown field"),
        (
            "/v1/health?since=9223372036854775808",
            400,
            "beyond every revision",
        ),
        ("/v1/events?targets=a%20b", 400, "which no target id does"),
        ("/v1/observations?target=openai", 400, "has no model"),
        (
            "/v1/observations?verdict=cut",
            400,
            "known are complete, truncated",
        ),
        ("/v1/observations?source=hearsay", 400, "known are reach, canary"),
        ("/v1/observations?limit=0", 400, "allowed are 1 to 500"),
        ("/v1/observations?limit=501", 400, "allowed are 1 to 500"),
        ("/v1/observations?limit=-1", 400, "invalid digit"),
        ("/v1/observations?cursor=made-up", 400, "cursor"),
        (&format!("/v1/observations?cursor={long}"), 400, "at most 128"),
        ("/v1/incidents?open=maybe", 400, "true"),
        ("/v1/incidents/none", 404, "no incident has this id"),
        (&format!("/v1/incidents/{long}"), 404, "id that long"),
        ("/panics", 500, "fault in endturn"),
    ] {
        let response = world.send(request(path)).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(
            header(&response, "content-type"),
            "application/problem+json",
            "{path}"
        );
        let problem: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{path}: {problem}"
        );
        let inner = problem["detail"].as_str().unwrap().contains("deserialize");
        assert!(!inner, "{path}: speaks of its own insides: {problem}");
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:endturn:problem:"),
            "{path}"
        );
        assert!(!problem["title"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        world.get(&format!("/v1/observations?limit={MAX_LIMIT}")).await.0,
        200
    );
}

#[tokio::test]
async fn odd_requests_are_turned_away() {
    let world = world();
    let with = |method: Method, hosts: &[&str], version, body: &'static str| {
        let mut request = Request::builder()
            .method(method)
            .uri("/v1/health")
            .version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(Body::from(body)).unwrap()
    };
    let one = Version::HTTP_11;
    for (request, status) in [
        (with(Method::GET, &["localhost"], one, ""), 200),
        (with(Method::HEAD, &["[::1]:1"], one, ""), 200),
        (with(Method::GET, &[], Version::HTTP_10, ""), 200),
        (with(Method::GET, &["evil.example"], Version::HTTP_10, ""), 421),
        (with(Method::GET, &["rebound.example:7411"], one, ""), 421),
        (with(Method::GET, &[], one, ""), 400),
        (with(Method::GET, &["localhost", "localhost"], one, ""), 400),
        (with(Method::GET, &["localhost"], one, "{}"), 413),
        (with(Method::POST, &["localhost"], one, "{}"), 405),
        (with(Method::DELETE, &["localhost"], one, ""), 405),
    ] {
        let response = world.send(request).await;
        assert_eq!(response.status(), status);
        if status == 405 {
            assert_eq!(header(&response, "allow"), "GET,HEAD");
        }
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert!(
            header(&response, "content-security-policy").starts_with("default-src 'none'; script-src 'self'")
        );
        let body = text(response).await;
        assert!(
            status < 300 || body.contains(r#""instance":"/v1/health""#),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_broken_history_says_so_and_harms_nothing_else() {
    let world = world();
    for (broken, status) in [(1, 503), (2, 500)] {
        world.past.broken.store(broken, Ordering::SeqCst);
        for path in ["/v1/observations", "/v1/incidents", "/v1/incidents/inc-7"] {
            let response = world.send(request(path)).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(
                header(&response, "retry-after"),
                if status == 503 { "5" } else { "" }
            );
        }
        assert_eq!(world.get("/v1/health").await.0, 200);
    }
}

#[tokio::test]
async fn the_feed_comes_packed_to_those_who_take_it_so() {
    let world = world();
    let ask = async |path: &str, encodings: &'static str| {
        let mut request = request(path);
        let encodings = HeaderValue::from_static(encodings);
        request.headers_mut().insert("accept-encoding", encodings);
        world.send(request).await
    };
    let plain = ask("/v1/health", "br").await;
    assert_eq!(header(&plain, "content-encoding"), "");
    for _ in 0..2 {
        let packed = ask("/v1/health", "gzip, deflate, br").await;
        assert_eq!(header(&packed, "content-encoding"), "gzip");
        assert_eq!(header(&packed, "vary"), "accept, accept-encoding");
        assert_eq!(header(&packed, "content-type"), "application/json");
        assert_eq!(header(&packed, "etag"), world.hub.snapshot().gzip_etag);
        assert_ne!(header(&packed, "etag"), header(&plain, "etag"), "other bytes");
        let bytes = packed.into_body().collect().await.unwrap().to_bytes();
        let mut unpacked = Vec::new();
        GzDecoder::new(bytes.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, world.hub.snapshot().json());
        assert!(bytes.len() < unpacked.len());
    }
    assert_eq!(header(&plain, "vary"), "accept, accept-encoding");
    // A few targets are few bytes.
    let some = ask("/v1/health?targets=openai/*", "gzip").await;
    assert_eq!(header(&some, "content-encoding"), "");
    // What was packed is that revision's alone.
    beat(&world.hub, T0.plus(HEARTBEAT));
    let next = ask("/v1/health", "gzip").await;
    let bytes = next.into_body().collect().await.unwrap().to_bytes();
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes.as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, world.hub.snapshot().json());
}

#[tokio::test]
async fn a_304_never_renews_an_old_copy() {
    let world = world();
    for path in [
        "/v1/health",
        "/v1/health/openai/gpt-5.2",
        "/v1/health?targets=openai/*",
    ] {
        let fresh = world.send(request(path)).await;
        let tag = header(&fresh, "etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "strong: {tag}");
        let ask = async |tags: &str| {
            let mut again = request(path);
            again.headers_mut().insert("if-none-match", tags.parse().unwrap());
            world.send(again).await
        };
        for (tags, status) in [
            (tag.clone(), 304),
            (format!("\"other\", {tag}"), 304),
            (format!("W/{tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let response = ask(&tags).await;
            assert_eq!(response.status(), status, "{tags}");
            assert_eq!(header(&response, "etag"), tag);
            assert_eq!(text(response).await.is_empty(), status == 304);
        }
        let revision = world.hub.snapshot().revision();
        beat(
            &world.hub,
            T0.plus(HEARTBEAT * u32::try_from(revision - 100).unwrap()),
        );
        assert_eq!(
            ask(&tag).await.status(),
            200,
            "nothing changed but the time, and that is news"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_only_for_what_it_does_not_have() {
    let world = world();
    for (query, waits) in [
        ("", false),
        ("?since=101", false),
        ("?since=100&wait=30s", false),
        ("?since=102&wait=30s", false),
        ("?since=101&wait=30s&instance=instance-2", false),
        ("?since=101&wait=30s&instance=instance-1", true),
        ("?since=101&wait=30", true),
        ("?since=101&wait=30s", true),
        ("?since=101&wait=1h", true),
    ] {
        let start = tokio::time::sleep(Duration::ZERO).deadline();
        let (status, _) = world.get(&format!("/v1/health{query}")).await;
        let waited = tokio::time::sleep(Duration::ZERO).deadline() - start;
        let expected = match (waits, query.ends_with("1h")) {
            (false, _) => Duration::ZERO,
            (true, false) => Duration::from_secs(30),
            (true, true) => MAX_WAIT,
        };
        assert_eq!(status, 200);
        assert!(
            waited >= expected && waited < expected + Duration::from_millis(50),
            "{query}: {waited:?}"
        );
    }
    let (answer, ()) = tokio::join!(world.json("/v1/health?since=101&wait=30s"), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.publish(Duration::from_secs(2), State::Down);
    });
    assert_eq!(
        (&answer["revision"], &answer["targets"][0]["state"]),
        (&102.into(), &"down".into())
    );
    let start = tokio::time::sleep(Duration::ZERO).deadline();
    let (status, ()) = tokio::join!(world.get("/v1/health?since=102&wait=60s"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.closing.cancel();
    });
    assert_eq!(status.0, 200);
    assert!(
        tokio::time::sleep(Duration::ZERO).deadline() - start < Duration::from_secs(2),
        "it ends at shutdown"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn up_follows_the_hint_and_unknown_passes() {
    struct Row(State, Hint, Option<f64>, Network, Duration, u16, u16, bool);
    let now = Duration::ZERO;
    let (online, offline) = (Network::Online, Network::Offline);
    for Row(state, hint, weight, network, later, plain, strict, degraded) in [
        Row(
            State::Operational,
            Hint::Allow,
            Some(1.0),
            online,
            now,
            200,
            200,
            false,
        ),
        Row(
            State::Operational,
            Hint::Suspect,
            Some(1.0),
            online,
            now,
            200,
            200,
            false,
        ),
        Row(
            State::Degraded,
            Hint::Allow,
            Some(0.5),
            online,
            now,
            200,
            200,
            true,
        ),
        Row(
            State::Partial,
            Hint::Allow,
            Some(0.5),
            online,
            now,
            200,
            200,
            true,
        ),
        Row(
            State::Partial,
            Hint::Avoid,
            Some(0.0),
            online,
            now,
            503,
            503,
            false,
        ),
        Row(State::Down, Hint::Avoid, Some(0.0), online, now, 503, 503, false),
        Row(
            State::Operational,
            Hint::Ramp,
            Some(0.05),
            online,
            now,
            200,
            200,
            true,
        ),
        Row(
            State::Unknown,
            Hint::NoOpinion,
            None,
            online,
            now,
            200,
            503,
            false,
        ),
        Row(
            State::Maintenance,
            Hint::Avoid,
            Some(0.0),
            online,
            now,
            503,
            503,
            false,
        ),
        Row(
            State::Operational,
            Hint::Throttle,
            None,
            online,
            now,
            200,
            200,
            false,
        ),
        Row(
            State::Operational,
            Hint::Blocked,
            None,
            online,
            now,
            200,
            200,
            false,
        ),
        Row(State::Down, Hint::Avoid, Some(0.0), offline, now, 200, 503, false),
        Row(
            State::Down,
            Hint::Avoid,
            Some(0.0),
            online,
            Duration::from_millis(15_000),
            503,
            503,
            false,
        ),
        Row(
            State::Down,
            Hint::Avoid,
            Some(0.0),
            online,
            Duration::from_millis(15_001),
            200,
            503,
            false,
        ),
    ] {
        let world = world();
        let mut view = view(T0, State::Operational);
        view.targets[1] = target(IDS[1], state);
        view.targets[1].routing.hint = hint;
        view.targets[1].routing.weight = weight;
        view.network = network;
        world
            .hub
            .publish(&view, Cause::Transition(&[]), &v1::StoreStatus::default());
        world.clock.advance(later);
        let row = format!("{state} {hint:?} {network:?} {later:?}");
        for (query, status) in [("", plain), ("?unknown=up", plain), ("?unknown=down", strict)] {
            let response = world.send(request(&format!("/v1/up/{}{query}", IDS[1]))).await;
            assert_eq!(response.status(), status, "{row} {query}");
            assert_eq!(
                header(&response, "x-envoy-degraded"),
                if degraded { "true" } else { "" },
                "{row}"
            );
            let line = text(response).await;
            let word = if status == 200 { "up " } else { "down " };
            assert!(
                line.starts_with(word) && line.lines().count() == 1,
                "{row}: {line}"
            );
        }
    }
}

#[tokio::test]
async fn readiness_is_ours_alone() {
    let world = world();
    world.publish(Duration::ZERO, State::Down);
    let (status, _) = world.get("/readyz").await;
    assert_eq!(status, 200, "outages of providers never fail it");
    world.daemon.0.lock().unwrap().store = v1::StoreStatus {
        state: v1::StoreState::Failing,
        dropped: 12,
        detail: Some("disk full".to_owned()),
        set_aside: None,
    };
    let ready = world.json("/readyz").await;
    assert_eq!(
        (&ready["status"], &ready["checks"]["store"]["status"]),
        (&"degraded".into(), &"failing".into())
    );
    assert_eq!(
        (
            &ready["checks"]["store"]["dropped"],
            &ready["checks"]["store"]["detail"]
        ),
        (&12.into(), &"disk full".into())
    );
    world.clock.advance(SCHEDULER_STALL);
    assert_eq!(world.get("/readyz").await.0, 200);
    world.clock.advance(Duration::from_millis(1));
    let (status, body) = world.get("/readyz").await;
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_u16(), &ready["status"]), (503, &"failing".into()));
    world.daemon.0.lock().unwrap().scheduler_at = world.clock.now();
    assert_eq!(
        world.get("/readyz").await.0,
        503,
        "a feed that nobody renews is stale"
    );
    beat(&world.hub, world.clock.now());
    assert_eq!(world.get("/readyz").await.0, 200);
    assert_eq!(world.get("/livez").await.0, 200);
}
