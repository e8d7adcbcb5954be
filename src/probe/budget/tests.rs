use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::probe::fixture::config;

/// 2026-06-20T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_millis(1_781_913_600_000);
const NOON: Timestamp = Timestamp::from_millis(1_781_913_600_000 + 43_200_000);

fn target(text: &str) -> TargetId {
    text.parse().unwrap()
}

/// A budget of that many dollars a day for all and for provider `p`.
fn budget(all: Option<f64>, provider: Option<f64>) -> Budget {
    let mut config = config(2, Duration::from_secs(60));
    config.usd_per_day = all;
    config.providers[0].usd_per_day = provider;
    Budget::new(&config, NOON)
}

/// How many probes of a cent are granted and settled in full.
fn cents(budget: &mut Budget, purpose: Purpose, now: Timestamp) -> usize {
    let m = target("p/m0");
    (0..10_000)
        .take_while(|_| match budget.reserve(&m, purpose, 0.01, now) {
            Ok(grant) => {
                budget.settle(grant, 0.01, now);
                true
            }
            Err(_) => false,
        })
        .count()
}

#[test]
fn a_fifth_is_kept_for_confirming_and_recovery() {
    for (all, provider) in [
        (Some(1.0), None),
        (None, Some(1.0)),
        (Some(1.0), Some(5.0)),
        (Some(5.0), Some(1.0)),
    ] {
        let mut budget = budget(all, provider);
        assert_eq!(cents(&mut budget, Purpose::Scheduled, NOON), 80);
        assert_eq!(cents(&mut budget, Purpose::Manual, NOON), 0);
        assert_eq!(cents(&mut budget, Purpose::Confirm, NOON), 20);
        assert_eq!(cents(&mut budget, Purpose::Recovery, NOON), 0);
    }
    // What confirming took, the timetable can't have.
    let mut budget = budget(Some(1.0), None);
    assert_eq!(cents(&mut budget, Purpose::Recovery, NOON), 100);
    assert_eq!(cents(&mut budget, Purpose::Scheduled, NOON), 0);
}

#[test]
fn spent_says_whose_limit_and_until_when() {
    let mut budget = budget(Some(10.0), Some(0.005));
    let spent = budget
        .reserve(&target("p/m0"), Purpose::Confirm, 0.01, NOON)
        .unwrap_err();
    assert_eq!(spent.until, MIDNIGHT.plus(Duration::from_secs(86_400)));
    assert_eq!(spent.to_string(), "the budget of p is spent for today");
    let spent = budget
        .reserve(&target("q/m"), Purpose::Confirm, 10.01, NOON)
        .unwrap_err();
    assert_eq!(
        spent.to_string(),
        "the budget of all providers is spent for today"
    );
}

#[test]
fn free_probes_are_never_blocked_and_no_number_is_never_granted() {
    let mut budget = budget(Some(0.01), Some(0.01));
    assert_eq!(cents(&mut budget, Purpose::Recovery, NOON), 1);
    let grant = budget
        .reserve(&target("p/m1"), Purpose::Scheduled, 0.0, NOON)
        .unwrap();
    budget.settle(grant, 0.0, NOON);
    for usd in [f64::NAN, f64::INFINITY] {
        assert!(
            budget
                .reserve(&target("q/m"), Purpose::Recovery, usd, NOON)
                .is_err()
        );
    }
}

#[test]
fn midnight_in_utc_opens_the_accounts_again() {
    let mut budget = budget(Some(0.10), None);
    let last = MIDNIGHT.plus(Duration::from_millis(86_399_999));
    let next = MIDNIGHT.plus(Duration::from_millis(86_400_000));
    let m = target("p/m0");
    let over_night = budget.reserve(&m, Purpose::Recovery, 0.01, last).unwrap();
    assert_eq!(cents(&mut budget, Purpose::Recovery, last), 9);
    assert_eq!(cents(&mut budget, Purpose::Recovery, next), 10);
    // Yesterday's probe is yesterday's money.
    budget.settle(over_night, 0.01, next);
    assert!((budget.spent_today(&m, next) - 0.10).abs() < 1e-9);
    // A clock that steps back doesn't open yesterday again.
    assert_eq!(cents(&mut budget, Purpose::Recovery, last), 0);
}

#[test]
fn a_restart_and_a_reload_forget_nothing() {
    let m = target("p/m0");
    let mut restored = budget(Some(0.10), None);
    restored.restore(&[(m.clone(), 0.03), (target("q/gone"), 0.02)], MIDNIGHT, NOON);
    restored.restore(
        &[(m.clone(), 9.0)],
        MIDNIGHT.minus(Duration::from_millis(1)),
        NOON,
    );
    assert!((restored.spent_today(&m, NOON) - 0.03).abs() < 1e-9);
    assert_eq!(cents(&mut restored, Purpose::Scheduled, NOON), 3);
    let mut config = config(2, Duration::from_secs(60));
    config.usd_per_day = Some(0.20);
    restored.reconfigure(&config);
    assert_eq!(cents(&mut restored, Purpose::Recovery, NOON), 12);
}

#[test]
fn the_worst_case_is_every_token() {
    let config = config(1, Duration::from_secs(60));
    let model = &config.providers[0].models[0];
    // 500 tokens in at $1, 200 tokens out at $5 per million.
    assert!((worst_case(model, CanaryKind::Short) - 0.0015).abs() < 1e-12);
}

proptest! {
    /// Whatever is asked and settled in whatever order, no day costs more than its limits.
    #[test]
    fn no_day_costs_more_than_its_limit(
        all in 0.01f64..2.0,
        provider in 0.01f64..2.0,
        steps in prop::collection::vec((0usize..4, 0.0f64..0.2, 0.0f64..1.0, 0u64..40_000, any::<bool>()), 1..200),
    ) {
        let mut budget = budget(Some(all), Some(provider));
        let mut now = NOON;
        let (mut day, mut spent, mut ordinary) = (day_of(now), 0.0, 0.0);
        let mut open: Vec<(Grant, f64)> = Vec::new();
        for (kind, at_most, share, wait_s, settle) in steps {
            now = now.plus(Duration::from_secs(wait_s / 10));
            if day_of(now) != day {
                (day, spent, ordinary) = (day_of(now), 0.0, 0.0);
                open.clear();
            }
            let purpose = [Purpose::Scheduled, Purpose::Confirm, Purpose::Recovery, Purpose::Manual][kind];
            if let Ok(grant) = budget.reserve(&target("p/m0"), purpose, at_most, now) {
                let cost = at_most * share;
                spent += cost;
                ordinary += if grant.reserve { 0.0 } else { cost };
                if settle { budget.settle(grant, cost, now) } else { open.push((grant, cost)) }
            }
            if let Some((grant, cost)) = open.pop().filter(|_| wait_s % 2 == 0) {
                budget.settle(grant, cost, now);
            }
            let limit = all.min(provider);
            prop_assert!(spent <= limit + 1e-6, "spent {spent} of {limit}");
            prop_assert!(ordinary <= limit * (1.0 - RESERVE) + 1e-6, "{ordinary} of {limit} for the timetable");
            prop_assert!(budget.spent_today(&target("p/m0"), now) <= limit + 1e-6);
        }
    }
}
