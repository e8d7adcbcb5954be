//! What the benches of the probe path share: a job, and a server that streams right answers at a given pace.

use std::{net::SocketAddr, sync::Arc, sync::mpsc, thread, time::Duration};

use endturn::{
    clock::Clock,
    config::{Answer, Auth, Canary, CanaryScript, Model, Price, ProbeLimits, Provider, Secret},
    health::Deadlines,
    id::ProviderId,
    probe::{ProbeJob, ProbeKind},
    protocol::Protocol,
    verdict::Purpose,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;

/// The sentinel that every seed draws.
pub(crate) const SENTINEL: &str = "kestrel";

/// Pace of a streamed answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) tokens: usize,
    pub(crate) gap: Duration,
    /// Wait before the first token; each stream adds its own share of `spread`.
    pub(crate) first: Duration,
    pub(crate) spread: Duration,
}

/// The n words of the canary, sentinel apart.
pub(crate) fn words(n: usize) -> Vec<String> {
    (0..n)
        .map(|index| {
            let letter = |index: usize| char::from(b'a' + (index % 26) as u8);
            format!("w{}{}", letter(index / 26), letter(index))
        })
        .collect()
}

/// A canary of `tokens` words against that origin.
pub(crate) fn job(origin: &str, tokens: usize, purpose: Purpose) -> ProbeJob {
    let seconds = Duration::from_secs;
    let script = CanaryScript {
        name: "bench".to_owned(),
        prompt: "Write the words, then SENTINEL_WORD.".to_owned(),
        answer: Answer::Words(words(tokens - 1)),
        sentinels: vec![SENTINEL.to_owned()],
        input_tokens: 60,
        output_tokens: 50,
    };
    let model = Model {
        canary: Some(Canary {
            every: seconds(60),
            script: script.into(),
            max_tokens: 100,
            reasoning_tokens: 0,
            params: serde_json::Map::new(),
            rest_after: None,
        }),
        price: Some(Price {
            input_usd_per_mtok: 1.0,
            output_usd_per_mtok: 5.0,
            usd_per_request: 0.0,
        }),
        ..Model::new("bench/small".parse().expect("a target id"))
    };
    let provider = Provider {
        id: ProviderId::new("bench").expect("a provider id"),
        preset: "openai".to_owned(),
        protocol: Protocol::OpenaiChat,
        dialect: None,
        endpoint: endturn::protocol::request::Endpoint::Native,
        base_url: origin.parse().expect("a URL"),
        auth: Auth::Bearer,
        key: Some(Secret::new("sk-bench-0123456789")),
        cloud: None,
        headers: Vec::new(),
        egress: endturn::config::Egress::default(),
        reach: None,
        strict_terminal: true,
        polite: true,
        usd_per_day: None,
        limits: ProbeLimits::default(),
        models: Vec::new(),
    };
    ProbeJob {
        connect: None,
        provider: Arc::new(provider),
        model: Arc::new(model),
        kind: ProbeKind::Canary,
        purpose,
        deadlines: Deadlines {
            soft: seconds(10),
            hard: seconds(30),
        },
        check_text: true,
        seed: 0,
    }
}

/// Serves answers on two threads of its own until the process ends. The id of an answer is the time when
/// its first chunk with text was sent, in nanoseconds of the clock.
pub(crate) fn serve(clock: &Clock, pace: Pace, tls: Option<TlsAcceptor>) -> SocketAddr {
    let (told, addr) = mpsc::channel();
    let clock = clock.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address"))
                .expect("a listener");
            let mut number = 0_u32;
            while let Ok((socket, _)) = listener.accept().await {
                number += 1;
                let (clock, tls) = (clock.clone(), tls.clone());
                let mut pace = pace;
                pace.first += pace
                    .spread
                    .mul_f64(f64::from(number.wrapping_mul(2_654_435_769)) / f64::from(u32::MAX));
                tokio::spawn(async move {
                    let _ = socket.set_nodelay(true);
                    match tls {
                        None => answers(socket, &clock, pace).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                answers(socket, &clock, pace).await;
                            }
                        }
                    }
                });
            }
        });
    });
    addr.recv().expect("a server")
}

async fn answers<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, clock: &Clock, pace: Pace) {
    let words = words(pace.tokens - 1);
    let mut buffer = vec![0; 16 << 10];
    // Our requests fit one segment, so one read is one request.
    while matches!(socket.read(&mut buffer).await, Ok(n) if n > 0) {
        if answer(&mut socket, clock, pace, &words).await.is_err() {
            return;
        }
    }
}

async fn answer<S: AsyncWrite + Unpin>(
    socket: &mut S,
    clock: &Clock,
    pace: Pace,
    words: &[String],
) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    socket.flush().await?;
    tokio::time::sleep(pace.first).await;
    let mut ticks = interval(pace.gap);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lead = "";
    let mut id = None;
    for word in words.iter().map(String::as_str).chain([SENTINEL]) {
        ticks.tick().await;
        // One id for the whole answer, as everybody sends it.
        let id = *id.get_or_insert_with(|| clock.mono().as_nanos());
        chunk(
            socket,
            &event(id, &format!("{{\"content\":\"{lead}{word}\"}}"), "null"),
        )
        .await?;
        lead = " ";
    }
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":50}}\n\n";
    let end = event(id.unwrap_or(0), "{}", "\"stop\"") + usage + "data: [DONE]\n\n";
    chunk(socket, &end).await?;
    socket.write_all(b"0\r\n\r\n").await?;
    socket.flush().await
}

async fn chunk<S: AsyncWrite + Unpin>(socket: &mut S, text: &str) -> std::io::Result<()> {
    let framed = format!("{:x}\r\n{text}\r\n", text.len());
    socket.write_all(framed.as_bytes()).await?;
    socket.flush().await
}

fn event(id: u128, delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"small\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}
