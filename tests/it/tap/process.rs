//! `endturn tap` as a process: start, status, restart of the daemon, the end, and what it never tells.

use std::{net::SocketAddr, time::Duration};

use endturn::simulate::Pace;
use serde_json::Value;

use super::{
    Answer, End, PLANTED, Simulated, ask, entry, post,
    ship::{Daemon, Do},
};
use crate::{
    cli::{Place, running::Running},
    support::live::{get, until},
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn start(place: &Place, behind: &Simulated, daemon: SocketAddr, more: &[&str]) -> Running {
    let entries = entry("openai", &format!("http://{}/openai/v1", behind.addr))
        + &entry("anthropic", &format!("http://{}/anthropic", behind.addr));
    place.configure("endturn.toml", &entries);
    let url = format!("http://{daemon}");
    let mut args = vec![
        "tap",
        "--listen",
        "127.0.0.1:0",
        "--daemon",
        &url,
        "--log",
        "trace",
    ];
    args.extend(more);
    Running::start(place, &args)
}

async fn addr(running: &Running) -> SocketAddr {
    let line = running.line("tap at http://").await;
    line.rsplit('/').next().unwrap().parse().unwrap()
}

fn chat(model: &str) -> String {
    format!(
        r#"{{"messages":[{{"role":"user","content":"about {PLANTED}"}}],"model":"{model}","stream":true}}"#
    )
}

async fn stream(tap: SocketAddr, model: &str) -> Answer {
    let path = format!("/openai/v1/chat/completions?key={PLANTED}");
    ask(tap, post(tap, &path, chat(model))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_to_set_and_what_it_did_and_nothing_of_what_passed() {
    let (place, behind) = (Place::new(), Simulated::start(Pace::instant()).await);
    let daemon = Daemon::start(ANY, Vec::new()).await;
    place.write("token", "report-token\n");
    let running = start(
        &place,
        &behind,
        daemon.addr,
        &["--token-file", "token", "--reporter", "laptop"],
    );
    let tap = addr(&running).await;
    let expected = format!("OPENAI_BASE_URL=http://{tap}/openai/v1");
    assert!(
        running.line("OPENAI_BASE_URL").await.contains(&expected),
        "{}",
        running.out()
    );
    running
        .line(&format!("ANTHROPIC_BASE_URL=http://{tap}/anthropic"))
        .await;
    for model in ["m", "m!truncate.fin", "m!status.500", "m!error_event", "m!refuse"] {
        stream(tap, model).await;
    }
    until("five reports", || async { (daemon.count() == 5).then_some(()) }).await;
    let (status, body) = get(tap, "/").await;
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["counts"]["requests"], 5);
    assert_eq!(told["counts"]["verdicts"]["truncated"], 1);
    assert_eq!(told["daemon"]["sent"], 5);
    assert_eq!(told["providers"][0]["env"], expected);
    assert_eq!(
        told["providers"][0]["upstream"],
        format!("http://{}/openai/v1", behind.addr)
    );
    running.signal("TERM");
    let done = running.end().await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    let heads = daemon.heads.lock().unwrap().concat();
    assert!(heads.contains("Bearer report-token") && daemon.text().contains("laptop"));
    for (what, text) in [
        ("stdout", done.out),
        ("the log", done.err),
        ("the status", body),
        ("the reports", daemon.text()),
    ] {
        assert!(
            !text.contains(PLANTED),
            "{what} tells the credential or the prompt: {text}"
        );
        assert!(!text.contains("report-token"), "{what} tells the token: {text}");
        assert!(!text.contains("quick brown"), "{what} tells the reply: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_daemon_cuts_nobody_and_loses_nothing() {
    let (place, behind) = (Place::new(), Simulated::start(Pace::instant()).await);
    let daemon = Daemon::start(ANY, vec![Do::Take, Do::TakeSilently]).await;
    let running = start(&place, &behind, daemon.addr, &[]);
    let tap = addr(&running).await;
    let mut ids = std::collections::BTreeMap::<String, usize>::new();
    let mut note = |daemon: &Daemon| {
        for id in daemon.taken.lock().unwrap().keys() {
            *ids.entry(id.clone()).or_default() += 1;
        }
    };
    assert_eq!(stream(tap, "m").await.end, End::Whole);
    until("a report", || async { (daemon.count() == 1).then_some(()) }).await;
    // This one is taken, but its receipt is lost with the daemon.
    assert_eq!(stream(tap, "m").await.end, End::Whole);
    until("two reports", || async { (daemon.count() == 2).then_some(()) }).await;
    note(&daemon);
    let address = daemon.addr;
    drop(daemon);
    for _ in 0..20 {
        assert_eq!(stream(tap, "m").await.end, End::Whole);
    }
    let daemon = Daemon::start(address, Vec::new()).await;
    until("the rest", || async { (daemon.count() >= 20).then_some(()) }).await;
    assert_eq!(stream(tap, "m").await.end, End::Whole);
    until("the last", || async {
        let (_, body) = get(tap, "/").await;
        let told: Value = serde_json::from_str(&body).unwrap();
        (told["daemon"]["waiting"] == 0 && told["counts"]["verdicts"]["complete"] == 23).then_some(())
    })
    .await;
    note(&daemon);
    // Each came; one came twice, under the same id, which a daemon counts once.
    assert_eq!(ids.len(), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_last_reply_and_its_last_report() {
    let pace = Pace {
        ttft: Duration::from_millis(50),
        itl: Duration::from_millis(10),
        ttft_sigma: 0.0,
        itl_sigma: 0.0,
    };
    let (place, behind) = (Place::new(), Simulated::start(pace).await);
    let daemon = Daemon::start(ANY, Vec::new()).await;
    let running = start(&place, &behind, daemon.addr, &[]);
    let tap = addr(&running).await;
    let open = tokio::spawn(stream(tap, "m"));
    until("an open stream", || async {
        let (_, body) = get(tap, "/").await;
        body.contains("\"open\": 1").then_some(())
    })
    .await;
    running.signal("TERM");
    running.line("no new connections").await;
    let answer = open.await.unwrap();
    assert_eq!(answer.end, End::Whole);
    assert!(answer.body.ends_with(b"data: [DONE]\n\n"));
    let done = running.end().await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(daemon.count(), 1);
    assert!(
        daemon.text().contains("\"verdict\":\"complete\""),
        "{}",
        daemon.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_or_the_bound_ends_what_does_not_end() {
    for (drain, signals) in [("60s", 2), ("100ms", 1)] {
        let (place, behind) = (Place::new(), Simulated::start(Pace::instant()).await);
        let daemon = Daemon::start(ANY, Vec::new()).await;
        let running = start(&place, &behind, daemon.addr, &["--drain", drain]);
        let tap = addr(&running).await;
        let open = tokio::spawn(stream(tap, "m!stall"));
        until("an open stream", || async {
            let (_, body) = get(tap, "/").await;
            body.contains("\"open\": 1").then_some(())
        })
        .await;
        running.signal("TERM");
        running.line("no new connections").await;
        if signals == 2 {
            running.signal("TERM");
        }
        let done = running.end().await;
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert_eq!(open.await.unwrap().end, End::Cut);
        // It was we who ended it: nobody is accused.
        assert!(
            daemon.text().contains("\"verdict\":\"cancelled\""),
            "{}",
            daemon.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_takes_up_another_configuration() {
    let (place, behind) = (Place::new(), Simulated::start(Pace::instant()).await);
    let running = start(&place, &behind, ANY, &[]);
    let tap = addr(&running).await;
    assert_eq!(stream(tap, "m").await.end, End::Whole);
    place.configure(
        "endturn.toml",
        &entry("groq", &format!("http://{}/groq/openai/v1", behind.addr)),
    );
    running.signal("HUP");
    running.line("in force").await;
    assert_eq!(stream(tap, "m").await.status.unwrap(), 404);
    let answer = ask(tap, post(tap, "/groq/openai/v1/chat/completions", chat("m"))).await;
    assert_eq!((answer.status.unwrap().as_u16(), answer.end), (200, End::Whole));
}
