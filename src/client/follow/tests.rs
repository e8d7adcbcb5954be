//! The follower against a server that plays what it is told.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::feed::fixture;

pub(crate) const QUICK: Patience = Patience {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(4),
    jitter: 0.0,
    silence: PATIENCE,
};
/// Long enough that only a defect reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 3000\n\n";

/// A comment after which the connection stays open, in silence.
pub(crate) const HOLD: &str = ": hold\n\n";

/// Serves one connection after the other, each with the next body; keeps what was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn playing(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.unwrap());
                }
                heard
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap().to_lowercase());
                socket.write_all(answer.as_bytes()).await.unwrap();
                if answer.ends_with(HOLD) {
                    held.push(socket);
                }
            }
            // The last one stays silent: nobody is refused.
            std::future::pending::<()>().await;
        });
        Self { url, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn at(revision: u64) -> Health {
    let mut health = fixture::health(&["operational"]);
    health.head.revision = revision;
    health
}

fn frame(kind: &str, revision: u64) -> String {
    let json = serde_json::to_string(&at(revision)).unwrap();
    format!("id: {revision}\nevent: {kind}\ndata: {json}\n\n")
}

async fn hear(follower: &mut Follower) -> String {
    let news = tokio::time::timeout(PATIENCE, follower.next())
        .await
        .expect("news");
    match news {
        News::Snapshot(health) => format!("snapshot {}", health.head.revision),
        News::Delta(delta) => format!("delta {}", delta.head.revision),
        News::Lost { why, retry } => format!("lost for {} ms: {why}", retry.as_millis()),
    }
}

#[tokio::test]
async fn it_goes_on_where_it_was_after_every_end() {
    let server = Server::playing(vec![
        format!("{HEAD}{}: alive\n\n{}", frame("health", 8), frame("heartbeat", 9)),
        format!(
            "{HEAD}{}{}",
            frame("incident", 10),
            frame("of a newer daemon", 11)
        ),
        format!("{HEAD}{}", frame("snapshot", 30)),
        HEAD.to_owned(),
    ])
    .await;
    let mut follower = Follower::start(Source::all_of(&server.url), Some(&at(7)), QUICK);
    let mut heard = Vec::new();
    for _ in 0..8 {
        heard.push(hear(&mut follower).await);
    }
    // Each connection had news: the next attempt comes as soon as after a first failure.
    let closed = "lost for 1 ms: the daemon closed the connection";
    let expected = [
        "delta 8",
        "delta 9",
        closed,
        "delta 10",
        "delta 11",
        closed,
        "snapshot 30",
        closed,
    ];
    assert_eq!(heard, expected);
    assert_eq!(
        hear(&mut follower).await,
        closed.replace("1 ms", "2 ms"),
        "this one had none"
    );
    for (request, last) in server.asked().iter().zip([7, 9, 11, 30]) {
        assert!(
            request.starts_with("get /v1/events?instance=i-1 http/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("\r\nlast-event-id: {last}\r\n")),
            "{last}: {request}"
        );
    }
}

#[tokio::test]
async fn what_is_no_feed_is_told_and_tried_again() {
    let server = Server::playing(vec![
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>".to_owned(),
        format!("{HEAD}event: health\ndata: {{\"half\":\n\n"),
        format!("{HEAD}{}", frame("snapshot", 12)),
    ])
    .await;
    let mut follower = Follower::start(Source::all_of(&server.url), Some(&at(7)), QUICK);
    assert_eq!(
        hear(&mut follower).await,
        "lost for 1 ms: HTTP 503 without events"
    );
    assert_eq!(
        hear(&mut follower).await,
        "lost for 2 ms: HTTP 200 without events"
    );
    let unread = hear(&mut follower).await;
    assert!(
        unread.starts_with("lost for 4 ms: an event can't be read: "),
        "{unread}"
    );
    assert_eq!(hear(&mut follower).await, "snapshot 12");
    let asked = server.asked();
    assert!(asked[2].contains("last-event-id: 7"), "{}", asked[2]);
    assert!(
        asked[3].starts_with("get /v1/events http/1.1") && !asked[3].contains("last-event-id"),
        "only the whole feed helps: {}",
        asked[3]
    );
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let server = Server::playing(vec![
        format!("{HEAD}{}{HOLD}", frame("health", 8)),
        format!("{HEAD}{}", frame("health", 9)),
    ])
    .await;
    let silence = Duration::from_secs(1);
    let mut follower = Follower::start(
        Source::all_of(&server.url),
        Some(&at(7)),
        Patience { silence, ..QUICK },
    );
    assert_eq!(hear(&mut follower).await, "delta 8");
    assert_eq!(hear(&mut follower).await, "lost for 1 ms: no answer for 1 s");
    assert_eq!(hear(&mut follower).await, "delta 9");
}

#[tokio::test]
async fn nobody_there_is_told_each_time_and_never_given_up() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut follower = Follower::start(Source::all_of(&url), Some(&at(7)), QUICK);
    for wait in [1, 2, 4, 4] {
        let told = hear(&mut follower).await;
        assert!(told.starts_with(&format!("lost for {wait} ms: ")), "{told}");
    }
}

#[tokio::test]
async fn a_place_that_is_too_old_is_forgotten() {
    let clock = Clock::manual(fixture::NOW);
    let limit = Duration::from_secs(15);
    let mut line = Line {
        source: Source {
            forget: Some((clock.clone(), limit)),
            ..Source::all_of("http://127.0.0.1:1")
        },
        place: Some(Place::of(&at(7))),
        heard: Some(clock.mono()),
        sender: mpsc::channel(1).0,
        patience: QUICK,
    };
    clock.advance(limit);
    line.forget();
    assert!(line.place.is_some());
    clock.advance(Duration::from_nanos(1));
    line.forget();
    assert_eq!(line.place, None);
}

#[tokio::test]
async fn a_change_of_another_daemon_asks_for_the_whole_feed() {
    let other = frame("health", 9).replace("i-1", "i-2");
    let server = Server::playing(vec![
        format!("{HEAD}{other}"),
        format!("{HEAD}{}", frame("snapshot", 3)),
    ])
    .await;
    let mut follower = Follower::start(Source::all_of(&server.url), Some(&at(7)), QUICK);
    assert_eq!(
        hear(&mut follower).await,
        "lost for 1 ms: a change came before its feed"
    );
    assert_eq!(hear(&mut follower).await, "snapshot 3");
    assert!(!server.asked()[1].contains("last-event-id"));
}

#[test]
fn waits_double_up_to_a_bound() {
    let waits: Vec<_> = (1..9)
        .map(|failures| Patience::USUAL.bound(failures).as_millis())
        .collect();
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    assert_eq!(Patience::USUAL.bound(u32::MAX), Patience::USUAL.longest);
    let drawn: Vec<_> = (0..64).map(|_| Patience::USUAL.after(3).as_millis()).collect();
    assert!(drawn.iter().all(|wait| (500..=1000).contains(wait)), "{drawn:?}");
    assert!(drawn.iter().any(|wait| *wait != drawn[0]), "not all at once");
}
