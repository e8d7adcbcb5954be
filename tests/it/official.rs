//! Official status pages over real HTTP: the simulator's in every format, and servers that misbehave.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use endturn::{
    clock::Clock,
    health::State,
    official::{
        Answer, FetchError, Fetcher, Format, MAX_BODY_BYTES, MAX_REDIRECTS, Page, ParseError, Reading,
        Validators, Watcher,
    },
    simulate::{ComponentStatus, PageFault, PageState},
};
use url::Url;

use crate::support::{
    live::{PATIENCE, Providers, until},
    server,
};

/// No test waits for its end.
const LONG: Duration = Duration::from_secs(30);

/// Each format with the vendor's own path.
const PATHS: [(Format, &str); 9] = [
    (Format::Statuspage, "api/v2/summary.json"),
    (Format::IncidentIo, "api/v2/summary.json"),
    (Format::IncidentIo, "api/v1/summary"),
    (Format::Google, "incidents.json"),
    (Format::Aws, "public/currentevents"),
    (Format::Azure, "en-us/status/feed/"),
    (Format::Rss, "incidents.rss"),
    (Format::Rss, "feed.xml"),
    (Format::BetterStack, "index.json"),
];

fn watcher(addr: SocketAddr, path: &str, format: Format, timeout: Duration) -> Watcher {
    let page = Page {
        url: format!("http://{addr}{path}").parse().unwrap(),
        format,
    };
    let fetcher = Fetcher::new(timeout).unwrap();
    Watcher::new(page, Duration::from_secs(60), fetcher, Clock::system(), 1)
}

fn status(status: ComponentStatus) -> PageState {
    PageState {
        status,
        ..PageState::default()
    }
}

fn broken(fault: PageFault) -> PageState {
    PageState {
        fault: Some(fault),
        ..PageState::default()
    }
}

fn set(sim: &Providers, state: PageState) {
    assert!(sim.pages.set("anthropic", state, Clock::system().now()));
}

async fn read(watcher: &mut Watcher) -> Reading {
    tokio::time::timeout(PATIENCE, watcher.read())
        .await
        .expect("a reading in time")
}

/// Waits until the newest request was answered with that status.
async fn logged(sim: &Providers, status: u16) {
    until("a log entry", || async {
        let newest = sim.log.page(0).entries.pop()?;
        (newest.status == Some(status)).then_some(())
    })
    .await;
}

/// What the page says of the simulator's one component, and of everything.
async fn said(watcher: &mut Watcher) -> (State, State, Option<String>) {
    match read(watcher).await {
        Reading::Said(official) => {
            let about = official.about(&["ANTHROPIC api".to_owned()]);
            let nothing = official.about(&["quite another".to_owned()]).state;
            assert!(
                [State::Operational, State::Unknown].contains(&nothing)
                    || watcher.page().format == Format::Rss,
                "another component is {nothing}"
            );
            (about.state, official.about(&[]).state, about.title)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_format_tells_every_state() {
    use ComponentStatus as C;
    use State::{Degraded, Down, Maintenance, Operational, Partial};
    let sim = Providers::start().await;
    for (format, path) in PATHS {
        let mut watcher = watcher(sim.addr, &format!("/anthropic/status/{path}"), format, LONG);
        for (told, exact) in [
            (C::Operational, Operational),
            (C::DegradedPerformance, Degraded),
            (C::PartialOutage, Partial),
            (C::MajorOutage, Down),
            (C::UnderMaintenance, Maintenance),
            (C::Operational, Operational),
        ] {
            set(&sim, status(told));
            let (component, page, title) = said(&mut watcher).await;
            // What a vendor's format has no word for is told by the next best.
            let expected = match (format, exact) {
                (Format::Azure, State::Operational) => Operational,
                (Format::Azure, _)
                | (Format::Google | Format::Aws, Maintenance)
                | (Format::BetterStack, Partial) => Degraded,
                (_, exact) => exact,
            };
            assert_eq!(
                (component, page),
                (expected, expected),
                "{format:?} {path} {told:?}"
            );
            // Statuspage has incidents apart from its components; none was written here.
            let listed = path != "api/v2/summary.json" && told != C::Operational;
            assert_eq!(title.is_some(), listed, "{format:?} {path} {told:?}");
        }
    }
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again_and_counts_as_read() {
    let sim = Providers::start().await;
    for (format, path) in PATHS {
        set(&sim, status(ComponentStatus::MajorOutage));
        let mut watcher = watcher(sim.addr, &format!("/anthropic/status/{path}"), format, LONG);
        let first = read(&mut watcher).await;
        let again = read(&mut watcher).await;
        logged(&sim, 304).await;
        match (&first, &again) {
            (Reading::Said(first), Reading::Said(again)) => assert!(Arc::ptr_eq(first, again), "{format:?}"),
            other => panic!("{other:?}"),
        }
        set(&sim, status(ComponentStatus::Operational));
        assert_ne!(read(&mut watcher).await, first);
        logged(&sim, 200).await;
    }
}

#[tokio::test]
async fn a_page_in_trouble_says_nothing_and_comes_back() {
    let sim = Providers::start().await;
    let mut watcher = watcher(
        sim.addr,
        "/anthropic/status/api/v2/summary.json",
        Format::Statuspage,
        Duration::from_millis(300),
    );
    let sick = status(ComponentStatus::MajorOutage);
    for (fault, expected) in [
        (PageFault::Garbage, "the page is no JSON: line 1, column 1"),
        (PageFault::Missing, "HTTP 404"),
        (PageFault::Unavailable, "HTTP 503"),
        (PageFault::Hang, "no answer within 300ms"),
    ] {
        set(&sim, sick.clone());
        assert!(matches!(read(&mut watcher).await, Reading::Said(_)));
        set(&sim, broken(fault));
        let reading = read(&mut watcher).await;
        let why = match &reading {
            Reading::Unreadable(error) => error.to_string(),
            Reading::Failed(error) => error.to_string(),
            Reading::Said(_) => panic!("{fault:?} was believed"),
        };
        assert_eq!(why, expected);
        if fault == PageFault::Unavailable {
            let asked = matches!(&reading, Reading::Failed(FetchError::Status { retry_after: Some(wait), .. })
                if *wait == Duration::from_secs(1));
            assert!(asked, "{reading:?}");
        }
        // Garbage had no entity tag: nothing older may be taken for it.
        set(&sim, sick.clone());
        match read(&mut watcher).await {
            Reading::Said(official) => assert_eq!(official.state, State::Down),
            other => panic!("{other:?}"),
        }
    }
}

/// Answers every request with what `answer` makes of its number and text, and keeps the requests.
async fn scripted(
    answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
) -> (server::Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, count, answer) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)), Arc::new(answer));
    let server = server::serve(move |_, mut socket| {
        let (kept, count, answer) = (Arc::clone(&kept), Arc::clone(&count), Arc::clone(&answer));
        async move {
            while let Some(request) = server::request(&mut socket).await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let reply = answer(number, &request);
                kept.lock().unwrap().push(request);
                if !server::send(&mut socket, reply).await {
                    break;
                }
            }
        }
    })
    .await;
    (server, seen)
}

fn ok(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn get(fetcher: &Fetcher, addr: SocketAddr) -> Result<Answer, FetchError> {
    let url: Url = format!("http://{addr}/").parse().unwrap();
    let nothing = Validators::default();
    let asked = fetcher.get(&url, &nothing, Clock::system().now());
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("an answer in time")
}

#[tokio::test]
async fn it_says_who_asks_and_sends_both_validators_back() {
    let (server, seen) = scripted(|number, _| match number {
        0 => ok(
            "etag: W/\"a\"\r\nlast-modified: Sat, 20 Jun 2026 13:01:00 GMT\r\n",
            "[]",
        ),
        _ => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
    })
    .await;
    let mut watcher = watcher(server.addr, "/", Format::Aws, LONG);
    let first = read(&mut watcher).await;
    assert!(matches!(first, Reading::Said(_)));
    assert_eq!(read(&mut watcher).await, first);
    let seen = seen.lock().unwrap();
    let agent = format!("user-agent: endturn/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(seen.iter().all(|request| request.contains(&agent)), "{seen:?}");
    assert!(!seen[0].contains("if-"), "{}", seen[0]);
    for line in [
        "if-none-match: W/\"a\"\r\n",
        "if-modified-since: Sat, 20 Jun 2026 13:01:00 GMT\r\n",
    ] {
        assert!(seen[1].contains(line), "{}", seen[1]);
    }
    assert!(
        !seen
            .iter()
            .any(|request| request.contains("authorization") || request.contains("cookie"))
    );
}

#[tokio::test]
async fn not_modified_without_a_first_page_is_no_page() {
    let (server, _) = scripted(|_, _| "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()).await;
    let mut watcher = watcher(server.addr, "/", Format::Aws, LONG);
    let refused = Reading::Failed(FetchError::Status {
        status: 304,
        retry_after: None,
    });
    assert_eq!(read(&mut watcher).await, refused);
}

#[tokio::test]
async fn redirects_are_followed_to_a_bound() {
    for (hops, followed) in [(MAX_REDIRECTS, true), (MAX_REDIRECTS + 1, false)] {
        let (server, seen) = scripted(move |number, _| {
            if number < hops {
                format!("HTTP/1.1 302 Found\r\nlocation: /{number}\r\ncontent-length: 0\r\n\r\n")
            } else {
                ok("", "[]")
            }
        })
        .await;
        let answer = get(&Fetcher::new(LONG).unwrap(), server.addr).await;
        assert_eq!(answer.is_ok(), followed, "{hops}: {answer:?}");
        assert!(seen.lock().unwrap().len() <= MAX_REDIRECTS + 1);
    }
}

#[tokio::test]
async fn a_page_is_read_up_to_its_bound() {
    for (extra, fits) in [(0, true), (1, false)] {
        let (server, _) = scripted(move |_, _| ok("", &" ".repeat(MAX_BODY_BYTES + extra))).await;
        let answer = get(&Fetcher::new(LONG).unwrap(), server.addr).await;
        match answer {
            Ok(Answer::Page(body, _)) => assert!(fits && body.len() == MAX_BODY_BYTES),
            other => assert!(!fits && other == Err(FetchError::TooLarge), "{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_page() {
    let (server, _) = scripted(|_, _| "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[]".to_owned()).await;
    // The server goes on waiting for requests: only the bound on time ends it.
    let short = Duration::from_millis(300);
    assert_eq!(
        get(&Fetcher::new(short).unwrap(), server.addr).await,
        Err(FetchError::Timeout(short))
    );
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_the_page_only() {
    let gone = server::serve(|_, _| async {}).await.addr;
    let mut watcher = watcher(gone, "/", Format::Rss, LONG);
    assert!(matches!(
        read(&mut watcher).await,
        Reading::Failed(FetchError::Transport(_))
    ));
}

#[tokio::test]
async fn what_is_for_people_stays_unread() {
    let (server, _) = scripted(|_, _| ok("", "<html>")).await;
    let mut watcher = watcher(server.addr, "/", Format::Html, LONG);
    assert_eq!(
        read(&mut watcher).await,
        Reading::Unreadable(ParseError::ForPeople)
    );
}
