//! Reliability over counts: tables, then properties.

use proptest::prelude::*;

use super::*;

/// Trials of one hour each.
fn hours(counts: &[(u64, u64)]) -> Vec<Trials> {
    counts
        .iter()
        .enumerate()
        .map(|(hour, &(failed, attempts))| Trials {
            at_ms: HOUR_MS * i64::try_from(hour).unwrap(),
            attempts,
            failed,
        })
        .collect()
}

fn one(seen: &[Trials], times: u32) -> Reliability {
    reliability(&[(seen, times)], None, true)
}

#[test]
fn too_few_trials_say_so() {
    for (n, enough) in [(0, false), (MIN_TRIALS - 1, false), (MIN_TRIALS, true)] {
        let seen = hours(&[(0, n)]);
        assert_eq!(one(&seen, 1).whole.is_some(), enough, "{n} trials");
        let plenty = hours(&[(0, 1000)]);
        let pair = reliability(&[(&plenty, 1), (&seen, 1)], None, true);
        assert_eq!(pair.whole.is_some(), enough, "{n} trials in the second step");
        let fallback = reliability(&[(&plenty, 1)], Some(&seen), true);
        assert_eq!(fallback.whole.is_some(), enough, "{n} trials of the fallback");
    }
    assert_eq!(reliability(&[], None, true).whole, None);
}

#[test]
fn stretches_of_an_hour_count_together() {
    let minutes: Vec<Trials> = (0..120)
        .map(|minute| Trials {
            at_ms: minute * 60_000,
            attempts: 10,
            failed: u64::from(minute < 60),
        })
        .collect();
    let whole = one(&minutes, 1);
    assert_eq!(whole, one(&hours(&[(60, 600), (0, 600)]), 1));
    assert_eq!(whole.steps[0].step.share.n, 1200);
    assert!(whole.steps[0].step.share.deff > 1.0);
    let short = reliability(&[(&minutes, 1)], None, false);
    assert!((short.steps[0].step.share.deff - 1.0).abs() < 1e-12);
}

#[test]
fn an_outage_widens_the_interval_more_than_scattered_failures() {
    let scattered = one(&hours(&[(2, 60); 24]), 6).whole.unwrap();
    let mut clustered = [(0, 60); 24];
    clustered[5] = (48, 60);
    let clustered = one(&hours(&clustered), 6).whole.unwrap();
    assert!((scattered.point - clustered.point).abs() < 1e-12);
    assert!(clustered.low < scattered.low && clustered.high > scattered.high);
}

#[test]
fn shared_failures_are_estimated_and_never_nothing() {
    let well = hours(&[(0, 100); 40]);
    let ill = hours(&[(50, 100); 40]);
    let mut half = [(0, 100); 40];
    half.iter_mut().take(20).for_each(|hour| *hour = (100, 100));
    let half = hours(&half);
    for (name, step, fallback, low, high) in [
        // Never failed: the default.
        ("no failures", &well, &well, 0.1, 0.1),
        // Forty hours of failures, and the other stood: well below the default, and still not nothing.
        ("apart", &ill, &well, 0.019, 0.021),
        // Down in the very same hours.
        ("together", &half, &half, 0.69, 0.71),
    ] {
        let shared = Shared::estimate(step, fallback);
        assert!(
            shared.value > 0.0 && (low..=high).contains(&shared.value),
            "{name}: {shared:?}"
        );
    }
    // One outage is one event: it moves the default little, however many requests met it.
    let mut one = [(0, 10_000); 40];
    one[3] = (10_000, 10_000);
    let shared = Shared::estimate(&hours(&one), &well);
    assert_eq!(shared.hours, 1);
    assert!((0.09..0.1).contains(&shared.value), "{shared:?}");
    // Nothing of the fallback was seen while the step failed.
    assert_eq!(Shared::estimate(&ill, &[]), Shared::default());
}

#[test]
fn a_fallback_helps_as_far_as_it_fails_apart() {
    let step = hours(&[(10, 100); 24]);
    let other = hours(&[(0, 100); 24]);
    let alone = one(&step, 6).whole.unwrap();
    let both = reliability(&[(&step, 6)], Some(&other), true);
    let whole = both.whole.unwrap();
    assert!(whole.point > alone.point && whole.low > alone.low);
    let r = both.steps[0].shared.unwrap().value;
    let expected = (1.0 - 0.1 * r).powi(6);
    assert!((whole.point - expected).abs() < 1e-12);
}

fn counts() -> impl Strategy<Value = (u64, u64)> {
    (0_u64..=2_000).prop_flat_map(|n| (0..=n, Just(n)))
}

proptest! {
    #[test]
    fn bounds_are_ordered_and_lie_in_the_scale(
        a in prop::collection::vec(counts(), 1..30),
        b in prop::collection::vec(counts(), 1..30),
        times in 1_u32..50,
    ) {
        let (a, b) = (hours(&a), hours(&b));
        for found in [
            reliability(&[(&a, times)], None, true),
            reliability(&[(&a, times), (&b, 2)], None, true),
            reliability(&[(&a, times)], Some(&b), true),
        ] {
            for interval in found.steps.iter().filter_map(|s| s.interval).chain(found.whole) {
                prop_assert!(0.0 <= interval.low && interval.low <= interval.point, "{interval:?}");
                prop_assert!(interval.point <= interval.high && interval.high <= 1.0, "{interval:?}");
            }
            for step in &found.steps {
                prop_assert!(step.step.share.deff >= 1.0);
                prop_assert!(step.shared.is_none_or(|shared| shared.value > 0.0 && shared.value <= 1.0));
            }
        }
    }

    #[test]
    fn more_steps_never_help(count in counts(), steps in 1_u32..100) {
        let seen = hours(&[count]);
        if let (Some(fewer), Some(more)) = (one(&seen, steps).whole, one(&seen, steps + 1).whole) {
            prop_assert!(more.point <= fewer.point && more.low <= fewer.low && more.high <= fewer.high);
        }
    }

    #[test]
    fn more_trials_of_the_same_share_narrow_it(failed in 0_u64..30, factor in 2_u64..20) {
        let few = one(&hours(&[(failed, 30)]), 3).whole.unwrap();
        let many = one(&hours(&[(failed * factor, 30 * factor)]), 3).whole.unwrap();
        prop_assert!((few.point - many.point).abs() < 1e-12);
        prop_assert!(many.low >= few.low - 1e-12 && many.high <= few.high + 1e-12);
    }

    #[test]
    fn fewer_failures_never_hurt(n in 30_u64..1_000, failed in 1_u64..30, steps in 1_u32..20) {
        let worse = one(&hours(&[(failed, n)]), steps).whole.unwrap();
        let better = one(&hours(&[(failed - 1, n)]), steps).whole.unwrap();
        prop_assert!(better.point > worse.point && better.low >= worse.low && better.high >= worse.high);
    }

    #[test]
    fn a_fallback_never_hurts(a in counts(), b in counts()) {
        let (step, other) = (hours(&[a]), hours(&[b]));
        let alone = one(&step, 1).whole;
        let both = reliability(&[(&step, 1)], Some(&other), true).whole;
        if let (Some(alone), Some(both)) = (alone, both) {
            // 1 - (1 - p) is p but for its last bit.
            let least = |x: f64| x - 1e-12;
            prop_assert!(both.point >= least(alone.point) && both.low >= least(alone.low));
            prop_assert!(both.high >= least(alone.high));
        }
    }
}
