use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{span::error_type, *};
use crate::{
    clock::Clock,
    config::{OtlpProtocol, OtlpRoute},
    feed::v1,
    health::{Hint, Reason, ReasonCode, Routing, State, View},
    protocol::ErrorClass,
    telemetry::Nobody,
    verdict::{FailedAt, Failure, Source, Truncation, Verdict},
};

fn context(tally: &Arc<Tally>) -> Context {
    let view = View {
        at: Timestamp::from_millis(1_000),
        network: Network::Online,
        targets: Vec::new(),
        providers: Vec::new(),
    };
    let identity = v1::Identity {
        instance: "i".to_owned(),
        vantage: "v".to_owned(),
    };
    Context {
        runtime: Handle::current(),
        hub: Arc::new(Hub::new(identity, || 1, &view, &v1::StoreStatus::default())),
        ledger: Arc::default(),
        owner: Arc::new(Nobody),
        tally: Arc::clone(tally),
        places: Arc::default(),
    }
}

fn to(addr: SocketAddr, signals: &[OtlpSignal]) -> Otlp {
    let route = |signal: &OtlpSignal| OtlpRoute {
        signal: *signal,
        protocol: OtlpProtocol::Http,
        url: format!("http://{addr}/").parse().unwrap(),
        timeout: Duration::from_secs(60),
        gzip: true,
    };
    Otlp {
        routes: signals.iter().map(route).collect(),
        headers: Vec::new(),
        interval: Duration::from_secs(3_600),
    }
}

fn seen() -> Arc<Observation> {
    let at = Timestamp::from_millis(5_000);
    Arc::new(Observation::new(
        "p/m".parse().unwrap(),
        at,
        Source::Canary,
        Verdict::Complete,
    ))
}

fn moved() -> Transition {
    Transition {
        target: "p/m".parse().unwrap(),
        at: Timestamp::from_millis(5_000),
        from: State::Unknown,
        to: State::Down,
        routing: Routing {
            hint: Hint::Avoid,
            weight: Some(0.0),
            retry_at: None,
        },
        reason: Reason {
            code: ReasonCode::Truncated,
            text: "x".to_owned(),
            sources: Vec::new(),
        },
        first_evidence: None,
    }
}

/// Far more than there is room for, to a collector that never answers: telling it costs nobody any time, the end comes
/// within its bound, and every item is in exactly one count.
#[tokio::test(flavor = "multi_thread")]
async fn every_item_is_counted_once_whatever_becomes_of_it() {
    const TOLD: u64 = 6_000;
    // It accepts as far as the kernel does, and no answer ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tally = Arc::new(Tally::new(Clock::system()));
    let signals = [OtlpSignal::Traces, OtlpSignal::Logs];
    let way = to(listener.local_addr().unwrap(), &signals);
    let exporter = Exporter::start(&way, Conventions::Both, &context(&tally)).unwrap();
    for _ in 0..TOLD {
        exporter.tell(Told::Observation(seen()));
        exporter.tell(Told::Transition(Box::new(moved())));
        // A report is no span.
        let mut report = (*seen()).clone();
        report.source = Source::Report;
        exporter.tell(Told::Observation(Arc::new(report)));
    }
    exporter.stop().await;
    let own = tally.own();
    assert_eq!(own.len(), signals.len());
    for export in own {
        let lost: u64 = export.lost.iter().map(|(_, n)| n).sum();
        assert_eq!((export.taken, lost), (0, TOLD), "{export:?}");
        let by = |why: Lost| {
            export
                .lost
                .iter()
                .find(|(word, _)| *word == why.as_str())
                .unwrap()
                .1
        };
        assert!(
            by(Lost::Shutdown) <= 2 * MAX_BATCHED as u64,
            "no more than the queue and a batch: {export:?}"
        );
        assert!(by(Lost::Queue) >= TOLD - 2 * MAX_BATCHED as u64, "{export:?}");
    }
    drop(listener);
}

#[test]
fn an_error_has_the_type_of_the_conventions() {
    let errored = |class, at| Verdict::Errored(Failure { class, at });
    for (verdict, expected) in [
        (Verdict::Complete, None),
        (Verdict::Limited, None),
        (Verdict::Unknown, None),
        (Verdict::Truncated(Truncation::Cut), Some("stream_truncated")),
        (Verdict::Truncated(Truncation::Silent), Some("stream_truncated")),
        (
            errored(ErrorClass::Overloaded, FailedAt::Status(529)),
            Some("529"),
        ),
        (
            errored(ErrorClass::Overloaded, FailedAt::Stream),
            Some("overloaded"),
        ),
        (errored(ErrorClass::Timeout, FailedAt::Transport), Some("timeout")),
        (errored(ErrorClass::Dns, FailedAt::Transport), Some("dns")),
        (errored(ErrorClass::Tls, FailedAt::Transport), Some("tls")),
    ] {
        assert_eq!(error_type(verdict).as_deref(), expected, "{verdict}");
    }
}
