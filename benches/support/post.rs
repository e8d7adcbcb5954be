//! Clients of the daemon that cost next to nothing: a kept connection that posts reports, bodies that are made once
//! and only numbered anew, and a follower of events that notes when each was read.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use endturn::clock::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that is kept.
pub(crate) struct Poster {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Poster {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            request: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Posts a body of reports; its status and answer.
    pub(crate) async fn post(&mut self, body: &[u8]) -> (u16, &[u8]) {
        let head = format!(
            "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        loop {
            assert_ne!(
                self.stream.read_buf(&mut self.answer).await.unwrap(),
                0,
                "no answer"
            );
            if let Some((status, body)) = whole(&self.answer) {
                return (status, &self.answer[body..]);
            }
        }
    }
}

/// Status and begin of the body, once all of an answer is there.
fn whole(answer: &[u8]) -> Option<(u16, usize)> {
    let head = answer.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let text = str::from_utf8(&answer[..head]).unwrap();
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap()
        .parse()
        .unwrap();
    (answer.len() >= head + length).then(|| (text[9..12].parse().unwrap(), head))
}

/// The body of an answer.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let (_, body) = whole(&answer).unwrap();
    answer.split_off(body)
}

/// Providers of the load's targets.
pub(crate) const PROVIDERS: usize = 20;

/// The load's targets by their numbers.
pub(crate) fn busy(n: usize) -> String {
    format!("busy{}/m{}", n % PROVIDERS, n / PROVIDERS)
}

/// Digits of a report's number.
const DIGITS: usize = 12;
/// Reports of a connection before its bodies come again under new numbers.
const ROUND: usize = 10_000;

/// Bodies of reports, each with an id that never comes again.
pub(crate) struct Bodies {
    /// Their text, and where its numbers stand.
    made: Vec<(Vec<u8>, Vec<usize>)>,
    next: usize,
    number: u64,
}

impl Bodies {
    /// `failing`: three of a thousand.
    pub(crate) fn new(connection: usize, per_body: usize, targets: usize, failing: bool) -> Self {
        let made = (0..ROUND / per_body)
            .map(|body| {
                let (mut text, mut places) = ("[".to_owned(), Vec::new());
                for n in body * per_body..(body + 1) * per_body {
                    let verdict = match n % 333 {
                        7 if failing => ["truncated", "errored", "unknown"][n / 333 % 3],
                        _ => "complete",
                    };
                    if text.len() > 1 {
                        text.push(',');
                    }
                    text.push_str("{\"id\":\"");
                    places.push(text.len());
                    text.push_str(&"0".repeat(DIGITS));
                    let _ = write!(
                        text,
                        "\",\"target\":\"{}\",\"reporter\":\"gateway-{connection}{}\",\"verdict\":\"{verdict}\",\
                         \"http_status\":200,\"ttft_ms\":{},\"e2e_ms\":{},\"input_tokens\":812,\"output_tokens\":{}}}",
                        busy(n * 7 % targets),
                        if failing { "" } else { "w" },
                        300 + n % 211,
                        1_200 + n % 977,
                        100 + n % 200,
                    );
                }
                text.push(']');
                (text.into_bytes(), places)
            })
            .collect();
        Self {
            made,
            next: 0,
            number: 0,
        }
    }

    pub(crate) fn next(&mut self) -> &[u8] {
        let (text, places) = &mut self.made[self.next];
        for place in places {
            let mut left = self.number;
            for digit in text[*place..*place + DIGITS].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
            self.number += 1;
        }
        let body = self.next;
        self.next = (self.next + 1) % self.made.len();
        &self.made[body].0
    }
}

/// An event, and when it was read.
pub(crate) struct Frame {
    pub(crate) at: Duration,
    pub(crate) kind: String,
    pub(crate) data: Vec<u8>,
}

/// Follows the feed until the daemon ends it.
pub(crate) async fn follow(addr: SocketAddr, clock: Clock) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let (mut buffer, mut line, mut kind) = (vec![0; 1 << 18], Vec::new(), String::new());
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        let at = clock.mono();
        // The lines of a chunked body: its own sizes are lines that mean nothing.
        for byte in &buffer[..n] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            if let Some(named) = line.strip_prefix(b"event: ") {
                kind = String::from_utf8(named.to_vec()).unwrap();
            } else if let Some(data) = line.strip_prefix(b"data: ") {
                frames.push(Frame {
                    at,
                    kind: kind.clone(),
                    data: data.to_vec(),
                });
            }
            line.clear();
        }
    }
    frames
}
