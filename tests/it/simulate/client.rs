//! A client without manners: raw bytes over a socket, so that every ending is seen as it is.

use std::{io, net::SocketAddr, time::Duration};

use endturn::{
    clock::Clock,
    protocol::Protocol,
    simulate::{Entry, Faults, Options, Pace, RequestLog, Simulator, StatusPages},
};

use super::ways::Way;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// The canary's prompt, with `kestrel` as its sentinel.
pub(crate) const PROMPT: &str = "Write the English number words from one to twenty in order, in lowercase, separated by single spaces, on one \
     line. Directly after twenty write a space and the word kestrel. Write nothing else.";
/// Its right answer.
pub(crate) const ANSWER: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen \
                                 fifteen sixteen seventeen eighteen nineteen twenty kestrel";
/// No exchange of these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A simulator that serves until it is dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) pages: StatusPages,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) async fn with(options: Options) -> Self {
        let addr = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::bind(addr, options, Clock::system()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            addr: simulator.local_addr(),
            faults: simulator.faults(),
            log: simulator.log(),
            pages: simulator.status_pages(),
            stop: Some(stop),
            task: Some(tokio::spawn(simulator.serve(async {
                let _ = stopped.await;
            }))),
        }
    }

    /// Without any waiting.
    pub(crate) async fn instant(seed: u64) -> Self {
        let pace = Pace::instant();
        Self::with(Options { seed, pace }).await
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        let task = self.task.take().unwrap();
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }

    /// Waits until the newest log entry is as wanted.
    pub(crate) async fn logged(&self, wanted: impl Fn(&Entry) -> bool) -> Entry {
        let look = async {
            loop {
                match self.log.page(0).entries.pop() {
                    Some(entry) if wanted(&entry) => return entry,
                    _ => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("a log entry as wanted")
    }

    pub(crate) async fn send(&self, request: &[u8]) -> Exchange {
        tokio::time::timeout(PATIENCE, exchange(self.addr, request))
            .await
            .expect("an exchange in time")
    }

    /// One streamed canary through a protocol's own door.
    pub(crate) async fn canary(&self, protocol: Protocol, model: &str) -> Exchange {
        self.send(&Way::of(protocol).canary(model)).await
    }

    /// One control call: status and JSON.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let exchange = self.send(&request(method, path, "", body)).await;
        let json = serde_json::from_slice(&exchange.body).unwrap_or_default();
        (exchange.status, json)
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The body was whole by HTTP's own measure.
    Whole,
    /// The connection was closed before that.
    Fin,
    /// The connection was reset before that.
    Reset,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// 0 when no head came.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

impl Exchange {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// A request of HTTP/1.1 that asks to close the connection.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn exchange(addr: SocketAddr, request: &[u8]) -> Exchange {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut raw = Vec::new();
    let written = stream.write_all(request).await;
    let read = match written {
        Ok(()) => stream.read_to_end(&mut raw).await.map(|_| ()),
        Err(error) => Err(error),
    };
    let reset = matches!(&read, Err(error) if error.kind() == io::ErrorKind::ConnectionReset);
    assert!(reset || read.is_ok(), "{read:?}");
    parse(&raw, reset)
}

fn parse(raw: &[u8], reset: bool) -> Exchange {
    let broken = if reset { Ending::Reset } else { Ending::Fin };
    let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Exchange {
            status: 0,
            head: String::new(),
            body: raw.to_vec(),
            ending: broken,
        };
    };
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let rest = &raw[end + 4..];
    let (body, whole) = if head.contains("transfer-encoding: chunked") {
        dechunk(rest)
    } else {
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        (rest.to_vec(), rest.len() == length)
    };
    Exchange {
        status: head[9..12].parse().unwrap(),
        head,
        body,
        ending: if whole { Ending::Whole } else { broken },
    }
}

/// The bytes of a chunked body, and whether its last chunk came.
fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size + 2 {
            break;
        }
        rest = &rest[size + 2..];
    }
    (body, false)
}
