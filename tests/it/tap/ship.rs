//! What was seen reaches the daemon: once each, late rather than never, within bounds.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use endturn::{
    clock::Timestamp,
    config::Secret,
    feed::outcome::Outcome,
    probe::http_client,
    tap::{MAX_SPOOLED, Shipper, Sink},
    verdict::{Observation, Source, Truncation, Verdict},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::support::live::{PATIENCE, until};

/// What the stand-in does with a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Do {
    Take,
    /// Takes it, and closes without a word.
    TakeSilently,
    Answer(&'static str),
}

/// A stand-in for the daemon: keeps what it took, by id.
pub(super) struct Daemon {
    pub(super) addr: SocketAddr,
    /// How often each report came, by its id, and the report.
    pub(super) taken: Arc<Mutex<BTreeMap<String, (usize, String)>>>,
    pub(super) heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Daemon {
    /// `plan`: for each batch in turn, then `Take`.
    pub(super) async fn start(addr: SocketAddr, plan: Vec<Do>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (taken, heads) = (
            Arc::<Mutex<BTreeMap<_, _>>>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let (to, keep) = (Arc::clone(&taken), Arc::clone(&heads));
        let plan = Arc::new(Mutex::new(plan.into_iter()));
        let task = tokio::spawn(async move {
            // Ended with the task: nobody goes on answering.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                open.spawn(serve(
                    socket,
                    Arc::clone(&to),
                    Arc::clone(&keep),
                    Arc::clone(&plan),
                ));
            }
        });
        Self {
            addr,
            taken,
            heads,
            task,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    pub(super) fn text(&self) -> String {
        let taken = self.taken.lock().unwrap();
        taken.values().map(|(_, line)| line.as_str()).collect()
    }
}

async fn serve(
    mut socket: TcpStream,
    taken: Arc<Mutex<BTreeMap<String, (usize, String)>>>,
    heads: Arc<Mutex<Vec<String>>>,
    plan: Arc<Mutex<std::vec::IntoIter<Do>>>,
) {
    let mut seen = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = seen.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8(seen[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        while seen.len() < end + length {
            if socket.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = String::from_utf8(seen[end..end + length].to_vec()).unwrap();
        seen.drain(..end + length);
        heads.lock().unwrap().push(head);
        let what = plan.lock().unwrap().next().unwrap_or(Do::Take);
        if !matches!(what, Do::Answer(_)) {
            for line in body.lines() {
                let outcome: Outcome<'_> = serde_json::from_str(line).unwrap();
                let mut taken = taken.lock().unwrap();
                taken
                    .entry(outcome.id.unwrap().into_owned())
                    .or_insert((0, line.to_owned()))
                    .0 += 1;
            }
        }
        let answer = match what {
            Do::Take => "HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{\"accepted\":1,\"more\":[1]}",
            Do::TakeSilently => return,
            Do::Answer(answer) => answer,
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

struct Shipping {
    shipper: Arc<Shipper>,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

fn shipping(daemon: SocketAddr) -> Shipping {
    let client = http_client().unwrap();
    let token = Some(Secret::new("the-token"));
    let shipper = Arc::new(Shipper::new(client, &format!("http://{daemon}/"), token, "here"));
    let closing = CancellationToken::new();
    let task = {
        let (shipper, closing) = (Arc::clone(&shipper), closing.clone());
        tokio::spawn(async move { shipper.run(closing).await })
    };
    Shipping {
        shipper,
        closing,
        task,
    }
}

fn seen(n: usize) -> Observation {
    let at = Timestamp::from_millis(1_781_960_400_000 + n as i64);
    let target = format!("openai/m-{n}").parse().unwrap();
    Observation::new(target, at, Source::Tap, Verdict::Truncated(Truncation::Cut))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_once_whatever_the_daemon_does() {
    let plan = vec![
        Do::TakeSilently,
        Do::Answer("HTTP/1.1 503 x\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
        Do::Answer("HTTP/1.1 429 x\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
        Do::Answer("HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n"),
        Do::TakeSilently,
        Do::Answer("HTTP/1.1 500 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    ];
    let daemon = Daemon::start(ANY, plan).await;
    let shipping = shipping(daemon.addr);
    for n in 0..700 {
        shipping.shipper.take(seen(n));
    }
    until("all reports", || async {
        (shipping.shipper.view().sent == 700).then_some(())
    })
    .await;
    let taken = daemon.taken.lock().unwrap().clone();
    assert_eq!(taken.len(), 700);
    // An answer that was lost has its batch come again under the same ids.
    assert!(taken.values().any(|(times, _)| *times > 1));
    for (_, line) in taken.values() {
        let outcome: Outcome<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(
            (
                outcome.source.as_deref(),
                outcome.reporter.as_deref(),
                outcome.kind.as_deref()
            ),
            (Some("tap"), Some("here"), Some("cut"))
        );
    }
    let head = daemon.heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("POST /v1/reports HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("authorization: Bearer the-token\r\n")
            && head.contains("content-type: application/x-ndjson\r\n")
    );
    let view = shipping.shipper.view();
    assert_eq!(
        (view.waiting, view.refused, view.dropped, view.away),
        (0, 0, 0, false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_the_daemon() {
    let first = Daemon::start(ANY, Vec::new()).await;
    let addr = first.addr;
    let shipping = shipping(addr);
    for n in 0..10 {
        shipping.shipper.take(seen(n));
    }
    until("the first ten", || async {
        (shipping.shipper.view().sent == 10).then_some(())
    })
    .await;
    drop(first);
    for n in 10..20 {
        shipping.shipper.take(seen(n));
    }
    until("that nobody is there", || async {
        shipping.shipper.view().away.then_some(())
    })
    .await;
    assert_eq!(shipping.shipper.view().waiting, 10);
    let second = Daemon::start(addr, Vec::new()).await;
    until("the rest", || async {
        (shipping.shipper.view().sent == 20).then_some(())
    })
    .await;
    assert_eq!(second.count(), 10);
    assert!(
        second
            .taken
            .lock()
            .unwrap()
            .values()
            .all(|(times, _)| *times == 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_batch_is_counted_and_not_sent_for_ever() {
    let plan = vec![
        Do::Answer("HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n"),
        Do::Answer(
            "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"accepted\":0,\"rejected\":[{\"index\":0,\"reason\":1}]}",
        ),
    ];
    let daemon = Daemon::start(ANY, plan).await;
    let shipping = shipping(daemon.addr);
    for n in 0..2 {
        shipping.shipper.take(seen(n));
        until("a refusal", || async {
            (shipping.shipper.view().refused == n as u64 + 1).then_some(())
        })
        .await;
    }
    shipping.shipper.take(seen(2));
    until("a report", || async {
        (shipping.shipper.view().sent == 1).then_some(())
    })
    .await;
    assert_eq!(shipping.shipper.view().refused, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_the_last_reports_and_the_spool_is_bounded() {
    let daemon = Daemon::start(ANY, Vec::new()).await;
    let shipping = shipping(daemon.addr);
    shipping.shipper.take(seen(0));
    shipping.closing.cancel();
    tokio::time::timeout(PATIENCE, shipping.task)
        .await
        .expect("an end")
        .unwrap();
    assert_eq!(daemon.count(), 1);
    // Nobody sends any more.
    for n in 0..=MAX_SPOOLED {
        shipping.shipper.take(seen(n));
    }
    let view = shipping.shipper.view();
    assert_eq!((view.waiting, view.dropped), (MAX_SPOOLED as u64, 1));
}
