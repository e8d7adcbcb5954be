//! Connections: kept and reused, opened anew, died in the pool, and the ones that never opened.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

use endturn::{
    clock::Clock,
    config::ProbeLimits,
    probe::{ProbeJob, ProbeKind, Prober},
    protocol::ErrorClass,
    verdict::{Connection, FailedAt, Failure, Flags, Observation, Purpose, Verdict},
};
use tokio::net::TcpListener;

use crate::support::{
    good_answer, job, provider,
    server::{drain, request, send, serve},
    short_limits, tls,
};

fn canary_at(origin: &str) -> ProbeJob {
    job(provider(origin, short_limits()), ProbeKind::Canary)
}

async fn once(job: &ProbeJob) -> Observation {
    let prober = Prober::new(Clock::system()).unwrap();
    prober.run(job, |_, _| {}).await.observation
}

fn failed_before_the_head(seen: &Observation, class: ErrorClass) {
    let failure = Failure {
        class,
        at: FailedAt::Transport,
    };
    assert_eq!(seen.verdict, Verdict::Errored(failure), "{:?}", seen.detail);
    assert_eq!(seen.http_status, None);
    assert!(seen.cost_usd.abs() < 1e-12);
}

#[tokio::test]
async fn a_kept_connection_is_reused_and_a_confirming_probe_opens_its_own() {
    let server = serve(|_, mut socket| async move {
        while request(&mut socket).await.is_some() {
            send(&mut socket, good_answer()).await;
        }
    })
    .await;
    let prober = Prober::new(Clock::system()).unwrap();
    let mut job = canary_at(&format!("http://localhost:{}", server.addr.port()));
    let mut run = async |purpose| {
        job.purpose = purpose;
        let seen = prober.run(&job, |_, _| {}).await.observation;
        assert_eq!(seen.verdict, Verdict::Complete, "{:?}", seen.detail);
        // The connection goes back to the pool in a task of the client's.
        tokio::task::yield_now().await;
        seen
    };
    let first = run(Purpose::Scheduled).await;
    assert_eq!(first.connection, Some(Connection::Fresh));
    let (dns, connect) = (first.phases.dns, first.phases.connect);
    assert!(dns.is_some() && connect.is_some(), "{:?}", first.phases);
    // The first connection was opened without a pool. The second probe's is kept, the third's reused.
    let second = run(Purpose::Scheduled).await;
    let third = run(Purpose::Scheduled).await;
    assert_eq!(third.connection, Some(Connection::Reused), "{second:?}");
    assert_eq!((third.phases.dns, third.phases.connect), (None, None));
    assert_eq!(run(Purpose::Confirm).await.connection, Some(Connection::Fresh));
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_retried_once_on_a_fresh_one() {
    // Connections 0 and 1 serve one request and die under the next, later ones work.
    let server = serve(|number, mut socket| async move {
        while request(&mut socket).await.is_some() {
            send(&mut socket, good_answer()).await;
            if number <= 1 {
                let _ = request(&mut socket).await;
                return;
            }
        }
    })
    .await;
    let prober = Prober::new(Clock::system()).unwrap();
    let job = canary_at(&format!("http://{}", server.addr));
    for retried in [false, false, true] {
        let seen = prober.run(&job, |_, _| {}).await.observation;
        tokio::task::yield_now().await;
        assert_eq!(seen.verdict, Verdict::Complete, "{:?}", seen.detail);
        assert_eq!(seen.flags.contains(Flags::RETRIED_STALE_CONNECTION), retried);
        assert_eq!(seen.connection, Some(Connection::Fresh));
    }
}

#[tokio::test]
async fn a_fresh_connection_that_dies_before_the_head_is_not_retried() {
    let server = serve(|number, mut socket| async move {
        assert_eq!(number, 0, "a hidden retry");
        let _ = request(&mut socket).await;
    })
    .await;
    let seen = once(&canary_at(&format!("http://{}", server.addr))).await;
    failed_before_the_head(&seen, ErrorClass::Reset);
    assert_eq!(seen.connection, Some(Connection::Fresh));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let seen = once(&canary_at(&format!("http://{addr}"))).await;
    failed_before_the_head(&seen, ErrorClass::Connect);
    assert!(seen.detail.unwrap().contains("Connection refused"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    // A label of 64 letters is refused by every resolver without asking the network.
    let seen = once(&canary_at(&format!("http://{}.test", "a".repeat(64)))).await;
    failed_before_the_head(&seen, ErrorClass::Dns);
    let reach = job(
        provider(&format!("http://{}.test", "a".repeat(64)), ProbeLimits::default()),
        ProbeKind::Reach,
    );
    failed_before_the_head(&once(&reach).await, ErrorClass::Dns);
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let server = serve(|_, socket| async move {
        let _ = tls::acceptor("h2").accept(socket).await;
    })
    .await;
    let seen = once(&canary_at(&format!("https://{}", server.addr))).await;
    failed_before_the_head(&seen, ErrorClass::Tls);
    assert!(seen.detail.unwrap().contains("UnknownIssuer"));
}

#[tokio::test]
async fn a_handshake_that_ends_or_speaks_another_protocol() {
    for reply in ["", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let server = serve(move |_, mut socket| async move {
            let mut hello = [0; 64];
            let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut hello).await;
            send(&mut socket, reply).await;
        })
        .await;
        let seen = once(&canary_at(&format!("https://{}", server.addr))).await;
        failed_before_the_head(&seen, ErrorClass::Tls);
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_fails_as_a_connect() {
    let server = serve(|_, mut socket| async move { drain(&mut socket).await }).await;
    let seen = once(&canary_at(&format!("https://{}", server.addr))).await;
    failed_before_the_head(&seen, ErrorClass::Connect);
    assert_eq!(seen.detail.unwrap(), "no connection within 400ms");
}
