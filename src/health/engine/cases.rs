//! Single rules of the engine, one observation at a time.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    health::{Breaker, Hint, Network, ProbeOrder, ReasonCode, State, Subject, TargetSetup},
    protocol::ErrorClass,
    verdict::{FailedAt, Failure, Source, Truncation, Trust, Verdict},
};

const START_MS: i64 = 1_800_000_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

fn setup(polite: bool, interval_s: Option<u64>) -> Setup {
    let target = |id: &str| TargetSetup {
        id: id.parse().unwrap(),
        strict_terminal: true,
        interval: interval_s.map(Duration::from_secs),
        long: false,
        long_interval: None,
        first_token_limit: Duration::from_secs(30),
        polite,
        reports_only: false,
    };
    Setup {
        targets: vec![target("p/m"), target("p/n")],
        anchors: 3,
    }
}

fn engine() -> Engine {
    Engine::new(setup(false, Some(60)), 1, at(0))
}

fn seen(ms: i64, source: Source, verdict: Verdict) -> Observation {
    Observation::new("p/m".parse().unwrap(), at(ms), source, verdict)
}

const CUT: Verdict = Verdict::Truncated(Truncation::Cut);

fn status(code: u16, class: ErrorClass) -> Verdict {
    Verdict::Errored(Failure {
        class,
        at: FailedAt::Status(code),
    })
}

fn feed(engine: &mut Engine, ms: i64, verdict: Verdict) -> Vec<Effect> {
    engine.observe(&seen(ms, Source::Canary, verdict), at(ms))
}

fn state(engine: &Engine, ms: i64) -> State {
    engine.view(at(ms)).targets[0].state
}

fn orders(effects: &[Effect]) -> Vec<&ProbeOrder> {
    let mut found = Vec::new();
    for effect in effects {
        if let Effect::Probe(order) = effect {
            found.push(order);
        }
    }
    found
}

#[test]
fn corroborating_reports_call_for_probes_and_convict_nobody() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    let mut probes = 0;
    for i in 1..200 {
        let mut report = seen(i * 500, Source::Report, CUT);
        report.trust = Trust::Corroborate;
        let effects = engine.observe(&report, at(i * 500));
        probes += orders(&effects).len();
        assert_eq!(state(&engine, i * 500), State::Operational);
    }
    assert!(probes >= 4, "{probes}");
    assert_eq!(engine.view(at(100_000)).targets[0].routing.hint, Hint::Suspect);
}

#[test]
fn a_report_older_than_60_seconds_is_history_only() {
    for (age_ms, took_ms, counted) in [
        (60_000, None, 1),
        (60_001, None, 0),
        (99_000, Some(39_000), 1),
        (99_000, Some(38_999), 0),
    ] {
        let mut engine = engine();
        let mut report = seen(100_000, Source::Report, CUT);
        report.started = at(100_000 - age_ms);
        report.phases.end = took_ms.map(std::time::Duration::from_millis);
        engine.observe(&report, at(100_000));
        assert_eq!(
            engine.view(at(100_000)).targets[0].figures.attempts,
            counted,
            "{age_ms}"
        );
    }
}

#[test]
fn nothing_is_known_once_the_evidence_is_stale() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    assert_eq!(state(&engine, 0), State::Operational);
    engine.tick(at(179_999));
    assert_eq!(state(&engine, 179_999), State::Operational);
    let due = engine.next_wake(at(179_999));
    assert_eq!(due, at(180_000), "three intervals");
    engine.tick(due);
    let view = engine.view(due);
    assert_eq!(
        (view.targets[0].state, view.targets[0].reason.code),
        (State::Unknown, ReasonCode::Stale)
    );
    assert_eq!(view.targets[0].routing.weight, None);
    feed(&mut engine, 181_000, CUT);
    assert_eq!(
        state(&engine, 181_000),
        State::Unknown,
        "one failure is no health"
    );
    feed(&mut engine, 182_000, Verdict::Complete);
    assert_eq!(state(&engine, 182_000), State::Operational);
}

#[test]
fn a_rate_limit_throttles_until_it_is_over() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    let mut limited = seen(1_000, Source::Canary, status(429, ErrorClass::RateLimit));
    limited.retry_after = Some(Duration::from_secs(20));
    engine.observe(&limited, at(1_000));
    let routing = engine.view(at(1_000)).targets[0].routing;
    assert_eq!(
        (routing.hint, routing.retry_at),
        (Hint::Throttle, Some(at(21_000)))
    );
    engine.tick(at(20_999));
    assert_eq!(engine.view(at(20_999)).targets[0].routing.hint, Hint::Throttle);
    assert_eq!(engine.next_wake(at(20_999)), at(21_000));
    engine.tick(at(21_000));
    assert_eq!(engine.view(at(21_000)).targets[0].routing.hint, Hint::Allow);
}

#[test]
fn an_edge_that_answers_5xx_has_its_models_asked() {
    let mut engine = engine();
    let mut reach = seen(0, Source::Reach, status(503, ErrorClass::Overloaded));
    reach.http_status = Some(503);
    let effects = engine.observe(&reach, at(0));
    let asked = orders(&effects);
    assert_eq!(asked.len(), 8, "four probes for each of two targets");
    for (i, order) in (1_i64..=4).zip(&asked) {
        let due = order.due.as_millis() - at(160 * i).as_millis();
        assert!((0..=30).contains(&due), "{due}");
        assert!(matches!(order.subject, Subject::Model(_, Length::Short)));
    }
    assert_eq!(state(&engine, 0), State::Unknown);
}

#[test]
fn a_polite_target_is_asked_once_in_ten_seconds_while_overloaded() {
    let mut engine = Engine::new(setup(true, Some(60)), 1, at(0));
    feed(&mut engine, 0, Verdict::Complete);
    let effects = feed(&mut engine, 1_000, status(529, ErrorClass::Overloaded));
    assert_eq!(orders(&effects).len(), 1);
    assert!(
        engine
            .provider_overloaded(&ProviderId::new("p").unwrap())
            .is_some()
    );
    let later: Vec<Effect> = (2..30).flat_map(|i| engine.tick(at(i * 1000))).collect();
    assert_eq!(orders(&later).len(), 2, "at 11 s and 21 s");
    feed(&mut engine, 30_000, Verdict::Complete);
    assert_eq!(engine.provider_overloaded(&ProviderId::new("p").unwrap()), None);
}

#[test]
fn a_target_without_probes_is_never_probed() {
    let mut engine = Engine::new(setup(false, None), 1, at(0));
    let mut effects = Vec::new();
    for i in 0..20 {
        effects.extend(engine.observe(&seen(i * 1000, Source::Report, CUT), at(i * 1000)));
        effects.extend(engine.tick(at(i * 1000 + 500)));
    }
    assert_eq!(state(&engine, 20_000), State::Down);
    assert_eq!(orders(&effects), Vec::<&ProbeOrder>::new());
}

#[test]
fn recovery_probes_are_bounded_by_the_hour() {
    let mut engine = engine();
    for i in 0..10 {
        feed(&mut engine, i * 1000, CUT);
    }
    assert!(engine.alarmed(&"p/m".parse().unwrap()));
    let (mut sent, mut now) = (0, 10_000);
    while now < 3_600_000 {
        now = (engine.next_wake(at(now)).as_millis() - START_MS).max(now + 1);
        let effects = engine.tick(at(now));
        for _ in 0..orders(&effects).len() {
            sent += 1;
            // Two of three good: never long enough to clear, often enough for the half second.
            let mut answer = seen(
                now,
                Source::Canary,
                if sent % 3 == 0 { CUT } else { Verdict::Complete },
            );
            answer.purpose = Purpose::Recovery;
            engine.observe(&answer, at(now));
        }
    }
    assert!((600..=850).contains(&sent), "600, then one per 15 s: {sent}");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut engine = engine();
    for i in 0..30 {
        feed(&mut engine, i * 1000, CUT);
        engine.tick(at(i * 1000 + 1));
    }
    let before = engine.view(at(30_000));
    assert_eq!(before.targets[0].state, State::Down);
    assert!(before.targets[0].incident.is_some());
    let saved = engine.save();
    for (later_ms, known) in [(31_000, true), (300_000, false)] {
        let mut again = Engine::new(setup(false, Some(60)), 2, at(later_ms));
        again.restore(&saved, at(later_ms)).unwrap();
        let target = again.view(at(later_ms)).targets[0].clone();
        assert_eq!(target.incident, before.targets[0].incident);
        if known {
            assert_eq!(
                (target.state, target.since),
                (State::Down, before.targets[0].since)
            );
            assert_eq!(target.reason.code, ReasonCode::Truncated);
            assert_eq!(again.save(), saved);
        } else {
            assert_eq!(target.state, State::Unknown);
            feed(&mut again, later_ms + 1, CUT);
            assert_eq!(
                state(&again, later_ms + 1),
                State::Down,
                "alarmed and fresh again"
            );
        }
        assert!(
            !orders(&again.tick(at(later_ms + 2_100))).is_empty(),
            "recovery goes on"
        );
    }
}

#[test]
fn one_target_that_was_kept_later_is_taken_up_upon_the_whole() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    let whole = engine.save();
    for i in 1..30 {
        feed(&mut engine, i * 1000, CUT);
        engine.tick(at(i * 1000 + 1));
    }
    let [ill, well] = ["p/m", "p/n"].map(|id| engine.save_target(&id.parse().unwrap()).unwrap());
    let before = engine.view(at(30_000));
    assert!(before.targets[0].incident.is_some());
    let mut again = Engine::new(setup(false, Some(60)), 2, at(30_000));
    for saved in [&whole, &ill] {
        again.restore(saved, at(30_000)).unwrap();
    }
    assert_eq!(
        again.view(at(30_000)).targets[0].incident,
        before.targets[0].incident
    );
    assert_eq!(state(&again, 30_000), State::Down);
    assert_eq!(again.save_target(&"p/m".parse().unwrap()), Some(ill));
    assert_eq!(again.save_target(&"p/n".parse().unwrap()), Some(well));
    assert_eq!(again.save(), engine.save());
    assert_eq!(again.save_target(&"p/gone".parse().unwrap()), None);
}

#[test]
fn a_view_of_before_is_brought_up_to_date_where_targets_moved() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    let mut view = engine.view(at(0));
    let moved: Vec<TargetId> = (1..40)
        .flat_map(|i| {
            let mut effects = feed(&mut engine, i * 1000, CUT);
            effects.extend(engine.tick(at(i * 1000 + 1)));
            effects
        })
        .filter_map(|effect| match effect {
            Effect::Transition(it) => Some(it.target),
            Effect::Incident(_, it) => Some(it.target),
            _ => None,
        })
        .collect();
    let places = engine.view_again(&mut view, moved.iter(), at(40_000));
    assert_eq!(places, Some(vec![0]));
    let whole = engine.view(at(40_000));
    assert_eq!(view, whole, "nothing was heard of the other one");
    assert!(whole.targets[0].incident.is_some());
    // Figures alone are as they were.
    feed(&mut engine, 41_000, CUT);
    assert_eq!(engine.view_again(&mut view, [].iter(), at(41_000)), Some(vec![]));
    assert_eq!(view.targets, whole.targets);
    assert_ne!(view.targets, engine.view(at(41_000)).targets);
    // Other targets, another network: only a whole view will do.
    let before = view.clone();
    let mut fewer = setup(false, Some(60));
    fewer.targets.remove(1);
    engine.reconfigure(fewer, at(42_000));
    assert_eq!(engine.view_again(&mut view, moved.iter(), at(42_000)), None);
    engine.reconfigure(setup(false, Some(60)), at(43_000));
    engine.clock_jumped(at(44_000));
    assert_eq!(engine.view_again(&mut view, moved.iter(), at(44_000)), None);
    assert_eq!(view, before);
}

#[test]
fn a_foreign_saved_state_changes_nothing() {
    let mut engine = engine();
    let untouched = engine.save();
    for blob in ["", "{}", "{\"version\":99}", "{\"version\":1}", "[]"] {
        let saved = Saved {
            blob: blob.to_owned(),
        };
        assert!(engine.restore(&saved, at(1)).is_err(), "{blob}");
        assert_eq!(engine.save(), untouched);
    }
    let broken = Saved {
        blob: untouched.blob.replacen("\"s\":0.0", "\"s\":99.0", 1),
    };
    assert_ne!(broken, untouched);
    assert!(engine.restore(&broken, at(1)).is_err());
}

#[test]
fn a_target_that_goes_takes_its_incident_along() {
    let mut engine = engine();
    for i in 0..20 {
        feed(&mut engine, i * 1000, CUT);
    }
    engine.tick(at(40_000));
    let mut smaller = setup(false, Some(60));
    smaller.targets.remove(0);
    let effects = engine.reconfigure(smaller, at(41_000));
    assert!(
        matches!(&effects[..], [Effect::Incident(IncidentPhase::Closed, incident)] if incident.closed == Some(at(41_000))),
        "{effects:?}"
    );
}

#[test]
fn a_hundred_thousand_observations_keep_the_state_small() {
    let mut engine = engine();
    for i in 0..100_000_i64 {
        let mut reply = seen(i / 50, Source::Report, Verdict::Complete);
        reply.phases.first_token = Some(Duration::from_millis(300 + (i % 700) as u64));
        engine.observe(&reply, at(i / 50));
    }
    let view = engine.view(at(2_000));
    assert_eq!(view.targets[0].figures.attempts, 100_000);
    assert_eq!(view.targets[0].figures.ttft_ms.n, 100_000);
    assert!(engine.save().blob.len() < 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_breaker_closes_only_through_half_open(
        rows in prop::collection::vec((1_i64..20_000, 0_u8..6), 1..400),
    ) {
        let mut engine = engine();
        let (mut now, mut open) = (0, false);
        for (step, kind) in rows {
            now += step;
            let mut effects = engine.tick(at(now));
            let verdict = match kind {
                0 | 1 => CUT,
                2 => status(529, ErrorClass::Overloaded),
                3 => status(429, ErrorClass::RateLimit),
                _ => Verdict::Complete,
            };
            effects.extend(feed(&mut engine, now, verdict));
            effects.extend(engine.anchor_round(&[true; 3], at(now)));
            for effect in effects {
                if let Effect::Transition(t) = effect {
                    match t.routing.hint.breaker() {
                        Breaker::Open => open = true,
                        Breaker::HalfOpen => open = false,
                        Breaker::Closed => prop_assert!(!open || t.to == State::Unknown, "{t:?}"),
                    }
                }
            }
            let last = engine.view(at(now)).targets[0].clone();
            prop_assert!(last.routing.weight.is_none_or(|w| (0.0..=1.0).contains(&w)));
            prop_assert_eq!(last.routing.weight.is_none() , matches!(last.routing.hint, Hint::NoOpinion | Hint::Throttle | Hint::Blocked));
            prop_assert!(engine.next_wake(at(now)) >= at(now));
        }
    }
}

/// An observation of the free probe; `status` as the provider answered.
fn reach(ms: i64, answered: bool) -> Observation {
    let verdict = if answered {
        Verdict::Complete
    } else {
        Verdict::Errored(Failure {
            class: ErrorClass::Connect,
            at: FailedAt::Transport,
        })
    };
    let mut seen = seen(ms, Source::Reach, verdict);
    (seen.expected, seen.with_key) = (answered, false);
    seen.http_status = answered.then_some(401);
    seen
}

/// Feeds reach probes, one a second, with anchors that answer, and collects the effects.
fn reached(engine: &mut Engine, from_s: i64, to_s: i64, answered: bool) -> Vec<Effect> {
    let mut out = Vec::new();
    for s in from_s..to_s {
        out.extend(engine.observe(&reach(s * 1000, answered), at(s * 1000)));
        out.extend(engine.anchor_round(&[true; 3], at(s * 1000 + 50)));
        out.extend(engine.tick(at(s * 1000 + 500)));
    }
    out
}

fn phases(effects: &[Effect]) -> Vec<IncidentPhase> {
    let phase = |effect: &Effect| match effect {
        Effect::Incident(phase, _) => Some(*phase),
        _ => None,
    };
    effects.iter().filter_map(phase).collect()
}

#[test]
fn a_target_without_a_key_is_unknown_and_says_why_and_its_incident_ends() {
    let mut engine = Engine::new(setup(false, None), 1, at(0));
    reached(&mut engine, 0, 300, true);
    let view = engine.view(at(300_000));
    assert_eq!(view.targets[0].state, State::Unknown);
    assert_eq!(view.targets[0].routing.weight, None);
    assert_eq!(view.providers[0].edge, State::Operational);
    assert!(
        view.targets[0]
            .reason
            .text
            .contains("only whether it can be reached"),
        "{}",
        view.targets[0].reason.text
    );
    let down = reached(&mut engine, 300, 330, false);
    assert_eq!(state(&engine, 330_000), State::Down);
    assert_eq!(phases(&down)[0], IncidentPhase::Opened);
    let after = reached(&mut engine, 330, 530, true);
    assert_eq!(state(&engine, 530_000), State::Unknown);
    assert!(
        phases(&after).contains(&IncidentPhase::Closed),
        "{:?}",
        phases(&after)
    );
    assert_eq!(engine.view(at(530_000)).targets[0].incident, None);
}

#[test]
fn a_blip_before_a_long_restart_opens_no_incident_after_it() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    for i in 1..8 {
        feed(&mut engine, i * 1000, CUT);
    }
    assert!(state(&engine, 8_000).is_impaired());
    let saved = engine.save();
    let mut again = Engine::new(setup(false, Some(60)), 2, at(600_000));
    again.restore(&saved, at(600_000)).unwrap();
    assert_eq!(state(&again, 600_000), State::Unknown);
    assert_eq!(phases(&again.tick(at(601_000))), []);
}

#[test]
fn a_models_list_that_is_forbidden_does_not_silence_a_key_that_generates() {
    let mut engine = engine();
    let forbidden = |ms: i64, code: u16, class| {
        let mut list = seen(ms, Source::Reach, status(code, class));
        list.http_status = Some(code);
        list
    };
    for s in 0..600 {
        if s % 60 == 0 {
            feed(&mut engine, s * 1000, Verdict::Complete);
        } else if s % 5 == 0 {
            engine.observe(&forbidden(s * 1000, 403, ErrorClass::Permission), at(s * 1000));
        }
        assert_eq!(state(&engine, s * 1000), State::Operational, "{s}");
    }
    // A refused credential is refused for everything.
    engine.observe(&forbidden(600_000, 401, ErrorClass::Auth), at(600_000));
    assert_eq!(state(&engine, 600_000), State::Unknown);
}

#[test]
fn an_outage_that_reports_told_of_does_not_end_with_the_reports() {
    let mut engine = Engine::new(setup(false, None), 1, at(0));
    for s in 0..30 {
        engine.observe(&reach(s * 1000, true), at(s * 1000));
        engine.observe(&seen(s * 1000, Source::Report, CUT), at(s * 1000));
        engine.tick(at(s * 1000 + 500));
    }
    assert!(engine.view(at(30_000)).targets[0].incident.is_some());
    let after = reached(&mut engine, 30, 1_200, true);
    assert_eq!(state(&engine, 1_200_000), State::Unknown);
    assert!(!phases(&after).contains(&IncidentPhase::Closed));
}

#[test]
fn what_was_sent_while_we_were_offline_says_nothing_afterwards() {
    let mut engine = engine();
    feed(&mut engine, 0, Verdict::Complete);
    for ms in [1_000, 1_600] {
        engine.anchor_round(&[false; 3], at(ms));
    }
    assert_eq!(engine.view(at(1_600)).network, Network::Offline);
    for ms in [2_000, 3_000] {
        engine.anchor_round(&[true; 3], at(ms));
    }
    engine.tick(at(5_000));
    assert_eq!(engine.view(at(5_000)).network, Network::Online);
    let mut late = seen(5_100, Source::Canary, CUT);
    late.started = at(4_900);
    engine.observe(&late, at(5_100));
    assert_eq!(engine.view(at(5_100)).targets[0].figures.attempts, 1);
    feed(&mut engine, 5_200, CUT);
    assert_eq!(engine.view(at(5_200)).targets[0].figures.attempts, 2);
}
