//! A seeded past for the charts.

use super::*;

/// A seeded past of three sources: an outage near the end, a slow stretch before, and a gap.
pub(super) fn history(range: Range) -> History {
    let steps = range.steps();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let sources = [
        (Source::Reach, 12),
        (Source::Canary, 6),
        (Source::Long, 1),
        (Source::Report, 20),
    ];
    let mut series: Vec<(Source, Series)> = Vec::new();
    for (source, per_step) in sources {
        let mut points = Vec::new();
        for step in 0..steps {
            let mut sum = Rollup::default();
            let place = f64::from(step) / f64::from(steps);
            let slow = if (0.45..0.6).contains(&place) { 2.2 } else { 1.0 };
            let gap = (0.25..0.29).contains(&place);
            for _ in 0..if gap { 0 } else { per_step } {
                let at = range.from(NOW).plus(range.step() * step);
                let fails = source != Source::Reach && (0.8..0.86).contains(&place) && draw() < 0.6;
                let verdict = match draw() {
                    x if fails && x < 0.6 => Verdict::Truncated(Truncation::Cut),
                    _ if fails => Verdict::Errored(Failure {
                        class: ErrorClass::Overloaded,
                        at: FailedAt::Status(529),
                    }),
                    x if x < 0.004 => Verdict::Refused,
                    x if x > 0.997 => Verdict::Errored(Failure {
                        class: ErrorClass::Timeout,
                        at: FailedAt::Transport,
                    }),
                    _ => Verdict::Complete,
                };
                let mut seen = observation(at, verdict);
                seen.source = source;
                let bell = draw() + draw() + draw() - 1.5;
                let first = 380.0 * slow * (bell * 0.7_f64).exp();
                let ms = |ms: f64| Some(Duration::from_secs_f64(ms / 1e3));
                seen.phases.first_token = ms(first);
                seen.phases.last_token = ms(first + 30.0 * 14.0 * slow);
                seen.phases.terminal = ms(first + 31.0 * 14.0 * slow);
                seen.phases.gap_max = ms(60.0 + 80.0 * draw());
                seen.usage.output = Some(31);
                seen.cost_usd = 0.0002;
                sum.add(&seen);
            }
            points.push(sum);
        }
        let (from, step) = (range.from(NOW), range.step());
        series.push((source, Series { from, step, points }));
    }
    let span = range.step() * steps;
    History {
        range,
        series,
        incidents: vec![Incident {
            started: range.from(NOW).plus(span.mul_f64(0.8)),
            recovered: Some(range.from(NOW).plus(span.mul_f64(0.86))),
            ..incident()
        }],
    }
}
