//! The feed: what it says, and that nobody is told less, or twice.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use endturn::{
    clock::Timestamp,
    feed::{
        Cause, Delta, FIGURES_EVERY, Filter, Hub, Known, MAX_SUBSCRIBERS, RING_BYTES, RING_EVENTS,
        RING_FEEDS, Subscription, record, v1,
    },
    health::{
        Declaration, Declares, Figures, Hint, InForce, Incident, IncidentEntry, IncidentPhase, Network,
        Percentiles, ProviderView, Rate, Reason, ReasonCode, Routing, Scope, State, TargetView, Transition,
        View,
    },
    id::TargetId,
    verdict::{Flags, Observation, Source, Truncation, Verdict},
};
use proptest::prelude::*;

/// 2026-06-20T13:01:00Z.
pub(crate) const T0: Timestamp = Timestamp::from_millis(1_781_960_460_000);

pub(crate) const IDS: [&str; 3] = [
    "anthropic/claude-haiku-4-5",
    "openai/gpt-5.2",
    "openai/meta/llama",
];

pub(crate) fn id(text: &str) -> TargetId {
    text.parse().unwrap()
}

fn reason(code: ReasonCode) -> Reason {
    Reason {
        code,
        text: match code {
            ReasonCode::Truncated => "7 of 12 replies ended before a stop reason in 60 s".to_owned(),
            _ => "finishes its replies".to_owned(),
        },
        sources: vec![Source::Canary, Source::Report],
    }
}

/// Maintenance from then on, for two hours, as ana declared it.
pub(crate) fn maintenance(from: Timestamp) -> InForce {
    let one = Declaration {
        id: "3fa9c1d2".to_owned(),
        what: Declares::Maintenance,
        targets: Scope::new(["*"]).expect("a pattern"),
        from,
        until: from.plus(Duration::from_secs(7_200)),
        by: "ana".to_owned(),
        why: "<b>announced</b>".to_owned(),
        planned: false,
    };
    InForce {
        maintenance: Some(Arc::new(one)),
        ..InForce::default()
    }
}

pub(crate) fn target(text: &str, state: State) -> TargetView {
    let (hint, weight) = match state {
        State::Operational => (Hint::Allow, Some(1.0)),
        State::Degraded => (Hint::Allow, Some(0.5)),
        State::Partial | State::Down | State::Maintenance => (Hint::Avoid, Some(0.0)),
        State::Unknown => (Hint::NoOpinion, None),
    };
    TargetView {
        id: id(text),
        state,
        since: T0,
        reason: reason(match state {
            State::Operational => ReasonCode::Healthy,
            _ => ReasonCode::Truncated,
        }),
        routing: Routing {
            hint,
            weight,
            retry_at: None,
        },
        figures: Figures {
            attempts: 412,
            truncation_rate: Rate {
                hits: 70,
                n: 405,
                value: Some(70.0 / 405.0),
                low: Some(0.139_2),
                high: Some(0.212_8),
            },
            ttft_ms: Percentiles {
                p50: Some(412.04),
                p95: Some(903.0),
                p99: Some(1530.0),
                n: 338,
            },
            ..Figures::default()
        },
        soft_deadline: Duration::from_millis(1129),
        last_complete_at: Some(T0),
        last_seen_at: Some(T0.plus(Duration::from_millis(250))),
        served_model: None,
        via: None,
        flags: vec!["model_changed"],
        incident: None,
        spent_usd_today: 0.031,
        official: None,
        declared: if state == State::Maintenance {
            maintenance(T0)
        } else {
            InForce::default()
        },
    }
}

/// All of [`IDS`] in one state.
pub(crate) fn view(at: Timestamp, state: State) -> View {
    View {
        at,
        network: Network::Online,
        targets: IDS.iter().map(|text| target(text, state)).collect(),
        providers: ["anthropic", "openai"]
            .iter()
            .map(|name| ProviderView {
                id: name.parse().unwrap(),
                state,
                edge: State::Operational,
                connect_ms: Percentiles {
                    p50: Some(18.0),
                    p95: Some(31.0),
                    p99: None,
                    n: 60,
                },
            })
            .collect(),
    }
}

pub(crate) fn transition(text: &str, at: Timestamp, from: State, to: State) -> Transition {
    let moved = target(text, to);
    Transition {
        target: moved.id,
        at,
        from,
        to,
        routing: moved.routing,
        reason: moved.reason,
        first_evidence: Some(at.minus(Duration::from_millis(800))),
    }
}

pub(crate) fn incident(text: &str, number: u32) -> Incident {
    Incident {
        id: format!("inc-{number}"),
        target: id(text),
        started: T0,
        detected: T0.plus(Duration::from_millis(800)),
        opened: T0.plus(Duration::from_millis(15_800)),
        recovered: None,
        closed: None,
        worst: State::Partial,
        reason: reason(ReasonCode::Truncated),
        timeline: vec![IncidentEntry {
            at: T0,
            kind: "first_evidence",
            state: State::Operational,
            text: "a canary's reply was cut".to_owned(),
        }],
        lead_s: None,
    }
}

pub(crate) fn identity() -> v1::Identity {
    v1::Identity {
        instance: "instance-1".to_owned(),
        vantage: "fra-1".to_owned(),
    }
}

/// A hub whose first revision, 101, shows everything operational at [`T0`].
pub(crate) fn hub() -> Hub {
    let mut revision = 100;
    let next = move || {
        revision += 1;
        revision
    };
    Hub::new(
        identity(),
        next,
        &view(T0, State::Operational),
        &v1::StoreStatus::default(),
    )
}

pub(crate) fn beat(hub: &Hub, at: Timestamp) -> u64 {
    let view = view(at, State::Operational);
    let event = hub.publish(&view, Cause::Heartbeat, &v1::StoreStatus::default());
    event.unwrap().revision
}

/// What the subscription has now; `None` when it would wait.
fn now(subscription: &mut Subscription) -> Option<Bytes> {
    let next = pin!(subscription.next());
    match next.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame,
        Poll::Pending => None,
    }
}

/// One frame, taken apart: id, event, data.
pub(crate) fn parts(frame: &[u8]) -> (u64, String, String) {
    let text = std::str::from_utf8(frame).unwrap();
    let mut lines = text.strip_suffix("\n\n").unwrap().split('\n');
    let mut field = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
    let (id, event, data) = (field("id: "), field("event: "), field("data: "));
    assert_eq!(lines.next(), None, "{text}");
    (id.parse().unwrap(), event, data)
}

fn told(subscription: &mut Subscription) -> Vec<(u64, String)> {
    std::iter::from_fn(|| now(subscription))
        .map(|frame| {
            let (id, event, _) = parts(&frame);
            (id, event)
        })
        .collect()
}

fn ok() -> v1::StoreStatus {
    v1::StoreStatus::default()
}

#[test]
fn the_feed_reads_as_its_contract_says() {
    let mut view = view(T0, State::Operational);
    view.targets.truncate(1);
    view.targets[0] = target(IDS[0], State::Partial);
    view.targets[0].incident = Some("inc-7".to_owned());
    view.providers.truncate(1);
    let hub = Hub::new(identity(), || 18_231, &view, &ok());
    let json: serde_json::Value = serde_json::from_slice(&hub.snapshot().json()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
    let order: Vec<_> = [
        "\"schema\"",
        "\"revision\"",
        "\"stale_after\"",
        "\"network\"",
        "\"targets\"",
        "\"providers\"",
    ]
    .map(|name| String::from_utf8_lossy(&hub.snapshot().json()).find(name))
    .into();
    assert!(order.is_sorted() && order[0].is_some(), "{order:?}");
}

#[test]
fn composed_bytes_are_the_wire_types_and_come_back() {
    let hub = hub();
    let mut view = view(T0.plus(Duration::from_secs(2)), State::Operational);
    view.targets[1] = target(IDS[1], State::Down);
    let moved = transition(IDS[1], view.at, State::Operational, State::Down);
    let event = hub.publish(&view, Cause::Transition(&[moved]), &ok()).unwrap();
    let parsed: v1::Health = serde_json::from_slice(&hub.snapshot().json()).unwrap();
    assert_eq!(parsed, hub.snapshot().health);
    assert_eq!(parsed, v1::Health::new(&identity(), 102, &view, &ok()));
    let delta: Delta = serde_json::from_slice(&event.json()).unwrap();
    assert_eq!(delta.targets, [v1::TargetHealth::from(&view.targets[1])]);
    assert_eq!((delta.providers.len(), delta.transitions.len()), (0, 1));
    assert_eq!(serde_json::to_vec(&delta).unwrap(), event.json());
    let one: v1::OneTarget =
        serde_json::from_slice(&hub.snapshot().target_json(&id(IDS[1])).unwrap()).unwrap();
    assert_eq!(
        (one.head, one.target),
        (parsed.head.clone(), parsed.targets[1].clone())
    );
    assert_eq!(hub.snapshot().target_json(&id("openai/none")), None);
}

#[test]
fn a_rate_without_trials_is_null_not_zero() {
    let json = serde_json::to_string(&v1::TargetHealth::from(&target(IDS[0], State::Unknown))).unwrap();
    assert!(
        json.contains(r#""error_rate":{"value":null,"low":null,"high":null,"n":0}"#),
        "{json}"
    );
    assert!(
        json.contains(r#""weight":null"#) && json.contains(r#""official":null"#),
        "{json}"
    );
}

#[test]
fn words_of_the_future_are_taken_for_the_cautious_ones() {
    let json = serde_json::to_string(&v1::TargetHealth::from(&target(IDS[0], State::Operational))).unwrap();
    let json = json
        .replace("\"operational\"", "\"glorious\"")
        .replace("\"allow\"", "\"cherish\"");
    let read: v1::TargetHealth = serde_json::from_str(&json.replace("{\"id\"", "{\"new\":1,\"id\"")).unwrap();
    assert_eq!((read.state, read.routing.hint), (State::Unknown, Hint::NoOpinion));
    let status: v1::StoreStatus = serde_json::from_str(r#"{"state":"smouldering","dropped":3}"#).unwrap();
    assert_eq!(status.state, v1::StoreState::Failing);
}

#[test]
fn a_revision_comes_with_each_cause_and_figures_wait_their_second() {
    let hub = hub();
    let ms = |n| T0.plus(Duration::from_millis(n));
    let mut changed = view(ms(0), State::Operational);
    let mut figures = |at, attempts| {
        changed.at = at;
        changed.targets[0].figures.attempts = attempts;
        hub.publish(&changed, Cause::Figures, &ok())
            .map(|event| event.revision)
    };
    let second = u64::try_from(FIGURES_EVERY.as_millis()).unwrap();
    for (what, got, expected) in [
        ("too early", figures(ms(second - 1), 413), None),
        ("a second later", figures(ms(second), 413), Some(102)),
        ("unchanged", figures(ms(3 * second), 413), None),
        ("changed", figures(ms(3 * second), 414), Some(103)),
        ("too early again", figures(ms(4 * second - 1), 415), None),
        ("later", figures(ms(4 * second), 415), Some(104)),
    ] {
        assert_eq!(got, expected, "{what}");
    }
    assert_eq!(beat(&hub, ms(5000)), 105);
    assert_eq!(
        beat(&hub, ms(5000)),
        106,
        "a heartbeat is a revision even when nothing changed"
    );
}

#[test]
fn what_steers_traffic_does_not_wait_for_the_second() {
    let hub = hub();
    let at = T0.plus(Duration::from_millis(1));
    let mut offline = view(at, State::Operational);
    offline.network = Network::Offline;
    assert!(hub.publish(&offline, Cause::Figures, &ok()).is_some());
    assert!(
        hub.publish(&view(at, State::Down), Cause::Figures, &ok())
            .is_some()
    );
    let failing = v1::StoreStatus {
        state: v1::StoreState::Failing,
        ..ok()
    };
    assert!(
        hub.publish(&view(at, State::Down), Cause::Figures, &failing)
            .is_some()
    );
    assert!(
        hub.publish(&view(at, State::Down), Cause::Figures, &failing)
            .is_none()
    );
}

#[test]
fn a_follower_that_applies_every_event_has_the_feed() {
    let hub = hub();
    let mut subscription = hub.subscribe(None, None).unwrap();
    let (_, kind, data) = parts(&now(&mut subscription).unwrap());
    assert_eq!(kind, "snapshot");
    let mut copy: v1::Health = serde_json::from_str(&data).unwrap();
    let mut view = view(T0, State::Operational);
    for step in 1..=40_u64 {
        view.at = T0.plus(Duration::from_millis(step * 700));
        let index = usize::try_from(step % 3).unwrap();
        view.targets[index] = target(IDS[index], State::ALL[usize::try_from(step % 6).unwrap()]);
        view.targets[0].figures.attempts = step;
        view.providers[0].state = State::ALL[usize::try_from(step % 5).unwrap()];
        let moved = [transition(IDS[index], view.at, State::Unknown, State::Down)];
        let told = incident(IDS[index], 1);
        let cause = match step % 4 {
            0 => Cause::Transition(&moved),
            1 => Cause::Incident(IncidentPhase::Opened, &told),
            2 => Cause::Figures,
            _ => Cause::Heartbeat,
        };
        hub.publish(&view, cause, &ok());
        while let Some(frame) = now(&mut subscription) {
            let (revision, kind, data) = parts(&frame);
            assert_ne!(kind, "snapshot");
            let delta: Delta = serde_json::from_str(&data).unwrap();
            assert_eq!(delta.head.revision, revision);
            copy.apply(&delta);
        }
        assert_eq!(copy, hub.snapshot().health, "after step {step}");
    }
}

#[test]
fn other_targets_after_a_reload_make_a_snapshot() {
    let hub = hub();
    let mut subscription = hub.subscribe(None, None).unwrap();
    now(&mut subscription);
    let mut fewer = view(T0, State::Operational);
    fewer.targets.remove(0);
    hub.publish(&fewer, Cause::Heartbeat, &ok()).unwrap();
    assert_eq!(told(&mut subscription), [(102, "snapshot".to_owned())]);
}

#[test]
fn what_came_of_one_moment_reads_as_if_it_was_told_one_by_one() {
    let at = T0.plus(Duration::from_secs(1));
    let moved = [transition(IDS[0], at, State::Operational, State::Down)];
    let opened: Vec<Incident> = (0..100).map(|number| incident(IDS[0], number)).collect();
    let opened = opened.iter().map(|it| Cause::Incident(IncidentPhase::Opened, it));
    let causes: Vec<_> = std::iter::once(Cause::Transition(&moved)).chain(opened).collect();
    for targets in [3, 2] {
        let mut down = view(at, State::Down);
        down.targets.truncate(targets);
        let hubs @ [apart, together] = &[hub(), hub()];
        let [mut slowly, mut at_once] = hubs.each_ref().map(|hub| hub.subscribe(Some(101), None).unwrap());
        for cause in &causes {
            apart.publish(&down, *cause, &ok()).unwrap();
        }
        let events = together.publish_all(&down, &causes, &ok());
        assert_eq!(events.len(), causes.len());
        assert!(events.iter().all(|event| event.durable));
        for _ in &causes {
            assert_eq!(now(&mut slowly).unwrap(), now(&mut at_once).unwrap());
        }
        assert_eq!((now(&mut slowly), now(&mut at_once)), (None, None));
        assert_eq!(apart.snapshot().json(), together.snapshot().json());
        assert_eq!(apart.snapshot().etag, together.snapshot().etag);
    }
}

#[test]
fn a_reader_that_lags_gets_a_snapshot_and_holds_up_nobody() {
    let hub = hub();
    let (mut slow, mut quick) = (
        hub.subscribe(None, None).unwrap(),
        hub.subscribe(None, None).unwrap(),
    );
    assert_eq!(told(&mut slow).len() + told(&mut quick).len(), 2);
    let events = u64::try_from(RING_EVENTS).unwrap();
    for step in 0..events {
        beat(&hub, T0.plus(Duration::from_secs(5 * step)));
        assert_eq!(told(&mut quick), [(102 + step, "heartbeat".to_owned())]);
    }
    assert_eq!(hub.lagged(), 0);
    let mut at_the_limit = hub.subscribe(Some(101), None).unwrap();
    assert_eq!(
        told(&mut at_the_limit).len(),
        RING_EVENTS,
        "the whole ring is at hand"
    );
    let newest = beat(&hub, T0.plus(Duration::from_secs(5 * events)));
    assert_eq!(told(&mut slow), [(newest, "snapshot".to_owned())]);
    assert_eq!(hub.lagged(), 1);
}

#[test]
fn the_ring_is_bounded_in_bytes_too() {
    let hub = hub();
    let mut view = view(T0, State::Operational);
    let long = "x".repeat(RING_BYTES / 8);
    for step in 1..=20 {
        view.at = T0.plus(Duration::from_secs(step));
        view.targets[0].reason.text = format!("{step}{long}");
        hub.publish(&view, Cause::Figures, &ok()).unwrap();
    }
    let newest = hub.snapshot().revision();
    assert_eq!(hub.known(newest - 7, None), Known::Recent);
    assert_eq!(hub.known(newest - 9, None), Known::Older);
}

#[test]
fn a_large_feed_has_room_for_some_of_its_kind() {
    let hub = hub();
    let mut view = view(T0, State::Operational);
    let long = "x".repeat(2 * RING_BYTES);
    for step in 1..=10 {
        view.at = T0.plus(Duration::from_secs(step));
        view.targets[0].reason.text = format!("{step}{long}");
        hub.publish(&view, Cause::Figures, &ok()).unwrap();
    }
    let newest = hub.snapshot().revision();
    let room = u64::try_from(RING_FEEDS).unwrap();
    assert_eq!(hub.known(newest - room, None), Known::Recent);
    assert_eq!(hub.known(newest - room - 1, None), Known::Older);
}

#[test]
fn ids_are_known_recent_older_or_never_made() {
    let hub = hub();
    for step in 0..=u64::try_from(RING_EVENTS).unwrap() {
        beat(&hub, T0.plus(Duration::from_secs(step)));
    }
    let newest = hub.snapshot().revision();
    for (revision, instance, known) in [
        (newest, None, Known::Current),
        (newest, Some("instance-1"), Known::Current),
        (newest, Some("instance-2"), Known::Never),
        (newest - 1, None, Known::Recent),
        (newest - 1, Some("instance-2"), Known::Never),
        (102, None, Known::Recent),
        (101, None, Known::Older),
        (0, None, Known::Older),
        (newest + 1, None, Known::Never),
        (u64::MAX, None, Known::Never),
    ] {
        assert_eq!(hub.known(revision, instance), known, "{revision} {instance:?}");
    }
}

#[test]
fn a_filter_leaves_only_what_was_asked_for() {
    let hub = hub();
    let mut subscription = hub
        .subscribe(None, Some(Filter::parse("openai/*").unwrap()))
        .unwrap();
    let (_, _, data) = parts(&now(&mut subscription).unwrap());
    let feed: v1::Health = serde_json::from_str(&data).unwrap();
    assert_eq!((feed.targets.len(), feed.providers.len()), (2, 1));
    let whole: v1::Health = serde_json::from_slice(&hub.snapshot().json()).unwrap();
    assert_eq!(feed.targets, whole.targets[1..]);

    let mut view = view(T0, State::Operational);
    view.targets[0] = target(IDS[0], State::Down);
    let moved = transition(IDS[0], T0, State::Operational, State::Down);
    hub.publish(&view, Cause::Transition(std::slice::from_ref(&moved)), &ok());
    assert_eq!(now(&mut subscription), None, "nothing in it for this reader");

    view.targets[2] = target(IDS[2], State::Down);
    let both = [moved, transition(IDS[2], T0, State::Operational, State::Down)];
    hub.publish(&view, Cause::Transition(&both), &ok());
    let (_, kind, data) = parts(&now(&mut subscription).unwrap());
    let delta: Delta = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (kind.as_str(), delta.transitions.len(), delta.targets.len()),
        ("health", 1, 1)
    );

    view.targets[0] = target(IDS[0], State::Operational);
    hub.publish(&view, Cause::Heartbeat, &ok());
    let (_, kind, data) = parts(&now(&mut subscription).unwrap());
    let delta: Delta = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (kind.as_str(), delta.targets.len()),
        ("heartbeat", 0),
        "freshness is for everybody"
    );

    view.network = Network::Offline;
    hub.publish(&view, Cause::Transition(&[]), &ok());
    let (_, _, data) = parts(&now(&mut subscription).unwrap());
    assert!(data.contains(r#""network":"offline""#), "{data}");
}

#[test]
fn places_are_limited_and_come_back() {
    let hub = hub();
    let mut all: Vec<_> = (0..MAX_SUBSCRIBERS)
        .map(|_| hub.subscribe(None, None).unwrap())
        .collect();
    assert!(hub.subscribe(None, None).is_err());
    assert_eq!(hub.subscribers(), MAX_SUBSCRIBERS);
    all.pop();
    assert!(hub.subscribe(None, None).is_ok());
}

#[test]
fn incidents_and_observations_are_told_in_full() {
    let mut over = incident(IDS[0], 7);
    assert!(record::Incident::from(&over).open);
    over.closed = Some(T0.plus(Duration::from_secs(300)));
    let mut seen = Observation::new(
        id(IDS[0]),
        T0,
        Source::Canary,
        Verdict::Truncated(Truncation::Cut),
    );
    seen.flags.insert(Flags::RESIDUE);
    seen.phases.first_token = Some(Duration::from_micros(412_345));
    seen.phases.end = Some(Duration::from_millis(1900));
    seen.http_status = Some(200);
    seen.tail = Some("seventeen, eigh".to_owned());
    seen.vantage = Some("fra-1".into());
    let both = serde_json::json!({
        "incident": record::Incident::from(&over),
        "observation": record::Observation::from(&seen),
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&both).unwrap());
}

proptest! {
    /// Whatever is published, and whatever the source of revisions says: they grow, tags differ, time never goes
    /// back.
    #[test]
    fn revisions_and_freshness_only_grow(
        given in prop::collection::vec(0_u64..50, 1..40),
        steps in prop::collection::vec((0_u8..4, -3000_i64..6000), 1..40),
    ) {
        let mut given = given.into_iter().cycle();
        let hub = Hub::new(identity(), move || given.next().unwrap_or(0), &view(T0, State::Operational), &ok());
        let mut last = (hub.snapshot().revision(), hub.snapshot().health.head.stale_after);
        let mut at = T0;
        for (cause, step) in steps {
            at = Timestamp::from_millis(at.as_millis() + step);
            let mut view = view(at, State::Operational);
            view.targets[0].figures.attempts = at.as_millis().unsigned_abs();
            let moved = [transition(IDS[0], at, State::Operational, State::Down)];
            let told = incident(IDS[0], 1);
            let cause = match cause {
                0 => Cause::Transition(&moved),
                1 => Cause::Incident(IncidentPhase::Updated, &told),
                2 => Cause::Figures,
                _ => Cause::Heartbeat,
            };
            let tag = hub.snapshot().etag.clone();
            let event = hub.publish(&view, cause, &ok());
            let now = (hub.snapshot().revision(), hub.snapshot().health.head.stale_after);
            if let Some(event) = event {
                    prop_assert!(now.0 > last.0 && event.revision == now.0 && event.after == last.0);
                    prop_assert_ne!(tag, hub.snapshot().etag.clone());
                } else { prop_assert_eq!(now.0, last.0); }
            prop_assert!(now.1 >= last.1);
            last = now;
        }
    }
}
