//! What passes the tap moves the feed: through a process of its own, and on the daemon's own port.

use std::{net::SocketAddr, sync::Arc};

use endturn::{
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
    probe::http_client,
    simulate::Pace,
    tap::{Limits, Shipper, Sink},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{End, PLANTED, Seen, Simulated, Tapped, ask, entry, post};
use crate::support::live::{get, json, until};

fn config(listen: &str, entries: &str) -> Config {
    let text = format!("[server]\nlisten = \"{listen}\"\n[network]\nanchors = []\n{entries}");
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        ..Env::default()
    };
    let loaded = load_text("t.toml", &text, &env);
    loaded.unwrap_or_else(|error| panic!("{error}")).config
}

async fn start(listen: &str, entries: &str) -> Daemon {
    let config = config(listen, entries);
    Daemon::start(config, StorePlace::Temporary, 7, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

fn entries(behind: &Simulated) -> String {
    entry("openai", &format!("http://{}/openai/v1", behind.addr))
        .replace("canary = false", "reach = false\ncanary = false")
}

fn chat(model: &str) -> String {
    format!(
        r#"{{"messages":[{{"role":"user","content":"about {PLANTED}"}}],"model":"{model}","stream":true}}"#
    )
}

async fn state(addr: SocketAddr, target: &str) -> String {
    let (status, body) = get(addr, &format!("/v1/health/{target}")).await;
    let health: Value = serde_json::from_str(&body).unwrap();
    if status == 200 {
        health["state"].to_string()
    } else {
        "none".to_owned()
    }
}

/// What is told of the tap's reports.
async fn reporter(addr: SocketAddr) -> (u64, u64, u64) {
    let all = json(addr, "/v1/reporters").await;
    let of = |name: &str| all["reporters"][0][name].as_u64().unwrap_or(0);
    (of("accepted"), of("duplicates"), of("failed"))
}

/// Asks again and again until the target is down; tells how often that was. Evidence has to span some time.
async fn fails(addr: SocketAddr, asks: impl AsyncFn()) -> u64 {
    let asked = std::sync::atomic::AtomicU64::new(0);
    until("the target to fail", async || {
        asks().await;
        asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        (state(addr, "openai/m!truncate.fin").await == "\"down\"").then_some(())
    })
    .await;
    asked.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_daemons_own_port() {
    let (direct, behind) = (
        Simulated::start(Pace::instant()).await,
        Simulated::start(Pace::instant()).await,
    );
    let daemon = start("127.0.0.1:0", &entries(&behind)).await;
    let addr = daemon.addr();
    let path = "/openai/v1/chat/completions";
    for n in 0..10 {
        let wanted = ask(direct.addr, post(direct.addr, path, chat("m!truncate.fin"))).await;
        let got = ask(addr, post(addr, &format!("/tap{path}"), chat("m!truncate.fin"))).await;
        assert_eq!(
            (got.status, got.body, got.end),
            (wanted.status, wanted.body, wanted.end),
            "{n}"
        );
        // Our own pages' headers are none of a provider's.
        assert!(!got.headers.contains_key("content-security-policy"));
    }
    let asked = fails(addr, async || {
        ask(addr, post(addr, &format!("/tap{path}"), chat("m!truncate.fin"))).await;
    })
    .await;
    let (status, page) = get(addr, "/tap").await;
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(told["counts"]["verdicts"]["truncated"], 10 + asked);
    assert_eq!(told["counts"]["untold"], 0);
    assert_eq!(
        told["providers"][0]["env"],
        format!("OPENAI_BASE_URL=http://{addr}/tap/openai/v1")
    );
    assert_eq!(reporter(addr).await, (10 + asked, 0, 10 + asked));
    for path in ["/v1/health", "/v1/observations"] {
        let (_, body) = get(addr, path).await;
        assert!(!body.contains(PLANTED) && !body.contains("quick brown"), "{body}");
    }
    // What only begins like it is no tap's.
    assert_eq!(get(addr, "/tapestry").await.0, 404);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_process_of_its_own_while_the_daemon_is_restarted() {
    let behind = Simulated::start(Pace::instant()).await;
    let first = start("127.0.0.1:0", &entries(&behind)).await;
    let addr = first.addr();
    let shipper = Arc::new(Shipper::new(
        http_client().unwrap(),
        &format!("http://{addr}"),
        None,
        "tap",
    ));
    let closing = CancellationToken::new();
    let shipping = {
        let (shipper, closing) = (Arc::clone(&shipper), closing.clone());
        tokio::spawn(async move { shipper.run(closing).await })
    };
    let seen = Arc::new(Seen::default());
    let sink = Arc::clone(&shipper) as Arc<dyn Sink>;
    let tapped = Tapped::with(&entries(&behind), sink, seen, &[], Limits::default());
    let asks = async |n: usize, model: &str| {
        for _ in 0..n {
            let answer = ask(
                tapped.addr,
                post(tapped.addr, "/openai/v1/chat/completions", chat(model)),
            )
            .await;
            assert_eq!(answer.end, if model == "m" { End::Whole } else { End::Cut });
        }
    };
    let asked = fails(addr, async || asks(1, "m!truncate.fin").await).await;
    until("all told", || async {
        (shipper.view().sent == asked).then_some(())
    })
    .await;
    assert_eq!(reporter(addr).await, (asked, 0, asked));
    first.stop().await;
    asks(7, "m").await;
    until("nobody is there", || async { shipper.view().away.then_some(()) }).await;
    let second = start(&addr.to_string(), &entries(&behind)).await;
    until("the rest", || async {
        (shipper.view().sent == asked + 7).then_some(())
    })
    .await;
    assert_eq!(reporter(addr).await, (7, 0, 0));
    let view = shipper.view();
    assert_eq!((view.waiting, view.refused, view.dropped), (0, 0, 0));
    closing.cancel();
    shipping.await.unwrap();
    second.stop().await;
}
