//! Channels against a receiver on loopback: what arrives, what each kind of answer comes to, and where nobody is led.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use endturn::{
    alert::{Carrier, Lookup, MAX_WHY_BYTES, Means, Message, Outcome},
    clock::Timestamp,
    config::{Channel, SAMPLE, Secret, Way, Webhook, WebhookBody},
};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::support::server::{Server, drain, request, reset, send, serve};

/// Long enough for a busy machine; nothing that works waits for it.
const AMPLE: Duration = Duration::from_secs(30);
const PLANTED: &str = "planted-9f86d081884c7d65";

fn message() -> Message {
    serde_json::from_str(SAMPLE).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-06-20T13:01:20.500Z").unwrap()
}

fn webhook(origin: &str) -> Channel {
    let way = Way::Webhook(Webhook {
        url: Secret::new(&format!("{origin}/in/{PLANTED}?sig={PLANTED}x")),
        secrets: vec![Secret::new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")],
        body: WebhookBody::CloudEvents,
        headers: vec![(
            "authorization".to_owned(),
            Secret::new(&format!("Bearer {PLANTED}y")),
        )],
    });
    Channel {
        allow_private: true,
        timeout: AMPLE,
        ..Channel::new("oncall", way)
    }
}

fn carrier(channel: &Channel) -> Carrier {
    Carrier::new(channel, &Means::system().unwrap()).unwrap()
}

async fn deliver(addr: SocketAddr) -> Outcome {
    let channel = webhook(&format!("http://{addr}"));
    carrier(&channel).deliver(&message(), now()).await
}

/// Answers every request with these bytes.
async fn answering(answer: impl Into<String>) -> Server {
    let answer = answer.into();
    serve(move |_, mut socket: TcpStream| {
        let answer = answer.clone();
        async move {
            if request(&mut socket).await.is_some() && send(&mut socket, answer).await {
                drain(&mut socket).await;
            }
        }
    })
    .await
}

fn http(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// Whether an outcome is the one that was expected.
type Check = Box<dyn Fn(&Outcome) -> bool>;

#[tokio::test]
async fn an_answer_decides() {
    let later = |seconds: Option<f64>| {
        move |outcome: &Outcome| match outcome {
            Outcome::Later { after, .. } => *after == seconds.map(Duration::from_secs_f64),
            _ => false,
        }
    };
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused { .. });
    let rows: [(u16, &str, Check); 13] = [
        (200, "", Box::new(|outcome| *outcome == Outcome::Delivered)),
        (202, "", Box::new(|outcome| *outcome == Outcome::Delivered)),
        (204, "", Box::new(|outcome| *outcome == Outcome::Delivered)),
        (400, "", Box::new(refused)),
        (401, "", Box::new(refused)),
        (404, "", Box::new(refused)),
        (410, "", Box::new(refused)),
        (408, "", Box::new(later(None))),
        (429, "", Box::new(later(None))),
        (429, "retry-after: 17\r\n", Box::new(later(Some(17.0)))),
        (
            503,
            "retry-after: Sat, 20 Jun 2026 13:02:20 GMT\r\n",
            Box::new(later(Some(59.5))),
        ),
        (500, "", Box::new(later(None))),
        (529, "", Box::new(later(None))),
    ];
    for (status, headers, check) in rows {
        let body = if status == 204 { "" } else { "no" };
        let server = answering(http(status, headers, body)).await;
        let outcome = deliver(server.addr).await;
        assert!(check(&outcome), "{status} {headers}: {outcome:?}");
    }
}

#[tokio::test]
async fn no_answer_is_later() {
    // Nobody listens.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    assert!(matches!(deliver(addr).await, Outcome::Later { after: None, .. }));
    // It ends without a word, or breaks the connection.
    for breaks in [false, true] {
        let server = serve(move |_, mut socket: TcpStream| async move {
            let _ = request(&mut socket).await;
            if breaks {
                reset(socket);
            }
        })
        .await;
        let outcome = deliver(server.addr).await;
        assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_channel_that_hangs_is_given_up_in_time() {
    let server = serve(|_, mut socket: TcpStream| async move {
        let _ = request(&mut socket).await;
        drain(&mut socket).await;
    })
    .await;
    let channel = Channel {
        timeout: Duration::from_millis(200),
        ..webhook(&format!("http://{}", server.addr))
    };
    let Outcome::Later { why, after: None } = carrier(&channel).deliver(&message(), now()).await else {
        panic!()
    };
    assert_eq!(why, "127.0.0.1: no answer within 200ms");
}

#[tokio::test]
async fn a_body_without_end_takes_nothing_back_and_no_memory() {
    for (status, taken) in [(200, true), (400, false)] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let server = serve(move |_, mut socket: TcpStream| {
            let sent = Arc::clone(&counted);
            async move {
                let _ = request(&mut socket).await;
                let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n");
                let mut more = send(&mut socket, head).await;
                while more {
                    more = send(&mut socket, [b'x'; 4_096]).await;
                    sent.fetch_add(4_096, Ordering::Relaxed);
                }
            }
        })
        .await;
        match deliver(server.addr).await {
            Outcome::Delivered => assert!(taken),
            Outcome::Refused { why } => assert!(!taken && why.len() <= MAX_WHY_BYTES, "{}", why.len()),
            outcome @ Outcome::Later { .. } => panic!("{outcome:?}"),
        }
    }
}

/// A server where nobody should come, with how many did.
async fn counting() -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = serve(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let (inner, asked) = counting().await;
    for status in [301, 302, 303, 307, 308] {
        for to in [
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            format!("http://{}/", inner.addr),
        ] {
            let server = answering(http(status, &format!("location: {to}\r\n"), "")).await;
            let outcome = deliver(server.addr).await;
            let why = match outcome {
                Outcome::Later { why, .. } | Outcome::Refused { why } => why,
                Outcome::Delivered => panic!("{status} was taken for a yes"),
            };
            assert!(
                why.contains("redirects are not followed") && !why.contains("169.254"),
                "{why}"
            );
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// A name service that knows one name.
struct Names(Vec<IpAddr>, Mutex<Vec<String>>);

impl Names {
    fn of(found: &str) -> Arc<Self> {
        let found = found.split_whitespace().map(|ip| ip.parse().unwrap());
        Arc::new(Self(found.collect(), Mutex::default()))
    }
}

impl Lookup for Names {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.1.lock().unwrap().push(host.to_owned());
        let found = self.0.clone();
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn no_name_leads_into_a_private_network() {
    let (inner, asked) = counting().await;
    let origin = format!("http://hooks.example.com:{}", inner.addr.port());
    for found in [
        "127.0.0.1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "10.0.0.1 ::1",
        "100.64.0.1",
        "fe80::1",
    ] {
        let names = Names::of(found);
        let channel = Channel {
            allow_private: false,
            ..webhook(&origin)
        };
        let means = Means::system().unwrap().with_lookup(Arc::<Names>::clone(&names));
        let outcome = Carrier::new(&channel, &means)
            .unwrap()
            .deliver(&message(), now())
            .await;
        let Outcome::Later { why, .. } = outcome else {
            panic!("{found}: {outcome:?}")
        };
        assert!(why.starts_with("hooks.example.com: it resolves to "), "{why}");
        assert_eq!(*names.1.lock().unwrap(), ["hooks.example.com"]);
    }
    // An address in the URL is looked at too, though nobody looks it up.
    let channel = Channel {
        allow_private: false,
        ..webhook(&format!("http://{}", inner.addr))
    };
    let outcome = carrier(&channel).deliver(&message(), now()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_was_looked_at_is_connected_to() {
    let server = answering(http(200, "", "")).await;
    let origin = format!("http://hooks.example.com:{}", server.addr.port());
    let means = Means::system().unwrap().with_lookup(Names::of("127.0.0.1"));
    let outcome = Carrier::new(&webhook(&origin), &means)
        .unwrap()
        .deliver(&message(), now())
        .await;
    assert_eq!(outcome, Outcome::Delivered);
}

/// HMAC-SHA256 by its definition (RFC 2104), of hashes alone: not the code that signs.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[tokio::test]
async fn the_signature_is_of_what_arrives() {
    let seen = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&seen);
    let server = serve(move |_, mut socket: TcpStream| {
        let seen = Arc::clone(&keep);
        async move {
            *seen.lock().unwrap() = request(&mut socket).await.unwrap_or_default();
            send(&mut socket, http(200, "", "")).await;
        }
    })
    .await;
    assert_eq!(deliver(server.addr).await, Outcome::Delivered);
    let seen = seen.lock().unwrap().clone();
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
    };
    assert!(head.starts_with(&format!("POST /in/{PLANTED}?sig={PLANTED}x HTTP/1.1")));
    assert_eq!(header("content-type"), "application/cloudevents+json");
    assert_eq!(header("webhook-id"), message().key);
    assert_eq!(header("webhook-timestamp"), "1781960480");
    let signed = format!("{}.1781960480.{body}", message().key);
    let key: Vec<u8> = (0..32).collect();
    let expected = format!("v1,{}", STANDARD.encode(hmac(&key, signed.as_bytes())));
    assert_eq!(header("webhook-signature"), expected);
}

#[tokio::test]
async fn no_reason_holds_a_secret() {
    // Servers that say all they were told.
    for answer in [
        "HTTP/1.1 400 X\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 503 X\r\nconnection: close\r\n\r\n",
        "garbage ",
    ] {
        let server = serve(move |_, mut socket: TcpStream| async move {
            let told = request(&mut socket).await.unwrap_or_default();
            let echo = told.replace("\r\n", " ");
            send(&mut socket, format!("{answer}{echo}")).await;
        })
        .await;
        let outcome = deliver(server.addr).await;
        assert_ne!(outcome, Outcome::Delivered);
        assert!(!format!("{outcome:?}").contains(PLANTED), "{outcome:?}");
    }
    let channel = webhook("http://127.0.0.1:1");
    let outcome = carrier(&channel).deliver(&message(), now()).await;
    assert!(
        !format!("{outcome:?} {channel:?}").contains(PLANTED),
        "{outcome:?}"
    );
}
