//! A client against a server that plays what it is told.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{
    follow::tests::{HEAD, HOLD, PATIENCE, QUICK, Server},
    *,
};
use crate::{
    clock::{Clock, Timestamp},
    feed::{
        fixture::{self, NOW},
        outcome::Outcome,
        v1::Health,
    },
};

const BOTH: [&str; 2] = ["p1/m", "p0/m"];

fn snapshot(health: &Health) -> String {
    let json = serde_json::to_string(health).unwrap();
    let revision = health.head.revision;
    format!("id: {revision}\nevent: snapshot\ndata: {json}\n\n")
}

/// `p0/m` serves, `p1/m` fails.
fn usual() -> String {
    snapshot(&fixture::health(&["operational", "down"]))
}

fn builder(url: &str) -> Builder {
    Client::builder(url).patience(QUICK)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("an end")
}

#[tokio::test]
async fn a_copy_is_kept_and_believed_until_its_time_is_up() {
    let server = Server::playing(vec![format!("{HEAD}{}{HOLD}", usual())]).await;
    let clock = Clock::manual(Timestamp::from_millis(0));
    let client = builder(&server.url)
        .clock(clock.clone())
        .targets(["p0/*", "p1/m"])
        .token(" read-token ")
        .build()
        .unwrap();
    assert!(client.ready(PATIENCE).await);
    let asked = server.asked()[0].clone();
    assert!(
        asked.starts_with("get /v1/events?targets=p0%2f*%2cp1%2fm http/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("\r\nauthorization: bearer read-token\r\n"),
        "{asked}"
    );
    let looks = || {
        let order = client.pick(&BOTH);
        (
            client.allows("p1/m"),
            client.health("p0/m").is_some(),
            order.first(),
            order.basis(),
            client.status().fresh,
        )
    };
    assert_eq!(looks(), (false, true, Some("p0/m"), Basis::Feed, true));
    assert!(client.allows("p0/m") && client.allows("nobody/knows"));
    clock.advance(Duration::from_secs(15));
    assert_eq!(looks(), (true, false, Some("p1/m"), Basis::Nothing, false));
    let status = client.status();
    assert_eq!(
        (status.age, status.head.unwrap().revision),
        (Some(Duration::from_secs(15)), 18_231)
    );
    assert!(client.last_feed().is_some() && client.feed().is_none());
}

#[tokio::test]
async fn changes_are_news_and_the_end_of_what_was_known() {
    let mut short = fixture::health(&["operational"]);
    short.head.stale_after = NOW.plus(Duration::from_millis(40)).into();
    let first = snapshot(&short);
    short.head.revision += 1;
    let second = snapshot(&short).replace("event: snapshot", "event: health");
    let server = Server::playing(vec![format!("{HEAD}{first}{second}{HOLD}")]).await;
    let client = builder(&server.url).build().unwrap();
    let mut changes = client.changes();
    // Both, or the second alone where they came together.
    while client.status().head.is_none_or(|head| head.revision < 18_232) {
        within(changes.next()).await;
    }
    within(async {
        while client.feed().is_some() {
            changes.next().await;
        }
    })
    .await;
    assert!(client.allows("p0/m"));
    // It ran out once; nothing more happens.
    tokio::select! {
        biased;
        () = changes.next() => panic!("no news"),
        () = tokio::task::yield_now() => {}
    }
}

/// A server that answers each poll in turn and keeps what was asked; then none.
async fn polled(answers: Vec<(u16, String)>) -> Server {
    let whole = |(status, body): (u16, String)| {
        format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    Server::playing(answers.into_iter().map(whole).collect()).await
}

fn coding(instance: &str, revision: u64, target: &str) -> (u16, String) {
    let route = serde_json::json!({
        "schema": "endturn.routes.v1", "instance": instance, "vantage": "fra-1", "revision": revision,
        "generated_at": "2026-06-20T13:05:00Z", "stale_after": "2026-06-20T13:05:15Z", "network": "online",
        "name": "coding", "decision": "use", "target": target, "reason": {"code": "first", "text": "it serves"},
        "prefer": "order", "on_exhausted": "fail_closed", "max_ttft_ms": null, "same_key": true, "requires": [],
        "candidates": [],
    });
    (200, route.to_string())
}

/// The task of one route alone: what it learns, and what it asked.
#[tokio::test]
async fn a_route_is_polled_from_where_it_was_and_renewed_by_news_only() {
    let server = polled(vec![
        (404, String::new()),
        coding("i-1", 7, "p0/m"),
        coding("i-1", 7, "p9/m"),
        coding("i-1", 8, "p1/m"),
        coding("i-2", 1, "p2/m"),
    ])
    .await;
    let clock = Clock::manual(NOW);
    let http = crate::link::http_client().unwrap();
    let shipper = crate::link::Shipper::new(http.clone(), &server.url, None, "it");
    let shared = std::sync::Arc::new(keep::Shared::new(
        keep::State::default(),
        clock.clone(),
        shipper,
        false,
    ));
    let asked = routes::Asked {
        http,
        base: server.url.trim_end_matches('/').to_owned(),
        token: None,
    };
    let mut news = shared.state.subscribe();
    let closing = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(routes::keep(
        std::sync::Arc::clone(&shared),
        "coding".to_owned(),
        asked,
        QUICK,
        closing.clone(),
    ));
    let mut told = Vec::new();
    within(async {
        while told.last().is_none_or(|target| target != "p2/m") {
            news.changed().await.unwrap();
            let state = shared.state.borrow();
            let kept = state.route("coding").unwrap().kept.clone().unwrap();
            told.extend(kept.route.target.as_ref().map(ToString::to_string));
        }
    })
    .await;
    closing.cancel();
    within(task).await.unwrap();
    assert!(
        !told.contains(&"p9/m".to_owned()),
        "the same revision renews nothing: {told:?}"
    );
    let asked = server.asked();
    let line = |at: usize| asked[at].lines().next().unwrap_or_default().to_owned();
    assert_eq!(line(0), "get /v1/routes/coding http/1.1");
    assert_eq!(line(1), line(0));
    for (at, revision, instance) in [(2, 7, "i-1"), (3, 7, "i-1"), (4, 8, "i-1")] {
        assert_eq!(
            line(at),
            format!("get /v1/routes/coding?since={revision}&wait=10s&instance={instance} http/1.1")
        );
    }
    let state = shared.state.borrow().clone();
    let kept = state.route("coding").unwrap().kept.clone().unwrap();
    assert_eq!(kept.left(&clock), Some(Duration::from_secs(15)));
    clock.advance(Duration::from_secs(15));
    assert_eq!((kept.left(&clock), state.believed(&clock).0), (None, 0));
}

#[tokio::test]
async fn without_a_daemon_everything_passes() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let client = builder(&url).build().unwrap();
    within(async {
        while client.status().trouble.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!client.ready(Duration::from_millis(1)).await);
    assert!(client.allows("p1/m"));
    let order = client.pick(&BOTH);
    assert_eq!((order.all(), order.basis()), (&BOTH[..], Basis::Nothing));
    assert!(!order.is_exhausted());
}

#[tokio::test]
async fn reports_are_bounded_counted_and_the_end_waits_no_longer_than_it_may() {
    // The first connection is the feed's, the second one's reports are never answered.
    let server = Server::playing(vec![HOLD.to_owned(), HOLD.to_owned()]).await;
    let client = builder(&server.url).build().unwrap();
    let told = |detail: String| {
        client.report(Outcome {
            target: Some("p0/m".into()),
            verdict: Some("complete".into()),
            detail: Some(detail.into()),
            ..Outcome::default()
        })
    };
    assert!(told("x".repeat(15 << 10)));
    assert!(!told("x".repeat(MAX_REPORT_BYTES)));
    for _ in 0..MAX_SPOOLED {
        assert!(told(String::new()));
    }
    let view = within(client.close(Duration::from_millis(20))).await;
    assert_eq!((view.sent, view.refused), (0, 0));
    assert!(view.waiting > 0 && view.dropped >= 1, "{view:?}");
    assert_eq!(view.waiting + view.dropped, MAX_SPOOLED as u64 + 2);
    assert!(!told(String::new()), "it is closed");
}

#[tokio::test]
async fn mistakes_are_told_before_anything_begins() {
    let say = |builder: Builder| builder.build().unwrap_err().to_string();
    let at = || Client::builder("http://127.0.0.1:7411");
    for url in ["127.0.0.1:7411", "ftp://x", "http://x/?y", ""] {
        assert!(
            say(Client::builder(url)).contains("is no address of a daemon"),
            "{url}"
        );
    }
    assert!(say(at().token("two words")).contains("characters"));
    assert!(say(at().targets(["a b"])).contains("which no target id does"));
    for name in ["", "..", "UP", "a/b", &"x".repeat(65)] {
        assert!(say(at().routes([name])).contains("route's name"), "{name}");
    }
    assert!(say(at().routes(vec!["a"; MAX_ROUTES + 1])).contains("at most 16"));
    assert!(at().routes(["coding-2.x_y"]).build().is_ok());
    for name in ["", "a\nb", &"x".repeat(129)] {
        assert!(say(at().reporter(name)).contains("1 to 128 bytes"));
    }
    let debugged = format!("{:?}", at().token("marked-secret"));
    assert!(!debugged.contains("marked-secret"), "{debugged}");
}

#[test]
fn without_a_runtime_it_says_so() {
    let built = Client::builder("http://127.0.0.1:7411").build();
    assert!(matches!(built, Err(BuildError::NoRuntime)));
}
