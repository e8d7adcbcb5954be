//! Probes over a scripted transport, in paused time: deadlines, calls of `on_slow`, costs, closing.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Call, Marks, ProbeJob, ProbeKind, ProbeReport, Prober, Reply, Transport, fixture::reach as models,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Answer, Auth, Canary, CanaryScript, Model, Price, ProbeLimits, Provider, Secret},
    health::Deadlines,
    id::ProviderId,
    protocol::{ErrorClass, Protocol, request::Endpoint},
    verdict::{
        Connection, Ending, FailedAt, Failure, Fault, Flags, Observation, Purpose, Truncation, Verdict,
    },
};

mod kinds;
mod others;

const START: Timestamp = Timestamp::from_millis(1_000_000);
const KEY: &str = "sk-marked-0123456789";

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Connecting,
    Connected,
    Handed,
    Head(u16, &'static str),
    Say(String),
    Fail(ErrorClass),
    Hang,
}
use Step::{Connected, Connecting, Fail, Handed, Hang, Head, Say, Wait};

/// Plays one script per request, in order; keeps what was asked.
struct Script {
    clock: Clock,
    plays: Mutex<VecDeque<Vec<Step>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    closed: Arc<AtomicBool>,
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Play {
    clock: Clock,
    steps: VecDeque<Step>,
    marks: Arc<Marks>,
    _guard: OnDrop,
}

impl Play {
    /// Plays up to the next thing that the client sees.
    async fn next(&mut self) -> Option<Step> {
        loop {
            match self.steps.pop_front()? {
                Wait(millis) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    self.clock.advance(Duration::from_millis(millis));
                }
                Connecting => self.marks.connect_started(),
                Connected => self.marks.connect_ended(),
                Handed => self.marks.handed(),
                Hang => std::future::pending().await,
                step @ (Head(..) | Say(_) | Fail(_)) => return Some(step),
            }
        }
    }
}

fn fault(class: ErrorClass) -> Fault {
    let detail = "scripted".to_owned();
    Fault { class, detail }
}

impl Transport for Script {
    fn send(&self, call: Call, marks: Arc<Marks>) -> BoxFuture<'static, Result<Reply, Fault>> {
        self.calls.lock().unwrap().push(call);
        let steps = self
            .plays
            .lock()
            .unwrap()
            .pop_front()
            .expect("a script for this request");
        let mut play = Play {
            clock: self.clock.clone(),
            steps: steps.into(),
            marks,
            _guard: OnDrop(Arc::clone(&self.closed)),
        };
        async move {
            let (status, headers) = match play.next().await {
                Some(Head(status, headers)) => (status, headers),
                Some(Fail(class)) => return Err(fault(class)),
                other => panic!("{other:?} before a head"),
            };
            let body = stream::unfold(play, |mut play| async move {
                let item = match play.next().await? {
                    Say(text) => Ok(Bytes::from(text)),
                    Fail(class) => Err(fault(class)),
                    other => panic!("{other:?} in a body"),
                };
                Some((item, play))
            });
            Ok(Reply {
                status,
                headers: header_map(headers),
                body: body.boxed(),
            })
        }
        .boxed()
    }
}

fn header_map(lines: &'static str) -> HeaderMap {
    let pairs = lines.split(", ").filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

const SSE: &str = "content-type: text/event-stream, request-id: req_7";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Counts to three; the seed draws the sentinel.
fn counting() -> Model {
    let words = ["one", "two", "three"].map(str::to_owned).to_vec();
    let script = CanaryScript {
        name: "count3".to_owned(),
        prompt: "Count to three, then SENTINEL_WORD.".to_owned(),
        answer: Answer::Words(words),
        sentinels: vec!["amber".to_owned(), "kestrel".to_owned()],
        input_tokens: 100,
        output_tokens: 10,
    };
    Model {
        canary: Some(Canary {
            every: ms(60_000),
            script: script.into(),
            max_tokens: 64,
            reasoning_tokens: 0,
            params: serde_json::Map::new(),
            rest_after: None,
        }),
        price: Some(Price {
            input_usd_per_mtok: 1.0,
            output_usd_per_mtok: 10.0,
            usd_per_request: 0.0,
        }),
        ..Model::new("sim/claude".parse().unwrap())
    }
}

fn job(kind: ProbeKind) -> ProbeJob {
    let provider = Provider {
        id: ProviderId::new("sim").unwrap(),
        preset: "anthropic".to_owned(),
        protocol: Protocol::Anthropic,
        dialect: None,
        endpoint: Endpoint::Native,
        base_url: "http://sim.test/base".parse().unwrap(),
        auth: Auth::Header("x-api-key".to_owned()),
        key: Some(Secret::new(KEY)),
        cloud: None,
        headers: vec![("x-team".to_owned(), "red".to_owned())],
        egress: crate::config::Egress::default(),
        reach: Some(models(ms(5000))),
        strict_terminal: true,
        polite: true,
        usd_per_day: None,
        limits: ProbeLimits {
            connect: ms(5000),
            head: ms(30_000),
            first_token: ms(30_000),
            gap: ms(10_000),
            content_gap: ms(25_000),
            total: ms(60_000),
            ..ProbeLimits::default()
        },
        models: Vec::new(),
    };
    ProbeJob {
        connect: None,
        provider: Arc::new(provider),
        model: Arc::new(counting()),
        kind,
        purpose: Purpose::Scheduled,
        deadlines: Deadlines {
            soft: ms(2000),
            hard: ms(8000),
        },
        check_text: true,
        seed: 3,
    }
}

fn event(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n")
}

fn begin() -> Step {
    let message = ",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":40,\"output_tokens\":1}}";
    Say(event("message_start", message))
}

fn text(text: &str) -> Step {
    let delta = format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}");
    Say(event("content_block_delta", &delta))
}

fn stop() -> Step {
    let delta = ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}";
    Say(event("message_delta", delta))
}

fn terminal() -> Step {
    Say(event("message_stop", ""))
}

fn ping() -> Step {
    Say(event("ping", ""))
}

struct Seen {
    report: ProbeReport,
    slow: usize,
    calls: Vec<Call>,
}

async fn play_job(job: &ProbeJob, plays: Vec<Vec<Step>>) -> Seen {
    let clock = Clock::manual(START);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let transport = Script {
        clock: clock.clone(),
        plays: Mutex::new(plays.into()),
        calls: Arc::clone(&calls),
        closed: Arc::default(),
    };
    let slow = AtomicUsize::new(0);
    let prober = Prober::with_transport(clock, Arc::new(transport));
    let report = prober
        .run(job, |_, _| {
            slow.fetch_add(1, Ordering::SeqCst);
        })
        .await;
    let calls = calls.lock().unwrap().clone();
    Seen {
        report,
        slow: slow.into_inner(),
        calls,
    }
}

async fn play(steps: Vec<Step>) -> Seen {
    play_job(&job(ProbeKind::Canary), vec![steps]).await
}

fn good() -> Vec<Step> {
    vec![
        Connecting,
        Wait(40),
        Connected,
        Wait(5),
        Handed,
        Wait(200),
        Head(200, SSE),
        begin(),
        Wait(300),
        text("one two"),
        Wait(700),
        text(" three kestrel"),
        Wait(10),
        stop(),
        terminal(),
    ]
}

fn errored(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_written_down_whole() {
    let seen = play(good()).await;
    let got = &seen.report.observation;
    assert_eq!(got.verdict, Verdict::Complete, "{:?}", seen.report.judgement);
    assert_eq!(got.started, START);
    assert_eq!(got.at, START.plus(ms(1255)));
    let phases = got.phases;
    assert_eq!(phases.connect, Some(ms(40)));
    assert_eq!(
        phases.head,
        Some(ms(200)),
        "zero is the request on the open connection"
    );
    assert_eq!(
        (phases.first_token, phases.last_token),
        (Some(ms(500)), Some(ms(1200)))
    );
    assert_eq!(
        (phases.stop, phases.terminal, phases.end),
        (Some(ms(1210)), Some(ms(1210)), Some(ms(1210)))
    );
    assert_eq!(phases.gap_max, Some(ms(700)));
    assert_eq!(got.connection, Some(Connection::Fresh));
    assert_eq!(got.stop_reason.as_deref(), Some("end_turn"));
    assert!(
        (got.cost_usd - (40.0 + 200.0) / 1e6).abs() < 1e-12,
        "{}",
        got.cost_usd
    );
    assert_eq!(
        (&got.request_id, &got.detail, &got.tail),
        (&None, &None, &None),
        "kept for failures"
    );
    assert!(got.flags.contains(Flags::SENTINEL_FOUND) && !got.flags.contains(Flags::SLOW));
    assert_eq!(seen.slow, 0);
}

#[tokio::test(start_paused = true)]
async fn the_request_carries_key_headers_and_the_word_drawn() {
    let calls = play(good()).await.calls;
    let call = &calls[0];
    assert_eq!(call.url, "http://sim.test/base/v1/messages");
    assert_eq!(call.headers["x-api-key"], KEY);
    assert!(call.headers["x-api-key"].is_sensitive());
    assert_eq!(call.headers["x-team"], "red");
    assert_eq!(call.headers["accept-encoding"], "identity");
    let body = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(
        body.contains("then kestrel.") && !body.contains("SENTINEL_WORD"),
        "{body}"
    );
}

/// Ways to be late: steps, verdict, end of the exchange, calls of `on_slow`.
#[tokio::test(start_paused = true)]
async fn each_deadline_ends_the_exchange_in_its_time() {
    let open = || vec![Connecting, Wait(100), Connected, Handed];
    let head = || [open(), vec![Head(200, SSE), begin()]].concat();
    let pings = |count: usize| vec![vec![Wait(6000), ping()]; count].concat();
    let transport = FailedAt::Transport;
    let table = [
        (
            vec![Connecting, Hang],
            errored(ErrorClass::Connect, transport),
            5000,
            0,
        ),
        (
            open().into_iter().chain([Hang]).collect(),
            errored(ErrorClass::Timeout, transport),
            8000,
            1,
        ),
        (
            [head(), vec![Wait(3000), ping(), Hang]].concat(),
            errored(ErrorClass::Timeout, FailedAt::Stream),
            8000,
            1,
        ),
        (
            [head(), vec![text("one"), Hang]].concat(),
            Verdict::Truncated(Truncation::Stall),
            10_000,
            0,
        ),
        (
            [head(), vec![text("one")], pings(9)].concat(),
            Verdict::Truncated(Truncation::Stall),
            25_000,
            0,
        ),
        (
            [head(), vec![vec![Wait(5000), text("one")]; 20].concat()].concat(),
            errored(ErrorClass::Timeout, FailedAt::Stream),
            59_900,
            1,
        ),
    ];
    for (steps, verdict, end, slow) in table {
        let told = format!("{steps:?}");
        let seen = play(steps).await;
        let got = &seen.report.observation;
        assert_eq!(got.verdict, verdict, "{told}");
        assert_eq!(got.phases.end, Some(ms(end)), "{told}");
        assert_eq!(seen.slow, slow, "{told}");
        assert_eq!(got.flags.contains(Flags::SLOW), slow == 1, "{told}");
    }
}

/// Two models of one provider: the one that thinks long is waited for, its sibling and the edge are not.
#[tokio::test(start_paused = true)]
async fn a_model_has_deadlines_of_its_own() {
    let mut sibling = job(ProbeKind::Canary);
    sibling.deadlines.hard = ms(300_000);
    let mut provider = Provider::clone(&sibling.provider);
    provider.limits.gap = ms(60_000);
    let patient = ProbeLimits {
        first_token: ms(55_000),
        ..provider.limits
    };
    sibling.provider = Arc::new(provider);
    let mut thinker = sibling.clone();
    thinker.model = Arc::new(Model {
        limits: Some(patient),
        ..counting()
    });
    let mut steps = good();
    steps[8] = Wait(50_000);
    let late = errored(ErrorClass::Timeout, FailedAt::Stream);
    for (job, verdict, end) in [(&sibling, late, 30_000), (&thinker, Verdict::Complete, 50_910)] {
        let got = play_job(job, vec![steps.clone()]).await.report.observation;
        assert_eq!((got.verdict, got.phases.end), (verdict, Some(ms(end))));
    }

    let hasty = ProbeLimits {
        connect: ms(100),
        ..patient
    };
    let mut edge = job(ProbeKind::Reach);
    edge.model = Arc::new(Model {
        limits: Some(hasty),
        ..counting()
    });
    let seen = play_job(&edge, vec![vec![Connecting, Hang]]).await;
    assert_eq!(seen.report.observation.phases.end, Some(ms(5000)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_told_once_at_the_soft_deadline_and_may_still_complete() {
    let mut steps = good();
    steps[5] = Wait(1_999);
    assert_eq!(play(steps.clone()).await.slow, 1, "head in time, token not");
    steps[5] = Wait(4_000);
    let seen = play(steps).await;
    assert_eq!(seen.slow, 1);
    assert_eq!(seen.report.observation.verdict, Verdict::Complete);
    assert!(seen.report.observation.flags.contains(Flags::SLOW));
}

#[tokio::test(start_paused = true)]
async fn after_the_terminal_event_we_wait_a_second_and_after_an_error_two() {
    let mut steps = good();
    steps.push(Hang);
    let seen = play(steps).await;
    assert_eq!(seen.report.observation.verdict, Verdict::Complete);
    assert_eq!(seen.report.observation.phases.end, Some(ms(2210)));
    let overloaded = Say(event(
        "error",
        ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}",
    ));
    let seen = play(vec![
        Handed,
        Head(200, SSE),
        begin(),
        text("one"),
        overloaded,
        Wait(500),
        terminal(),
        Hang,
    ])
    .await;
    let got = &seen.report.observation;
    assert_eq!(got.verdict, errored(ErrorClass::Overloaded, FailedAt::Stream));
    assert_eq!(
        got.phases.end,
        Some(ms(1500)),
        "the terminal event shortens the wait"
    );
    assert_eq!(got.request_id.as_deref(), Some("req_7"));
    assert_eq!(got.tail.as_deref(), Some("one"));
    assert!(got.detail.is_some());
}

#[tokio::test(start_paused = true)]
async fn after_an_error_event_at_most_64_kib_are_read() {
    let error = Say(event(
        "error",
        ",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}",
    ));
    let flood = vec![Say(format!(": {}\n\n", "p".repeat(8000))); 100];
    let seen = play([vec![Handed, Head(200, SSE), error], flood].concat()).await;
    let read = seen.report.timeline.bytes;
    assert!((64 << 10..80 << 10).contains(&read), "{read}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_counted_costs_what_was_planned() {
    let planned = (100.0 + 100.0) / 1e6;
    let table = [
        (vec![Handed, Head(200, SSE), Fail(ErrorClass::Reset)], planned),
        (
            vec![
                Handed,
                Head(200, SSE),
                begin(),
                text("one"),
                Fail(ErrorClass::Reset),
            ],
            (40.0 + 100.0) / 1e6,
        ),
        (vec![Handed, Head(529, SSE), Say("{}".to_owned())], 0.0),
        (vec![Connecting, Fail(ErrorClass::Connect)], 0.0),
    ];
    for (steps, cost) in table {
        let told = format!("{steps:?}");
        let got = play(steps).await.report.observation.cost_usd;
        assert!((got - cost).abs() < 1e-12, "{told}: {got}, expected {cost}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_is_retried_once_and_only_before_an_answer() {
    let stale = vec![Handed, Wait(5), Fail(ErrorClass::Reset)];
    // The first probe of a provider opens a connection of its own, so it has no stale one.
    let seen = play_job(&job(ProbeKind::Canary), vec![stale.clone()]).await;
    assert!(seen.calls[0].fresh);
    assert_eq!(
        seen.report.observation.verdict,
        errored(ErrorClass::Reset, FailedAt::Transport)
    );

    let clock = Clock::manual(START);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let transport = Script {
        clock: clock.clone(),
        plays: Mutex::new(vec![good(), stale.clone(), good(), stale.clone(), stale].into()),
        calls: Arc::clone(&calls),
        closed: Arc::default(),
    };
    let prober = Prober::with_transport(clock, Arc::new(transport));
    let canary = job(ProbeKind::Canary);
    let run = async || prober.run(&canary, |_, _| {}).await.observation;
    assert_eq!(run().await.verdict, Verdict::Complete);
    let retried = run().await;
    assert_eq!(retried.verdict, Verdict::Complete);
    assert!(retried.flags.contains(Flags::RETRIED_STALE_CONNECTION));
    let twice = run().await;
    assert_eq!(twice.verdict, errored(ErrorClass::Reset, FailedAt::Transport));
    assert!(twice.flags.contains(Flags::RETRIED_STALE_CONNECTION));
    let fresh: Vec<bool> = calls.lock().unwrap().iter().map(|call| call.fresh).collect();
    assert_eq!(fresh, [true, false, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_probe_closes_its_exchange() {
    let clock = Clock::manual(START);
    let closed = Arc::new(AtomicBool::new(false));
    let transport = Script {
        clock: clock.clone(),
        plays: Mutex::new(vec![vec![Handed, Head(200, SSE), begin(), Hang]].into()),
        calls: Arc::default(),
        closed: Arc::clone(&closed),
    };
    let prober = Prober::with_transport(clock, Arc::new(transport));
    let canary = job(ProbeKind::Canary);
    let cancelled = tokio::time::timeout(ms(100), prober.run(&canary, |_, _| {})).await;
    assert!(cancelled.is_err() && closed.load(Ordering::SeqCst));
}
