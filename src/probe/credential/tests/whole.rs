//! Probes from end to end: what a fetched credential does to a report.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};

use super::*;
use crate::{
    health::Deadlines,
    probe::{Marks, ProbeJob, ProbeKind, ProbeReport, Prober, Reply, Transport},
    verdict::{FailedAt, Failure, Purpose, Verdict},
};

/// Says what it was asked with, as some servers do in their errors.
#[derive(Default)]
struct Echo {
    calls: Mutex<Vec<Call>>,
}

impl Transport for Echo {
    fn send(&self, call: Call, marks: Arc<Marks>) -> BoxFuture<'static, Result<Reply, Fault>> {
        let texts = call.headers.values().filter_map(|value| value.to_str().ok());
        let message = format!("refused: {}", texts.collect::<Vec<_>>().join(" | "));
        self.calls.lock().unwrap().push(call);
        marks.handed();
        let body = json!({"error": {"message": message}}).to_string();
        async move {
            Ok(Reply {
                status: 403,
                headers: HeaderMap::new(),
                body: stream::iter([Ok(Bytes::from(body))]).boxed(),
            })
        }
        .boxed()
    }
}

async fn probe(clock: Clock, provider: Provider, kind: ProbeKind) -> (ProbeReport, Vec<Call>) {
    let echo = Arc::new(Echo::default());
    let transport: Arc<dyn Transport> = Arc::clone(&echo) as _;
    let prober = Prober::with_transport(clock, transport);
    let job = ProbeJob {
        model: Arc::new(provider.models[0].clone()),
        provider: Arc::new(provider),
        kind,
        purpose: Purpose::Scheduled,
        deadlines: Deadlines {
            soft: Duration::from_secs(2),
            hard: Duration::from_secs(8),
        },
        connect: None,
        check_text: true,
        seed: 0,
    };
    let report = prober.run(&job, |_, _| {}).await;
    let calls = echo.calls.lock().unwrap().clone();
    (report, calls)
}

#[tokio::test]
async fn what_was_fetched_or_signed_is_never_told() {
    let endpoint = Endpoint::start(vec![(200, access_token("ya29.planted-token"))]).await;
    let rows = [
        (
            provider(Auth::GoogleToken, Some(login(&endpoint.url))),
            vec!["ya29.planted-token"],
        ),
        (
            bedrock(aws_keys(Some("planted-session-token"))),
            vec!["AKIDEXAMPLE", "planted-session-token"],
        ),
    ];
    for (provider, secrets) in rows {
        for kind in [ProbeKind::Canary, ProbeKind::Reach] {
            let (report, calls) = probe(clock(), provider.clone(), kind).await;
            let value = calls[0].headers["authorization"].to_str().unwrap();
            let signature = value.split_once("Signature=").map(|(_, signature)| signature);
            assert!(report.observation.with_key);
            assert_eq!(report.observation.http_status, Some(403));
            let told = format!("{report:?} {}", String::from_utf8_lossy(&report.timeline.raw));
            assert!(told.contains("refused"), "{told}");
            for secret in secrets.iter().copied().chain(signature) {
                assert!(!told.contains(secret), "{secret} in {told}");
            }
        }
    }
}

#[tokio::test]
async fn no_token_is_our_failure_and_nothing_was_asked() {
    let refusal = json!({"error": "invalid_grant", "error_description": "bad planted-refresh-token"});
    let endpoint = Endpoint::start(vec![(400, refusal)]).await;
    for kind in [ProbeKind::Canary, ProbeKind::Reach] {
        let vertex = provider(Auth::GoogleToken, Some(login(&endpoint.url)));
        let (report, calls) = probe(clock(), vertex, kind).await;
        let seen = &report.observation;
        assert!(calls.is_empty());
        let failure = Failure {
            class: ErrorClass::Auth,
            at: FailedAt::Transport,
        };
        assert_eq!(seen.verdict, Verdict::Errored(failure));
        assert!(seen.with_key);
        assert_eq!(seen.connection, None);
        assert_eq!((seen.phases.connect, seen.phases.first_token), (None, None));
        let detail = seen.detail.as_deref().unwrap();
        assert!(detail.contains("google access token"), "{detail}");
        assert!(!detail.contains("planted-refresh-token"), "{detail}");
    }
}

#[tokio::test]
async fn the_time_of_a_fetch_is_no_phase_of_the_probe() {
    let (clock, takes) = (clock(), Duration::from_secs(3));
    let answers = vec![(200, access_token("ya29.token"))];
    let endpoint = Endpoint::slow(clock.clone(), takes, answers).await;
    let vertex = provider(Auth::GoogleToken, Some(login(&endpoint.url)));
    let (report, _) = probe(clock, vertex, ProbeKind::Canary).await;
    let seen = &report.observation;
    assert_eq!(seen.at.since(seen.started), takes);
    assert_eq!(seen.phases.head, Some(Duration::ZERO));
    assert_eq!(seen.phases.end, Some(Duration::ZERO));
}
