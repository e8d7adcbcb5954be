//! Axes: from figures to heights, with few and round ticks.

/// Largest figure that an axis is made for; what lies above is drawn at the top.
const MAX_VALUE: f64 = 1e12;
/// From this ratio of largest to smallest on, a linear axis would press the small ones into its ground.
pub(super) const LOG_FROM: f64 = 30.0;
/// Most ticks of an axis.
pub(super) const MAX_TICKS: usize = 5;
/// Steps of an axis, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// One axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From zero to `top` in steps of `step`.
    Linear {
        /// The top end.
        top: f64,
        /// Between two ticks.
        step: f64,
    },
    /// From `low` to `high`, equal ratios equally far apart.
    Log {
        /// The bottom end, above zero.
        low: f64,
        /// The top end, above `low`.
        high: f64,
    },
}

impl Scale {
    /// A linear axis from zero that holds `top`, in steps of at least `least`.
    pub(super) fn linear(top: f64, least: f64) -> Self {
        let top = if top.is_finite() {
            top.clamp(0.0, MAX_VALUE)
        } else {
            0.0
        };
        let rough = (top / 3.0).max(least).max(f64::MIN_POSITIVE);
        let power = 10_f64.powf(rough.log10().floor());
        let step = STEPS
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough * 0.999_999)
            .unwrap_or(rough);
        Self::Linear {
            top: (top / step - 1e-9).ceil().max(1.0) * step,
            step,
        }
    }

    /// The axis for lengths of time: linear from zero, logarithmic where the figures differ by more than
    /// [`LOG_FROM`]. Figures that are not above zero count for a linear axis only.
    pub(super) fn lengths(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|v| v.is_finite()) {
            high = high.max(value.min(MAX_VALUE));
            if value > 0.0 {
                low = low.min(value);
            }
        }
        if low.is_finite() && low > 1e-6 && high / low > LOG_FROM {
            Self::Log {
                low: round_down(low),
                high: round_up(high),
            }
        } else {
            Self::linear(high, 0.0)
        }
    }

    /// How high a figure stands, 0 at the ground to 1 at the top; what lies outside stands at the end.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top, .. } => value / top,
            Self::Log { low, high } if value > 0.0 => (value / low).ln() / (high / low).ln(),
            Self::Log { .. } => 0.0,
        };
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }

    /// At most [`MAX_TICKS`] round figures, ascending.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self {
            Self::Linear { top, step } => {
                let count = (top / step).round().clamp(1.0, MAX_TICKS as f64 - 1.0) as u32;
                (0..=count).map(|i| f64::from(i) * step).collect()
            }
            Self::Log { low, high } => log_ticks(*low, *high),
        }
    }
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let power = |v: f64| v.log10().floor() as i32;
    let (first, last) = (power(low * 1.000_001), power(high * 1.000_001));
    let of = |mantissas: &[f64], stride: usize| -> Vec<f64> {
        (first..=last)
            .step_by(stride)
            .flat_map(|power| mantissas.iter().map(move |m| m * 10_f64.powi(power)))
            .filter(|tick| (low * 0.999_999..=high * 1.000_001).contains(tick))
            .collect()
    };
    let plain: [(&[f64], usize); 6] = [
        (&[1.0, 2.0, 5.0], 1),
        (&[1.0, 5.0], 1),
        (&[1.0], 1),
        (&[1.0], 2),
        (&[1.0], 4),
        (&[1.0], 8),
    ];
    plain
        .into_iter()
        .map(|(mantissas, stride)| of(mantissas, stride))
        .find(|ticks| ticks.len() <= MAX_TICKS)
        .unwrap_or_default()
}

fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let whole = STEPS.into_iter().map(|m| m * power);
    whole.rev().find(|m| *m <= value * 1.000_001).unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let mut whole = STEPS.into_iter().map(|m| m * power);
    whole.find(|m| *m >= value * 0.999_999).unwrap_or(power * 10.0)
}

/// A tick of an axis of milliseconds, all in the unit of its top: `0.5 s` beside `2 s`, never `500 ms`. A logarithmic
/// axis spans several units and names each tick in its own.
pub(super) fn length_label(ms: f64, scale: &Scale) -> String {
    let unit_of = match scale {
        Scale::Linear { top, .. } => *top,
        Scale::Log { .. } => ms,
    };
    if ms == 0.0 {
        "0".to_owned()
    } else if unit_of >= 999.5 {
        format!("{}\u{a0}s", plain(ms / 1_000.0))
    } else {
        format!("{}\u{a0}ms", plain(ms))
    }
}

/// A round figure without needless digits: `0.25`, `2`, `12k`.
pub(super) fn plain(value: f64) -> String {
    if value >= 9_999.5 {
        return match value {
            v if v >= 1e9 => format!("{:.0}G", v / 1e9),
            v if v >= 1e6 => format!("{:.0}M", v / 1e6),
            v => format!("{:.0}k", v / 1e3),
        };
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn linear_axes_are_round_and_few() {
        for (top, least, ticks) in [
            (0.0, 0.0, vec![0.0, 0.0]),
            (1.0, 1.0, vec![0.0, 1.0]),
            (30.0, 1.0, vec![0.0, 10.0, 20.0, 30.0]),
            (31.0, 1.0, vec![0.0, 20.0, 40.0]),
            (903.0, 0.0, vec![0.0, 500.0, 1000.0]),
            (1_530.0, 0.0, vec![0.0, 1000.0, 2000.0]),
            (5.0, 0.0, vec![0.0, 2.0, 4.0, 6.0]),
            (f64::NAN, 1.0, vec![0.0, 1.0]),
        ] {
            let found = Scale::linear(top, least).ticks();
            if top == 0.0 {
                assert_eq!(found.len(), ticks.len());
            } else {
                assert_eq!(found, ticks, "{top}");
            }
        }
    }

    #[test]
    fn wide_spans_get_a_logarithmic_axis() {
        let near = Scale::lengths([100.0, 2_900.0].into_iter());
        assert!(matches!(near, Scale::Linear { .. }));
        let far = Scale::lengths([100.0, 3_100.0].into_iter());
        assert_eq!(
            far,
            Scale::Log {
                low: 100.0,
                high: 5_000.0
            }
        );
        assert_eq!(far.ticks(), [100.0, 500.0, 1_000.0, 5_000.0]);
        assert_eq!(
            (far.share(0.0), far.share(100.0), far.share(5_000.0)),
            (0.0, 0.0, 1.0)
        );
    }

    #[test]
    fn labels_have_one_unit() {
        let top = |top| Scale::linear(top, 0.0);
        for (ms, scale, text) in [
            (0.0, top(2_000.0), "0"),
            (500.0, top(2_000.0), "0.5\u{a0}s"),
            (500.0, top(500.0), "500\u{a0}ms"),
            (2.5, top(10.0), "2.5\u{a0}ms"),
            (500.0, Scale::lengths([1.0, 60_000.0].into_iter()), "500\u{a0}ms"),
            (60_000.0, Scale::lengths([1.0, 60_000.0].into_iter()), "60\u{a0}s"),
        ] {
            assert_eq!(length_label(ms, &scale), text);
        }
        assert_eq!(plain(12_000.0), "12k");
    }

    proptest! {
        #[test]
        fn any_figures_have_an_axis_that_holds_them(values in prop::collection::vec(any::<f64>(), 0..20)) {
            let scale = Scale::lengths(values.iter().copied());
            let ticks = scale.ticks();
            prop_assert!(ticks.len() <= MAX_TICKS && ticks.is_sorted());
            let (Scale::Linear { top, .. } | Scale::Log { high: top, .. }) = scale;
            prop_assert!(top.is_finite() && top > 0.0);
            for value in values.iter().chain(&ticks) {
                let share = scale.share(*value);
                prop_assert!((0.0..=1.0).contains(&share), "{value} at {share}");
            }
            for value in values.iter().filter(|v| v.is_finite() && **v <= MAX_VALUE) {
                prop_assert!(*value <= top * 1.000_01, "{value} above {top}");
            }
        }

        #[test]
        fn ordinary_figures_have_at_least_two_ticks(low in 0.1_f64..1e5, ratio in 1.0_f64..1e5) {
            prop_assert!(Scale::lengths([low, low * ratio].into_iter()).ticks().len() >= 2);
        }
    }
}
