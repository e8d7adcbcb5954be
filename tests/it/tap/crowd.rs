//! Many at once, and judges that fail.

use std::{sync::Arc, time::Duration};

use endturn::{
    simulate::Pace,
    tap::{Limits, Sink},
    verdict::{Observation, Verdict},
};

use super::{End, Seen, Simulated, Tapped, ask, entry, post};

/// Streams at once.
const CROWD: usize = 1_000;

fn chat(model: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"model":"{model}","stream":true}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_at_once_come_whole_and_each_is_judged() {
    let pace = Pace {
        ttft: Duration::from_millis(200),
        ttft_sigma: 0.2,
        ..Pace::instant()
    };
    let behind = Simulated::start(pace).await;
    let tapped = Tapped::start(&entry("openai", &format!("http://{}/openai/v1", behind.addr)));
    let addr = tapped.addr;
    let asks: Vec<_> = (0..CROWD)
        .map(|n| {
            let model = if n % 4 == 0 { "m!truncate.fin" } else { "m" };
            tokio::spawn(ask(addr, post(addr, "/openai/v1/chat/completions", chat(model))))
        })
        .collect();
    for (n, asked) in asks.into_iter().enumerate() {
        let answer = asked.await.unwrap();
        let end = if n % 4 == 0 { End::Cut } else { End::Whole };
        assert_eq!(answer.end, end, "{n}");
        assert_eq!(
            answer.body.ends_with(b"data: [DONE]\n\n"),
            end == End::Whole,
            "{n}"
        );
    }
    let seen = tapped.seen(CROWD).await;
    let complete = seen
        .iter()
        .filter(|seen| seen.verdict == Verdict::Complete)
        .count();
    assert_eq!((seen.len(), complete), (CROWD, CROWD * 3 / 4));
    assert_eq!(tapped.tap.counts().open, 0);
}

/// Fails at every verdict.
struct Failing;

impl Sink for Failing {
    fn take(&self, _: Observation) -> bool {
        panic!("a judge that fails, on purpose");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judge_that_fails_leaves_the_bytes_alone() {
    let (direct, behind) = (
        Simulated::start(Pace::instant()).await,
        Simulated::start(Pace::instant()).await,
    );
    let tapped = Tapped::with(
        &entry("openai", &format!("http://{}/openai/v1", behind.addr)),
        Arc::new(Failing),
        Arc::new(Seen::default()),
        &[],
        Limits::default(),
    );
    for n in 1..4 {
        let wanted = ask(
            direct.addr,
            post(direct.addr, "/openai/v1/chat/completions", chat("m")),
        )
        .await;
        let got = ask(
            tapped.addr,
            post(tapped.addr, "/openai/v1/chat/completions", chat("m")),
        )
        .await;
        assert_eq!((got.body, got.end), (wanted.body, wanted.end), "{n}");
    }
    tapped.all().await;
    assert_eq!(tapped.tap.counts().unjudged.failed, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_and_counted() {
    let behind = Simulated::start(Pace::instant()).await;
    let seen = Arc::new(Seen::default());
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let entries = entry("openai", &format!("http://{}/openai/v1", behind.addr));
    let tapped = Tapped::with(&entries, Arc::clone(&seen) as Arc<dyn Sink>, seen, &[], limits);
    let held = [
        tokio::net::TcpStream::connect(tapped.addr).await.unwrap(),
        tokio::net::TcpStream::connect(tapped.addr).await.unwrap(),
    ];
    let mut third = tokio::net::TcpStream::connect(tapped.addr).await.unwrap();
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut third, &mut byte);
    let closed = tokio::time::timeout(crate::support::live::PATIENCE, read)
        .await
        .expect("an end");
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(tapped.tap.counts().turned_away, 1);
    drop(held);
}
