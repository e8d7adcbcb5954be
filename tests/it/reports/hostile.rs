//! Clients that mean no good, against a process of its own: what it holds of them is bounded, and the feed goes on.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use endturn::api::MAX_REPORTS_BYTES;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{answer, post, told, world};
use crate::support::live::{PATIENCE, json as ask, until};

const MIB: usize = 1 << 20;

/// A daemon with one target that is not probed. Dropping it kills it, and nothing else.
struct Victim {
    child: Child,
    addr: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Victim {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"endturn.db\"\n[network]\nanchors = []\n\
                    [[provider]]\nid = \"local\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                    reach = false\ncanary = { every = \"1h\" }\nlong = false\nfree = true\nmodels = [\"m\"]\n";
        std::fs::write(dir.path().join("endturn.toml"), text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_endturn"))
            .arg("run")
            .env_clear()
            .env("HOME", dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, ready) = tokio::sync::oneshot::channel();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        std::thread::spawn(move || {
            let ready = lines.find(|line| line.contains(" ready "));
            let _ = told.send(ready);
            // Nobody reads on, but the process may go on writing.
            lines.for_each(drop);
        });
        let line = tokio::time::timeout(PATIENCE, ready)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let page = line.split("http://").nth(1).unwrap();
        let addr = page.split('/').next().unwrap().parse().unwrap();
        Self {
            child,
            addr,
            _dir: dir,
        }
    }

    /// Bytes that it holds in memory, where that can be told.
    fn resident(&self) -> usize {
        let told = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()));
        let pages = told
            .ok()
            .and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
        pages.unwrap_or_default() * 4_096
    }

    async fn revision(&self) -> u64 {
        ask(self.addr, "/v1/health").await["revision"].as_u64().unwrap()
    }

    /// The feed goes on, and a report of somebody well-behaved is taken.
    async fn is_well(&self) {
        let before = self.revision().await;
        until("a fresh feed", || async {
            (self.revision().await > before).then_some(())
        })
        .await;
        until("a turn", || async {
            let report = json!({"target": "local/m", "verdict": "complete"});
            (told(self.addr, report).await.0 == 202).then_some(())
        })
        .await;
    }
}

fn head(rest: &str) -> String {
    format!(
        "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{rest}\r\n\r\n"
    )
}

/// Reads what is answered until the other side ends or resets it.
async fn rest(mut from: impl AsyncReadExt + Unpin) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, from.read_to_end(&mut all));
    let _ = read.await.expect("an end");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_gigabyte_is_refused_by_its_length_and_one_without_end_at_the_cap() {
    let victim = Victim::start().await;
    let before = victim.resident();
    let mut told = TcpStream::connect(victim.addr).await.unwrap();
    told.write_all(head("content-length: 1073741824").as_bytes())
        .await
        .unwrap();
    let answered = rest(told).await;
    assert!(answered.starts_with("HTTP/1.1 413"), "{answered}");

    let endless = TcpStream::connect(victim.addr).await.unwrap();
    let (from, mut to) = endless.into_split();
    let answered = tokio::spawn(rest(from));
    to.write_all(head("transfer-encoding: chunked").as_bytes())
        .await
        .unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut sent = 0;
    while sent < 1_024 * MIB && to.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
    }
    // The cap, and what the sockets of both sides hold.
    assert!(
        (MAX_REPORTS_BYTES..64 * MIB).contains(&sent),
        "{sent} bytes were taken"
    );
    let answered = answered.await.unwrap();
    assert!(
        answered.is_empty() || answered.starts_with("HTTP/1.1 413"),
        "{answered}"
    );
    let grown = victim.resident().saturating_sub(before);
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
    victim.is_well().await;
}

/// 4 MiB that inflate to 4 GiB, many at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_is_refused_at_the_cap() {
    let victim = Victim::start().await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; 4 * MIB]).unwrap();
    let member = packed.finish().unwrap();
    let bomb = member.repeat(MAX_REPORTS_BYTES / member.len());
    assert!(bomb.len() / member.len() > 900, "{} bytes a member", member.len());
    let before = victim.resident();
    let mut bombs = JoinSet::new();
    for _ in 0..12 {
        let request = post(victim.addr, "application/json", bomb.clone()).header("content-encoding", "gzip");
        bombs.spawn(answer(request));
    }
    for (status, problem) in bombs.join_all().await {
        assert_eq!(status, 413, "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains("inflates"),
            "{problem}"
        );
    }
    // What was sent and what is inflated of each, and what growing them leaves behind.
    let grown = victim.resident().saturating_sub(before);
    assert!(grown < 12 * 5 * MAX_REPORTS_BYTES, "{} MiB", grown / MIB);
    victim.is_well().await;
}

/// Each answer to a body of wrong reports is longer than the body.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_their_answers_are_held_within_bounds() {
    let victim = Victim::start().await;
    let wrong = format!(r#"{{"target":"local/m","verdict":"{}"}}"#, "x".repeat(256));
    let body = format!("[{}]", vec![wrong; 10_000].join(","));
    let request = head(&format!("content-length: {}", body.len())) + &body;
    // A first one, so that what any body needs is not counted.
    assert_eq!(
        answer(post(victim.addr, "application/json", body.clone()))
            .await
            .0,
        202
    );
    let before = victim.resident();
    let rejected = || async {
        let reporters = ask(victim.addr, "/v1/reporters").await;
        reporters["reporters"][0]["rejected"].as_u64().unwrap()
    };
    let mut silent = JoinSet::new();
    while silent.len() < 60 {
        let known = rejected().await;
        let mut client = TcpStream::connect(victim.addr).await.unwrap();
        // Two answers each: of the first the system's own buffers take the most.
        let twice = request.repeat(2);
        silent.spawn(async move {
            client.write_all(twice.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
            drop(client);
        });
        until("two judged bodies", || async {
            (rejected().await >= known + 20_000).then_some(())
        })
        .await;
    }
    let grown = victim.resident().saturating_sub(before);
    assert!(
        grown < 128 * MIB,
        "{} MiB for {} clients",
        grown / MIB,
        silent.len()
    );
    victim.is_well().await;
}

/// How many files this process may open: both ends of a connection are of one user.
fn connections() -> usize {
    let told = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = told.lines().find_map(|line| {
        line.strip_prefix("Max open files")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    5_000.min(limit.unwrap_or(1_024) / 3)
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_send_half_a_body_hold_no_more_than_their_connections() {
    let victim = Victim::start().await;
    let before = victim.resident();
    let half = head("content-length: 4000000") + &" ".repeat(8_192);
    let mut open = Vec::new();
    for _ in 0..connections() {
        let mut client = TcpStream::connect(victim.addr).await.unwrap();
        // One that is told to come again at once may have closed already.
        let _ = client.write_all(half.as_bytes()).await;
        open.push(client);
    }
    let (status, problem) = told(victim.addr, json!([])).await;
    assert_eq!(status, 503, "{problem}");
    let fresh = victim.revision().await;
    until("a fresh feed", || async {
        (victim.revision().await > fresh).then_some(())
    })
    .await;
    let grown = victim.resident().saturating_sub(before);
    assert!(grown < 64 * MIB + open.len() * 40_000, "{} MiB", grown / MIB);
    drop(open);
    victim.is_well().await;
}

/// More than can be judged: what is refused says when to come again, what is accepted is counted, the feed goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_shed_and_the_feed_goes_on() {
    let victim = Victim::start().await;
    let report = r#"{"target":"local/m","verdict":"complete","http_status":200,"ttft_ms":412,"e2e_ms":1900,"reporter":"flood"}"#;
    let body = format!("[{}]", vec![report; 10_000].join(","));
    let (before, first) = (victim.resident(), victim.revision().await);
    let mut flood = JoinSet::new();
    for _ in 0..24 {
        let (addr, body) = (victim.addr, body.clone());
        flood.spawn(async move {
            let (mut accepted, mut refused) = (0, 0);
            for _ in 0..4 {
                let response = post(addr, "application/json", body.clone()).send().await.unwrap();
                match response.status().as_u16() {
                    202 => {
                        let receipt: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
                        accepted += receipt["accepted"].as_u64().unwrap();
                    }
                    503 => {
                        assert_eq!(response.headers()["retry-after"], "1");
                        refused += 1;
                    }
                    other => panic!("{other}"),
                }
            }
            (accepted, refused)
        });
    }
    let (mut most, mut accepted, mut refused) = (0, 0, 0);
    while !flood.is_empty() {
        // Asked while the flood goes on.
        let revision = tokio::time::timeout(PATIENCE, victim.revision()).await;
        assert!(revision.expect("an answer") >= first);
        most = most.max(victim.resident());
        while let Some(done) = flood.try_join_next() {
            let (some, others) = done.unwrap();
            accepted += some;
            refused += others;
        }
    }
    assert!(refused > 0, "{accepted} were accepted and no body refused");
    let grown = most.saturating_sub(before);
    assert!(grown < 384 * MIB, "{} MiB", grown / MIB);
    until("nothing that waits", || async {
        (ask(victim.addr, "/v1/reporters").await["waiting"] == 0).then_some(())
    })
    .await;
    let reporters = ask(victim.addr, "/v1/reporters").await;
    assert_eq!(reporters["reporters"][0]["accepted"], accepted);
    victim.is_well().await;
}

/// What no report should hold spoils no other report and no daemon.
#[tokio::test(flavor = "multi_thread")]
async fn odd_json_is_refused_item_by_item_or_as_a_whole_and_counts_for_nothing() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let good = r#"{"target":"openai/gpt-5.2","verdict":"complete"}"#;
    let with = |member: &str| format!(r#"{{"target":"openai/gpt-5.2","verdict":"complete",{member}}}"#);
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let many = |n: usize| {
        with(
            &(0..n)
                .map(|n| format!("\"x{n}\":{n}"))
                .collect::<Vec<_>>()
                .join(","),
        )
    };
    // A wrong one between two good ones.
    for (odd, wrong) in [
        (with(&format!("\"x\":{}", deep(100_000))), 0),
        (with(&format!("\"detail\":{}", deep(100_000))), 1),
        (deep(1_000_000), 1),
        (many(50_000), 0),
        (with(r#""ttft_ms":1e999"#), 1),
        (with(r#""ttft_ms":-0.0"#), 0),
        (with(r#""ttft_ms":-1"#), 1),
        (with(&format!("\"x\":{}", "9".repeat(100_000))), 0),
        (with(&format!("\"e2e_ms\":{}", "9".repeat(100_000))), 1),
        (with(r#""input_tokens":18446744073709551616"#), 1),
        (with(r#""input_tokens":1.5"#), 1),
        (with(r#""http_status":200.0"#), 1),
        (with(r#""http_status":65736"#), 1),
        (with(r#""verdict":"truncated""#), 1),
        (with(r#""id":"\ud800""#), 1),
        (with(r#""detail":"\u0000\u001b[2J""#), 0),
        (with(&format!("\"reporter\":\"{}\"", "r".repeat(1_000_000))), 1),
    ] {
        for (kind, body) in [
            ("application/json", format!("[{good},{odd},{good}]")),
            ("application/x-ndjson", format!("{good}\n{odd}\n{good}")),
        ] {
            let start = &odd[..odd.len().min(80)];
            let (status, receipt) = answer(post(addr, kind, body)).await;
            assert_eq!(status, 202, "{start}: {receipt}");
            let rejected = receipt["rejected"].as_array().unwrap();
            assert_eq!(
                (&receipt["accepted"], rejected.len()),
                (&json!(3 - wrong), wrong),
                "{start}"
            );
            assert!(rejected.iter().all(|it| it["index"] == 1), "{start}: {receipt}");
            assert!(receipt.to_string().len() < 1_000, "{start}: {receipt}");
        }
    }
    let taken = || async {
        let reporters = ask(addr, "/v1/reporters").await;
        let all = reporters["reporters"].as_array().unwrap();
        all.iter().map(|it| it["accepted"].as_u64().unwrap()).sum::<u64>()
    };
    let before = taken().await;
    // Bytes that are no text: the whole array is no JSON, but a line is one line.
    let garbled = [
        br#"{"target":"openai/gpt-5.2","verdict":"complete","detail":""#,
        &[0xff, 0xfe][..],
        b"\"}",
    ]
    .concat();
    let array = [b"[", good.as_bytes(), b",", &garbled, b"]"].concat();
    assert_eq!(answer(post(addr, "application/json", array)).await.0, 400);
    for whole in [
        format!("[{good},{good}"),
        format!("[{good}]]"),
        format!("[{good},]"),
        format!("\u{feff}[{good}]"),
    ] {
        let (status, problem) = answer(post(addr, "application/json", whole)).await;
        assert_eq!(status, 400, "{problem}");
    }
    assert_eq!(taken().await, before);
    let lines = [good.as_bytes(), b"\n", &garbled].concat();
    let (status, receipt) = answer(post(addr, "application/x-ndjson", lines)).await;
    assert_eq!((status, &receipt["accepted"]), (202, &json!(1)), "{receipt}");
    assert_eq!(receipt["rejected"][0]["index"], 1);
    daemon.stop().await;
}
