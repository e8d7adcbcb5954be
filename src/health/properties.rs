//! Properties of the pure parts, over random evidence.

use proptest::prelude::*;

use super::{
    Machine, State,
    histogram::{BlobError, Histogram, MAX_MS, MIN_MS, index_of},
    kernel::{Detectors, Input, P0_MAX, P0_MIN, Params, Tuning},
};

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let one = (
        -400_i64..3_000,
        prop::option::weighted(0.9, any::<bool>()),
        prop::option::of(any::<bool>()),
        prop_oneof![Just(1.0), Just(0.5), Just(f64::NAN), Just(-3.0), Just(1e9)],
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    prop::collection::vec(one, 1..300).prop_map(|rows| {
        let mut t_ms = 1_000_000;
        let rows = rows
            .into_iter()
            .map(|(step, bad, slow, weight, confirm, may_convict)| {
                t_ms += step;
                Input {
                    t_ms,
                    bad,
                    slow,
                    weight,
                    confirm,
                    may_convict,
                }
            });
        rows.collect()
    })
}

proptest! {
    #[test]
    fn sums_stay_between_zero_and_cap(inputs in inputs(), p0 in 0.0..0.2_f64) {
        let mut machine = Machine::new(Detectors::All);
        machine.tune(Tuning::for_base_rate(p0));
        for input in &inputs {
            machine.observe(input);
            prop_assert!(machine.is_sane(), "{machine:?}");
            prop_assert!((0.0..=1.0).contains(&machine.fraction()));
        }
    }

    #[test]
    fn an_earlier_time_counts_as_the_last(inputs in inputs()) {
        let (mut as_given, mut clamped) = (Machine::new(Detectors::All), Machine::new(Detectors::All));
        let mut last = i64::MIN;
        for input in &inputs {
            last = last.max(input.t_ms);
            as_given.observe(input);
            clamped.observe(&Input { t_ms: last, ..*input });
            prop_assert_eq!(&as_given, &clamped);
        }
    }

    #[test]
    fn corroborating_evidence_convicts_nobody(inputs in inputs()) {
        let mut machine = Machine::new(Detectors::All);
        for input in &inputs {
            machine.observe(&Input { may_convict: false, ..*input });
            prop_assert_eq!(machine.state(), State::Operational);
        }
    }

    #[test]
    fn a_kept_machine_goes_on_as_if_never_stopped(inputs in inputs(), stop in 0_usize..300) {
        let mut machine = Machine::new(Detectors::All);
        let stop = stop.min(inputs.len());
        for input in &inputs[..stop] {
            machine.observe(input);
        }
        let text = serde_json::to_string(&machine).unwrap();
        let mut again: Machine = serde_json::from_str(&text).unwrap();
        for input in &inputs[stop..] {
            machine.observe(input);
            again.observe(input);
            prop_assert_eq!(machine.state(), again.state());
            prop_assert!((machine.kernel().h().s() - again.kernel().h().s()).abs() < 1e-9);
        }
    }

    #[test]
    fn histograms_merge_in_any_order_and_survive_their_blob(
        values in prop::collection::vec(0.0001..1e8_f64, 0..200),
        cut in 0_usize..200,
    ) {
        let cut = cut.min(values.len());
        let of = |values: &[f64]| {
            let mut histogram = Histogram::new();
            values.iter().for_each(|v| histogram.record(*v));
            histogram
        };
        let (whole, left, right) = (of(&values), of(&values[..cut]), of(&values[cut..]));
        let (mut ab, mut ba) = (left.clone(), right.clone());
        ab.merge(&right);
        ba.merge(&left);
        prop_assert_eq!(&ab, &whole);
        prop_assert_eq!(&ba, &whole);
        ab.unmerge(&right);
        prop_assert_eq!(&ab, &left);
        let blob = whole.to_blob();
        prop_assert_eq!(Histogram::from_blob(&blob), Ok(whole));
        for end in 0..blob.len() {
            prop_assert!(Histogram::from_blob(&blob[..end]).is_err());
        }
    }

    #[test]
    fn foreign_blobs_never_panic(blob in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(histogram) = Histogram::from_blob(&blob) {
            prop_assert_eq!(Histogram::from_blob(&histogram.to_blob()), Ok(histogram));
        }
    }

    #[test]
    fn an_estimate_is_within_109_hundredths_of_a_percent(ms in MIN_MS..MAX_MS) {
        let estimate = super::histogram::estimate(index_of(ms).unwrap());
        prop_assert!((estimate / ms - 1.0).abs() <= 0.0109);
    }
}

#[test]
fn what_is_no_duration_has_no_bucket() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(index_of(bad), None, "{bad}");
    }
    assert_eq!(index_of(1e-9), index_of(MIN_MS));
    assert_eq!(index_of(1e12), index_of(MAX_MS));
    assert_eq!(Histogram::from_blob(&[2, 0]), Err(BlobError::Version(2)));
}

#[test]
fn rates_that_do_not_differ_are_refused() {
    for (p0, p1) in [
        (0.0, 0.5),
        (0.5, 0.5),
        (0.6, 0.5),
        (0.1, 1.0),
        (f64::NAN, 0.5),
        (0.1, f64::NAN),
    ] {
        assert!(Params::new(p0, p1, 16.0, 5.0, 1.0).is_err(), "{p0} {p1}");
    }
    for rate in [0.0, P0_MIN, 0.02, 0.0201, P0_MAX, 1.0, f64::NAN] {
        let tuning = Tuning::for_base_rate(rate);
        assert!(tuning.e.bad_step() > 0.0 && tuning.h.good_step() < 0.0, "{rate}");
    }
}

#[test]
fn the_constants_are_those_of_the_specification() {
    let tuning = Tuning::for_base_rate(0.01);
    for (got, wanted) in [
        (tuning.h.bad_step(), 3.912_023),
        (tuning.h.good_step(), -0.683_097),
        (tuning.e.bad_step(), 1.791_759),
        (tuning.e.good_step(), -0.051_825),
        (tuning.l.bad_step(), 2.302_585),
        (tuning.l.good_step(), -0.641_854),
    ] {
        assert!((got - wanted).abs() < 1e-6, "{got} {wanted}");
    }
}
