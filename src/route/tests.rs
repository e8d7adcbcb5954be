use std::time::Duration;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal};
use serde_json::json;

use super::*;
use crate::{
    config::{Fitness, OnExhausted, Prefer, Price, Route as Rule, RouteTarget},
    feed::{
        route::{Decision, Route},
        v1::{Health, Percentiles, Rate, TargetHealth},
    },
    health::{Hint, Network, State},
    id::TargetId,
};

fn id(name: &str) -> TargetId {
    format!("{name}/m").parse().unwrap()
}

/// A route over `a/m`, `b/m` .. in that order.
fn rule(names: &[&str]) -> Rule {
    Rule {
        name: "coding".to_owned(),
        targets: names
            .iter()
            .map(|name| RouteTarget {
                id: id(name),
                price: None,
                fitness: Fitness::Fit,
            })
            .collect(),
        on_exhausted: OnExhausted::FailClosed,
        prefer: Prefer::Order,
        max_ttft: None,
        same_key: true,
        requires: Vec::new(),
    }
}

fn target(name: &str, state: State, hint: Hint, weight: Option<f64>) -> TargetHealth {
    let none = json!({"value": null, "low": null, "high": null, "n": 0});
    let nothing = json!({"p50": null, "p95": null, "p99": null, "n": 0});
    serde_json::from_value(json!({
        "id": id(name).to_string(), "provider": name, "model": "m", "state": state.as_str(),
        "since": "2026-06-20T13:00:00.000Z",
        "reason": {"code": "truncated", "text": "7 of 12 replies ended early", "sources": ["canary"]},
        "routing": {"hint": hint.as_str(), "weight": weight, "breaker": hint.breaker().as_str(), "retry_at": null},
        "window_s": 300, "attempts": 0, "failure_rate": none, "error_rate": none, "truncation_rate": none,
        "ttft_ms": nothing, "ttfo_ms": nothing, "itl_ms": nothing, "e2e_ms": nothing, "output_tps": nothing,
        "last_complete_at": null, "flags": [], "official": null, "incident": null, "spent_usd_today": 0.0,
    }))
    .unwrap()
}

fn well(name: &str) -> TargetHealth {
    target(name, State::Operational, Hint::Allow, Some(1.0))
}

fn down(name: &str) -> TargetHealth {
    target(name, State::Down, Hint::Avoid, Some(0.0))
}

fn unknown(name: &str) -> TargetHealth {
    target(name, State::Unknown, Hint::NoOpinion, None)
}

fn ramp(name: &str, weight: f64) -> TargetHealth {
    target(name, State::Operational, Hint::Ramp, Some(weight))
}

fn ttft(mut health: TargetHealth, p50: f64, p95: f64, n: u64) -> TargetHealth {
    health.ttft_ms = Percentiles {
        p50: Some(p50),
        p95: Some(p95),
        p99: Some(p95),
        n,
    };
    health
}

fn failing(mut health: TargetHealth, low: f64, high: f64) -> TargetHealth {
    health.failure_rate = Rate {
        value: Some(f64::midpoint(low, high)),
        low: Some(low),
        high: Some(high),
        n: 50,
    };
    health
}

fn feed(targets: Vec<TargetHealth>) -> Health {
    Health {
        head: serde_json::from_value(json!({
            "schema": "endturn.health.v1", "instance": "i", "vantage": "v", "revision": 1,
            "generated_at": "2026-06-20T13:00:00.000Z", "stale_after": "2026-06-20T13:00:15.000Z", "network": "online",
        }))
        .unwrap(),
        targets,
        providers: Vec::new(),
    }
}

fn decide(rule: &Rule, feed: &Health, before: &Memory) -> (Route, Memory) {
    super::decide(rule, &Known::of(feed), before)
}

fn decided(rule: &Rule, targets: Vec<TargetHealth>) -> Route {
    decide(rule, &feed(targets), &Memory::default()).0
}

/// Who serves, in which order the others come, and why: `b a | fallback`.
fn line(route: &Route) -> String {
    let order: Vec<String> = route
        .candidates
        .iter()
        .map(|candidate| {
            let name = candidate.target.provider().as_str();
            let share = match candidate.share {
                0.0 => String::new(),
                share => format!(" {share}"),
            };
            format!("{name} {}{share}", candidate.why.code)
        })
        .collect();
    let target = route
        .target
        .as_ref()
        .map_or("nobody", |target| target.provider().as_str());
    format!("{target}: {} | {}", route.reason.code, order.join(", "))
}

#[test]
fn who_serves_by_what_the_feed_says() {
    let degraded = target("a", State::Degraded, Hint::Allow, Some(0.5));
    let suspect = target("a", State::Operational, Hint::Suspect, Some(1.0));
    let throttled = target("a", State::Operational, Hint::Throttle, None);
    let rows: [(Vec<TargetHealth>, &str); 13] = [
        (vec![well("a"), well("b")], "a: preferred | a ok 1, b ok"),
        (vec![down("a"), well("b")], "b: fallback | b ok 1, a avoid"),
        (
            vec![suspect.clone(), well("b")],
            "b: fallback | b ok 1, a suspect",
        ),
        (
            vec![suspect.clone(), down("b")],
            "a: preferred | a suspect 1, b avoid",
        ),
        (
            vec![suspect, ramp("b", 0.25)],
            "a: preferred | a suspect 0.75, b ramp 0.25",
        ),
        (
            vec![degraded.clone(), well("b")],
            "b: fallback | b ok 0.5, a impaired 0.5",
        ),
        (vec![degraded, down("b")], "a: preferred | a impaired 1, b avoid"),
        (
            vec![ramp("a", 0.05), well("b")],
            "b: fallback | b ok 0.95, a ramp 0.05",
        ),
        (
            vec![ramp("a", 0.5), ramp("b", 0.5)],
            "a: preferred | a ramp 0.6667, b ramp 0.3333",
        ),
        (vec![unknown("a"), well("b")], "b: fallback | b ok 1, a unknown"),
        (
            vec![unknown("a"), down("b")],
            "a: preferred | a unknown 1, b avoid",
        ),
        (
            vec![throttled, unknown("b")],
            "b: fallback | b unknown 1, a throttle",
        ),
        (vec![down("a"), down("b")], "nobody: exhausted | a avoid, b avoid"),
    ];
    for (targets, expected) in rows {
        let names: Vec<String> = targets
            .iter()
            .map(|t| format!("{} {}", t.provider, t.routing.hint.as_str()))
            .collect();
        assert_eq!(line(&decided(&rule(&["a", "b"]), targets)), expected, "{names:?}");
    }
}

#[test]
fn least_bad_takes_who_fails_least_and_changes_only_where_that_is_no_accident() {
    let mut rule = rule(&["a", "b", "c"]);
    rule.on_exhausted = OnExhausted::LeastBad;
    let all = vec![
        failing(down("a"), 0.8, 0.99),
        failing(down("b"), 0.3, 0.5),
        target("c", State::Operational, Hint::Blocked, None),
    ];
    // A refused key fails every request: but it is endturn's, and the one thing that says nothing against the target.
    assert_eq!(
        line(&decided(&rule, all)),
        "c: least_bad | c blocked 1, b avoid, a avoid"
    );
    let overlapping = vec![
        failing(down("a"), 0.4, 0.7),
        failing(down("b"), 0.3, 0.5),
        failing(down("c"), 0.3, 0.6),
    ];
    assert_eq!(
        line(&decided(&rule, overlapping)),
        "a: least_bad | a avoid 1, b avoid, c avoid"
    );
}

#[test]
fn nothing_is_known_without_a_network() {
    let mut feed = feed(vec![down("a"), well("b")]);
    feed.head.network = Network::Offline;
    let (route, _) = decide(&rule(&["a", "b"]), &feed, &Memory::default());
    assert_eq!(line(&route), "a: nothing_known | a unknown 1, b unknown");
}

#[test]
fn what_a_route_asks_for_is_asked_of_every_state() {
    let mut rule = rule(&["a", "b", "c"]);
    rule.targets[0].fitness = Fitness::Lacks("tools".to_owned());
    rule.targets[1].fitness = Fitness::TooExpensive;
    rule.on_exhausted = OnExhausted::LeastBad;
    let route = decided(&rule, vec![well("a"), well("b"), down("c")]);
    assert_eq!(
        line(&route),
        "c: least_bad | c avoid 1, a missing_tag, b too_expensive"
    );
}

#[test]
fn somebody_elses_key_is_not_ours() {
    let mut rule = rule(&["a", "b"]);
    let targets = |state| vec![target("a", state, Hint::Throttle, None), well("b")];
    assert_eq!(
        line(&decided(&rule, targets(State::Operational))),
        "b: preferred | b ok 1, a throttle".replace("preferred", "fallback")
    );
    rule.same_key = false;
    for (state, expected) in [
        (State::Operational, "a: preferred | a ok 1, b ok"),
        (State::Degraded, "b: fallback | b ok 0.5, a impaired 0.5"),
        (State::Down, "b: fallback | b ok 1, a avoid"),
        (State::Unknown, "b: fallback | b ok 1, a unknown"),
    ] {
        assert_eq!(line(&decided(&rule, targets(state))), expected, "{state}");
    }
}

#[test]
fn too_slow_is_told_by_enough_first_tokens_and_forgiven_late() {
    let mut rule = rule(&["a", "b"]);
    rule.max_ttft = Some(Duration::from_secs(4));
    let mut memory = Memory::default();
    let mut ask = |p50, p95, n| {
        let (route, next) = decide(
            &rule,
            &feed(vec![ttft(well("a"), p50, p95, n), well("b")]),
            &memory,
        );
        memory = next;
        line(&route)
    };
    let (first, second) = ("a: preferred | a ok 1, b ok", "b: fallback | b ok 1, a too_slow");
    for (p50, p95, n, expected) in [
        (4_001.0, 9_000.0, MIN_SLOW - 1, first),
        (3_999.0, 9_000.0, MIN_SLOW, first),
        (4_001.0, 9_000.0, MIN_SLOW, second),
        (3_300.0, 9_000.0, MIN_SLOW, second),
        (3_100.0, 9_000.0, MIN_SLOW, first),
        (1_000.0, 4_001.0, MIN_TAIL, second),
        (1_000.0, 4_001.0, MIN_TAIL - 1, first),
        (1_000.0, 4_000.0, MIN_TAIL, first),
    ] {
        assert_eq!(ask(p50, p95, n), expected, "{p50} {p95} {n}");
    }
}

#[test]
fn cost_orders_those_that_are_equally_well() {
    let mut rule = rule(&["a", "b", "c"]);
    rule.prefer = Prefer::Cost;
    for (target, usd) in rule.targets.iter_mut().zip([3.0, 1.0, 2.0]) {
        target.price = Some(Price {
            input_usd_per_mtok: usd,
            output_usd_per_mtok: 5.0 * usd,
            usd_per_request: 0.0,
        });
    }
    let all = |b| vec![well("a"), b, well("c")];
    assert_eq!(
        line(&decided(&rule, all(well("b")))),
        "b: preferred | b ok 1, c ok, a ok"
    );
    assert_eq!(
        line(&decided(&rule, all(down("b")))),
        "c: fallback | c ok 1, a ok, b avoid"
    );
}

/// Percentiles of `n` first tokens around `median` milliseconds.
fn drawn(random: &mut rand_chacha::ChaCha8Rng, median: f64, n: u64) -> (f64, f64) {
    let spread = LogNormal::new(median.ln(), 0.45).unwrap();
    let mut seen: Vec<f64> = (0..n).map(|_| spread.sample(random)).collect();
    seen.sort_by(f64::total_cmp);
    (seen[seen.len() / 2], seen[seen.len() * 95 / 100])
}

/// How often the first choice changes in a day of 5-minute windows of 30 first tokens each.
fn changes(rule: &Rule, medians: [f64; 2]) -> (usize, Memory) {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut memory = Memory::default();
    let mut served = Vec::new();
    for _ in 0..288 {
        let targets = ["a", "b"].iter().zip(medians);
        let targets = targets.map(|(name, median)| {
            let (p50, p95) = drawn(&mut random, median, 30);
            ttft(well(name), p50, p95, 30)
        });
        let (route, next) = decide(rule, &feed(targets.collect()), &memory);
        memory = next;
        served.push(route.target.unwrap());
    }
    (
        served.windows(2).filter(|pair| pair[0] != pair[1]).count(),
        memory,
    )
}

#[test]
fn equals_keep_their_places_and_a_clearly_faster_one_comes_first() {
    let mut rule = rule(&["a", "b"]);
    rule.prefer = Prefer::Latency;
    let (flips, _) = changes(&rule, [600.0, 600.0]);
    assert!(flips <= 1, "{flips} changes between two equals in a day");
    let (flips, memory) = changes(&rule, [900.0, 400.0]);
    assert!(flips <= 1, "{flips}");
    // A moment's fall of the faster one gives the place back to it afterwards.
    let slower = || ttft(well("a"), 900.0, 1_900.0, 30);
    let (fallen, memory) = decide(&rule, &feed(vec![slower(), down("b")]), &memory);
    assert_eq!(line(&fallen), "a: fallback | a ok 1, b avoid");
    let same = ttft(well("b"), 900.0, 1_900.0, 30);
    let (back, _) = decide(&rule, &feed(vec![slower(), same]), &memory);
    assert_eq!(line(&back), "b: preferred | b ok 1, a ok");
}

#[test]
fn a_target_that_comes_back_takes_over_by_degrees() {
    let share = |weight| {
        let route = decided(&rule(&["a", "b"]), vec![ramp("a", weight), well("b")]);
        let all: Vec<f64> = route.candidates.iter().map(|candidate| candidate.share).collect();
        (route.target.unwrap(), all)
    };
    for weight in [0.05, 0.25, 0.5] {
        assert_eq!(share(weight), (id("b"), vec![1.0 - weight, weight]));
    }
    assert_eq!(
        line(&decided(&rule(&["a", "b"]), vec![well("a"), well("b")])),
        "a: preferred | a ok 1, b ok"
    );
}

prop_compose! {
    fn any_target(name: &'static str)(
        kind in 0..9_u8,
        weight in 0.0..=1.0_f64,
        p50 in 50.0..8_000.0_f64,
        n in 0..60_u64,
        low in 0.0..0.5_f64,
    ) -> TargetHealth {
        let health = match kind {
            0 | 1 => well(name),
            2 => target(name, State::Operational, Hint::Suspect, Some(1.0)),
            3 => target(name, State::Degraded, Hint::Allow, Some(weight)),
            4 => ramp(name, weight),
            5 => unknown(name),
            6 => target(name, State::Operational, Hint::Throttle, None),
            7 => target(name, State::Unknown, Hint::Blocked, None),
            _ => down(name),
        };
        failing(ttft(health, p50, 2.0 * p50, n), low, low + 0.3)
    }
}

prop_compose! {
    fn any_rule()(
        prefer in 0..3_u8,
        least_bad: bool,
        max_ttft in proptest::option::of(100..8_000_u64),
        same_key: bool,
        unfit in proptest::collection::vec(0..4_u8, 3),
    ) -> Rule {
        let mut rule = rule(&["a", "b", "c", "d"]);
        rule.prefer = [Prefer::Order, Prefer::Latency, Prefer::Cost][usize::from(prefer)];
        rule.on_exhausted = if least_bad { OnExhausted::LeastBad } else { OnExhausted::FailClosed };
        rule.max_ttft = max_ttft.map(Duration::from_millis);
        rule.same_key = same_key;
        // As the configuration has it, one at least is fit.
        for (target, kind) in rule.targets.iter_mut().zip(unfit) {
            target.fitness = match kind {
                0 => Fitness::TooExpensive,
                1 => Fitness::Lacks("tools".to_owned()),
                _ => Fitness::Fit,
            };
        }
        rule
    }
}

fn any_feed() -> impl Strategy<Value = Health> {
    (
        any_target("a"),
        any_target("b"),
        any_target("c"),
        any_target("d"),
        any::<bool>(),
    )
        .prop_map(|(a, b, c, d, offline)| {
            let mut feed = feed(vec![a, b, c, d]);
            if offline && feed.targets[0].ttft_ms.n < 10 {
                feed.head.network = Network::Offline;
            }
            feed
        })
}

proptest! {
    #[test]
    fn an_avoided_target_never_serves_while_an_eligible_one_exists(rule in any_rule(), feed in any_feed()) {
        let (route, _) = decide(&rule, &feed, &Memory::default());
        let eligible = route.candidates.iter().filter(|candidate| candidate.eligible).count();
        prop_assert_eq!(route.candidates.len(), rule.targets.len());
        prop_assert!(route.candidates.iter().take(eligible).all(|candidate| candidate.eligible), "eligible ones come first");
        match (route.decision, &route.target) {
            (Decision::Use, Some(target)) => {
                let serving = &route.candidates[0];
                prop_assert_eq!(&serving.target, target);
                prop_assert!(serving.eligible == (eligible > 0));
                prop_assert!(eligible == 0 || feed.head.network == Network::Offline || serving.hint != Hint::Avoid);
                prop_assert!(eligible > 0 || rule.on_exhausted == OnExhausted::LeastBad);
                let fit = rule.targets.iter().any(|fit| fit.id == *target && fit.fitness == Fitness::Fit);
                prop_assert!(fit, "who is unfit never serves");
            }
            (decision, target) => {
                prop_assert_eq!((decision, target), (Decision::FailClosed, &None));
                prop_assert_eq!((eligible, rule.on_exhausted), (0, OnExhausted::FailClosed));
            }
        }
    }

    #[test]
    fn shares_sum_to_one_and_only_who_may_serve_has_one(rule in any_rule(), feed in any_feed()) {
        let (route, _) = decide(&rule, &feed, &Memory::default());
        let sum: f64 = route.candidates.iter().map(|candidate| candidate.share).sum();
        let expected = if route.decision == Decision::Use { 1.0 } else { 0.0 };
        prop_assert!((sum - expected).abs() < 1e-9, "{}", sum);
        for candidate in &route.candidates {
            prop_assert!((0.0..=1.0).contains(&candidate.share));
            let may = candidate.eligible || Some(&candidate.target) == route.target.as_ref();
            prop_assert!(may || candidate.share == 0.0);
        }
    }

    #[test]
    fn the_same_feed_gives_the_same_answer_in_whatever_order_it_comes(
        rule in any_rule(), first in any_feed(), feed in any_feed(), seed: u64,
    ) {
        let (_, memory) = decide(&rule, &first, &Memory::default());
        let (once, after) = decide(&rule, &feed, &memory);
        let mut shuffled = feed.clone();
        let at = rand_chacha::ChaCha8Rng::seed_from_u64(seed).random_range(0..shuffled.targets.len());
        shuffled.targets.rotate_left(at);
        prop_assert_eq!(&decide(&rule, &shuffled, &memory), &(once.clone(), after.clone()));
        // And nothing wanders while nothing changes.
        prop_assert_eq!(decide(&rule, &feed, &after), (once, after));
    }
}
