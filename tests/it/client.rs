//! The library's client against whole daemons.

use std::{net::SocketAddr, time::Duration};

use endturn::{
    client::{Basis, Client},
    clock::Clock,
    config::{Env, load_text},
    daemon::{Daemon, StorePlace},
    feed::outcome::Outcome,
    health::State,
    simulate::{Cut, Fault, FaultKey, FaultKind, Scope},
};

#[path = "../../examples/router.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main is for the command line")]
mod router;

use crate::support::live::{PATIENCE, Providers, Time, json, until};

const BOTH: [&str; 2] = ["anthropic/claude-haiku-4-5", "openai/gpt-5.2"];

async fn daemon(listen: &str, head: &str, entries: &str) -> Daemon {
    let text = format!("[server]\nlisten = \"{listen}\"\n{head}[network]\nanchors = []\n{entries}");
    let vars = [("KEY", "k"), ("TOKEN", "the-token-0123456789")];
    let env = Env {
        vars: vars
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Env::default()
    };
    let config = load_text("t.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    Daemon::start(config, StorePlace::Temporary, 7, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn first(client: &Client, wanted: &str) {
    until(&format!("a turn to {wanted}"), || async {
        let order = client.pick(&BOTH);
        (order.basis() == Basis::Feed && order.first() == Some(wanted)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_turns_away_from_a_truncating_target_and_serves_on_when_the_daemon_dies() {
    let providers = Providers::start().await;
    let first_daemon = daemon("127.0.0.1:0", "", &providers.usual()).await;
    let addr = first_daemon.addr();
    let time = Time::new();
    let client = Client::builder(&format!("http://{addr}"))
        .clock(time.clock.clone())
        .build()
        .unwrap();
    assert!(client.ready(PATIENCE).await);
    first(&client, BOTH[0]).await;
    providers.truncate("anthropic");
    // A suspect is passed over already; then it is out.
    first(&client, BOTH[1]).await;
    until("a clear word", || async {
        (!client.allows(BOTH[0])).then_some(())
    })
    .await;
    assert!(client.allows(BOTH[1]));
    let health = client.health(BOTH[0]).unwrap();
    assert!(health.state.is_impaired(), "{health:?}");

    // Dead: what came last holds for its 15 s and no longer.
    first_daemon.stop().await;
    until("that the connection is lost", || async {
        client.status().trouble.is_some().then_some(())
    })
    .await;
    time.clock.advance(Duration::from_secs(15));
    assert!(client.allows(BOTH[0]));
    let order = client.pick(&BOTH);
    assert_eq!((order.basis(), order.all()), (Basis::Nothing, &BOTH[..]));

    // Back, as another instance that numbers anew: its whole feed replaces everything.
    let second = daemon(&addr.to_string(), "", &providers.usual()).await;
    first(&client, BOTH[1]).await;
    assert!(client.status().trouble.is_none());
    client.close(PATIENCE).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_reports_move_the_feed_and_the_last_ones_are_sent_at_the_end() {
    let providers = Providers::start().await;
    let tokens = "[[server.token]]\nname = \"r\"\ntoken = { env = \"TOKEN\" }\nscopes = [\"report\"]\n";
    let daemon = daemon(
        "127.0.0.1:0",
        tokens,
        &providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "60s"),
    )
    .await;
    let addr = daemon.addr();
    let client = Client::builder(&format!("http://{addr}"))
        .token("the-token-0123456789")
        .reporter("it")
        .targets(["openai/*"])
        .build()
        .unwrap();
    assert!(client.ready(PATIENCE).await);
    let told = std::sync::atomic::AtomicU64::new(0);
    let tell = |verdict: &'static str| {
        told.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert!(client.report(Outcome {
            target: Some(BOTH[1].into()),
            verdict: Some(verdict.into()),
            http_status: Some(200),
            ..Outcome::default()
        }));
    };
    until("that reports convict", || async {
        tell("truncated");
        tokio::time::sleep(Duration::from_millis(20)).await;
        (!client.allows(BOTH[1])).then_some(())
    })
    .await;
    for _ in 0..100 {
        tell("complete");
    }
    let view = client.close(PATIENCE).await;
    let told = told.into_inner();
    assert_eq!(
        (view.sent, view.waiting, view.dropped, view.refused),
        (told, 0, 0, 0)
    );
    assert_eq!(accepted(addr).await, told);
    daemon.stop().await;
}

async fn accepted(addr: SocketAddr) -> u64 {
    json(addr, "/v1/reporters").await["reporters"][0]["accepted"]
        .as_u64()
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_were_asked_for_are_kept() {
    let providers = Providers::start().await;
    let routes = format!(
        "[[route]]\nname = \"coding\"\ntargets = [\"{}\", \"{}\"]\n",
        BOTH[0], BOTH[1]
    );
    let daemon = daemon("127.0.0.1:0", "", &(providers.usual() + &routes)).await;
    let time = Time::new();
    let client = Client::builder(&format!("http://{}", daemon.addr()))
        .routes(["coding", "cooking"])
        .clock(time.clock.clone())
        .build()
        .unwrap();
    let serves = async |wanted: &str| {
        until(&format!("a route to {wanted}"), || async {
            let route = client.route("coding")?;
            (route.target.as_ref()?.to_string() == wanted).then_some(())
        })
        .await;
    };
    serves(BOTH[0]).await;
    providers.truncate("anthropic");
    serves(BOTH[1]).await;
    until("that one is not there", || async {
        let why = client
            .status()
            .routes
            .into_iter()
            .find(|(name, _)| name == "cooking")?
            .1;
        (&*why == "the daemon has no such route").then_some(())
    })
    .await;
    assert!(client.route("cooking").is_none() && client.route("never-asked-for").is_none());
    daemon.stop().await;
    time.clock.advance(Duration::from_secs(15));
    assert!(client.route("coding").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_router_asks_whoever_can_finish_and_goes_on_without_a_daemon() {
    let providers = Providers::start().await;
    let entries = providers.entry("openai", "openai/v1", "\"gpt-5.2-chat\"", "100ms")
        + &providers.entry("openai-responses", "openai/v1", "\"gpt-5.2\"", "100ms");
    let daemon = daemon("127.0.0.1:0", "", &entries).await;
    let addr = daemon.addr();
    let base = format!("http://{}/openai/v1", providers.addr);
    let time = Time::new();
    let client = Client::builder(&format!("http://{addr}"))
        .clock(time.clock.clone())
        .build()
        .unwrap();
    until("that both serve", || async {
        let well = |id| {
            client
                .health(id)
                .is_some_and(|target| target.state == State::Operational)
        };
        (well("openai/gpt-5.2-chat") && well("openai-responses/gpt-5.2")).then_some(())
    })
    .await;
    assert_eq!(router::serve(&client, &base, 3).await.unwrap(), (3, 3));
    let fault = Fault {
        rate: 1.0,
        scope: Scope::Generate,
        kind: FaultKind::Truncate {
            at: 0.5,
            how: Cut::Fin,
        },
    };
    assert!(
        providers
            .faults
            .set(FaultKey::model("openai", "gpt-5.2-chat"), fault)
    );
    until("that the first is out", || async {
        (!client.allows("openai/gpt-5.2-chat")).then_some(())
    })
    .await;
    assert_eq!(
        router::serve(&client, &base, 3).await.unwrap(),
        (3, 3),
        "nobody asked in vain"
    );
    daemon.stop().await;
    time.clock.advance(Duration::from_secs(15));
    assert_eq!(
        router::serve(&client, &base, 2).await.unwrap(),
        (2, 4),
        "as without endturn"
    );
}

/// No bound on time is asserted: readers simply go on while the copy is replaced under them, and see it whole.
#[tokio::test(flavor = "multi_thread")]
async fn readers_on_many_threads_see_whole_copies() {
    let providers = Providers::start().await;
    let daemon = daemon("127.0.0.1:0", "", &providers.usual()).await;
    let client = Client::builder(&format!("http://{}", daemon.addr()))
        .build()
        .unwrap();
    assert!(client.ready(PATIENCE).await);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                let mut last = 0;
                for _ in 0..2_000 {
                    let feed = client.feed().unwrap();
                    assert!(feed.head().revision >= last && feed.targets().len() == 2);
                    last = feed.head().revision;
                    assert_eq!(client.pick(&BOTH).all().len(), 2);
                }
            })
        })
        .collect();
    providers.truncate("anthropic");
    for reader in readers {
        tokio::task::spawn_blocking(|| reader.join().unwrap())
            .await
            .unwrap();
    }
    daemon.stop().await;
}
