//! Counts, stacked: what came of the attempts, and who saw them.

use super::{
    figure::{Chart, Figures, LEAST, NOTE, data},
    path::{bars, down, level, tall},
    scale::{Scale, plain},
};
use crate::{
    api::page::words,
    protocol::ErrorClass,
    store::Rollup,
    verdict::{Source, Verdict},
};

/// What an attempt came to, from the ground of the stack up: what failed stands on the ground, where lengths compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Truncated,
    Answered,
    Silent,
    Other,
    Ours,
    Complete,
}

impl Layer {
    const ALL: [Self; 6] = [
        Self::Truncated,
        Self::Answered,
        Self::Silent,
        Self::Other,
        Self::Ours,
        Self::Complete,
    ];

    /// Its look and its name.
    const fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Truncated => ("b-trunc", "truncated"),
            Self::Answered => ("b-err", "errors answered"),
            Self::Silent => ("b-mute", "no answer"),
            Self::Other => ("b-other", "limited, refused, off script"),
            Self::Ours => ("b-ours", "our own key or request"),
            Self::Complete => ("b-well", "complete"),
        }
    }

    /// Where a verdict belongs, by its stored names.
    fn of(family: &str, kind: Option<&str>) -> Self {
        match family {
            "complete" => Self::Complete,
            "truncated" => Self::Truncated,
            "errored" => match kind.and_then(ErrorClass::parse) {
                Some(class) if words::is_ours(class) => Self::Ours,
                Some(
                    ErrorClass::Dns
                    | ErrorClass::Connect
                    | ErrorClass::Tls
                    | ErrorClass::Reset
                    | ErrorClass::Timeout,
                ) => Self::Silent,
                _ => Self::Answered,
            },
            _ => Self::Other,
        }
    }
}

fn layers(sum: &Rollup) -> [u64; Layer::ALL.len()] {
    let mut counts = [0; Layer::ALL.len()];
    for (family, kind, n) in sum.outcomes.iter() {
        counts[Layer::of(family, kind) as usize] += n;
    }
    counts
}

/// Stacks counts: for each layer the strokes of all steps, feet and heads in tenths from the top.
fn stack<const N: usize>(
    columns: &[[u64; N]],
    scale: &Scale,
    height: u32,
    least: [i32; N],
) -> [Vec<(usize, i32, i32)>; N] {
    let mut strokes: [Vec<(usize, i32, i32)>; N] = std::array::from_fn(|_| Vec::new());
    for (step, column) in columns.iter().enumerate() {
        let mut foot = down(0.0, height);
        for (layer, n) in column.iter().enumerate().filter(|(_, n)| **n > 0) {
            let high = down(0.0, height) - down(scale.share(*n as f64), height);
            let head = (foot - high.max(least[layer])).max(0);
            strokes[layer].push((step, foot, head));
            foot = head;
        }
    }
    strokes
}

fn axis(chart: &mut Chart, scale: &Scale, height: u32) {
    for tick in scale.ticks() {
        chart.tick(down(scale.share(tick), height), plain(tick));
    }
}

fn tallest<const N: usize>(columns: &[[u64; N]]) -> f64 {
    columns
        .iter()
        .map(|c| c.iter().fold(0_u64, |a, n| a.saturating_add(*n)))
        .max()
        .unwrap_or(0) as f64
}

/// Height of the chart of verdicts in pixels.
const TALL: u32 = 112;

/// What came of the attempts.
pub(super) fn verdicts(figures: &Figures<'_>) -> Chart {
    let mut chart = figures.chart("verdicts", "What came of the attempts", TALL);
    let columns: Vec<_> = figures.steps.replies.iter().map(layers).collect();
    let scale = Scale::linear(tallest(&columns), 1.0);
    axis(&mut chart, &scale, TALL);
    let least = [LEAST, LEAST, LEAST, LEAST, LEAST, 0];
    let strokes = stack(&columns, &scale, TALL, least);
    let total = layers(&figures.steps.total);
    for (layer, strokes) in Layer::ALL.into_iter().zip(strokes) {
        let (class, text) = layer.shown();
        if total[layer as usize] > 0 {
            chart.key(class, text);
        }
        chart.draw(class, bars(strokes.into_iter()));
    }
    "replies of every source, a step a bar".clone_into(&mut chart.note);
    chart.summary = sentence(&figures.steps.total);
    chart.fields = "complete=n|truncated=c|errors answered=c|no answer=c|other=c|our own=c";
    chart.data = data(columns.iter().map(|c| {
        let order = [5, 0, 1, 2, 3, 4].map(|layer| c[layer].to_string());
        (c.iter().sum::<u64>() > 0).then_some(order)
    }));
    chart.settle()
}

/// `4100 attempts: 4038 complete, 48 truncated (40 cut, 8 silent), 14 errors (14 overloaded).`
fn sentence(total: &Rollup) -> String {
    if total.observations() == 0 {
        return "No attempt in this time.".to_owned();
    }
    let mut families: Vec<(&str, u64, Vec<String>)> = Vec::new();
    for (family, kind, n) in total.outcomes.iter() {
        let place = families
            .iter()
            .position(|(have, _, _)| *have == family)
            .unwrap_or_else(|| {
                families.push((family, 0, Vec::new()));
                families.len() - 1
            });
        families[place].1 += n;
        families[place]
            .2
            .extend(kind.map(|kind| format!("{n} {}", words::flag(kind))));
    }
    let parts: Vec<String> = families
        .iter()
        .map(|(family, n, kinds)| match &kinds[..] {
            [] => format!("{n} {}", words::flag(family)),
            kinds => format!("{n} {} ({})", words::flag(family), kinds.join(", ")),
        })
        .collect();
    format!("{} seen: {}.", total.observations(), parts.join(", "))
}

/// One level stroke along each run of steps that hold something: the stylesheet makes it as thick as the strip and
/// dashes it by the step, so that a long run costs as little as a short one.
fn runs(steps: usize, y: i32, holds: impl Fn(usize) -> bool) -> String {
    let mut path = String::new();
    let mut first = None;
    for step in 0..=steps {
        let on = step < steps && holds(step);
        match (first, on) {
            (None, true) => first = Some(step),
            (Some(from), false) => {
                level(&mut path, (from, step - 1), y);
                first = None;
            }
            _ => {}
        }
    }
    path
}

/// Sources of replies, from the ground of the stack up, with their looks.
const SOURCES: [(Source, &str); 4] = [
    (Source::Canary, "b-canary"),
    (Source::Long, "b-long"),
    (Source::Report, "b-report"),
    (Source::Tap, "b-tap"),
];
/// Height of the stack in pixels, of the gap below it and of the strip for reach probes.
const MAIN: u32 = 72;
const GAP: u32 = 10;
const STRIP: u32 = 12;

/// Who saw the attempts, and apart from them how the free reach probes went.
pub(super) fn sources(figures: &Figures<'_>) -> Chart {
    let mut chart = figures.chart("sources", "Attempts by source", MAIN + GAP + STRIP);
    let steps = figures.steps;
    let seen = |source, step: usize| {
        let points = steps.series(source);
        points.and_then(|p| p.get(step)).map_or(0, Rollup::observations)
    };
    let columns: Vec<[u64; 4]> = (0..steps.len())
        .map(|step| SOURCES.map(|(source, _)| seen(source, step)))
        .collect();
    let scale = Scale::linear(tallest(&columns), 1.0);
    axis(&mut chart, &scale, MAIN);
    let mut told = Vec::new();
    for (index, strokes) in stack(&columns, &scale, MAIN, [LEAST; 4]).into_iter().enumerate() {
        let (source, class) = SOURCES[index];
        let n: u64 = columns.iter().map(|c| c[index]).sum();
        if n > 0 {
            chart.key(class, source.as_str());
            told.push(format!("{n} {source}"));
        }
        chart.draw(class, bars(strokes.into_iter()));
    }
    let reach: Vec<(u64, u64)> = (0..steps.len())
        .map(|step| {
            let point = steps.series(Source::Reach).and_then(|p| p.get(step));
            point.map_or((0, 0), |p| {
                (p.outcomes.family(Verdict::Complete.family()), p.observations())
            })
        })
        .collect();
    let asked: u64 = reach.iter().map(|(_, n)| n).sum();
    let strip = |share: f64| tall(MAIN + GAP) + down(share, STRIP);
    let asked_in = |step: usize| reach[step].1 > 0;
    chart.draw("b-reach", runs(steps.len(), strip(0.5), asked_in));
    let failed = reach
        .iter()
        .enumerate()
        .filter(|(_, (well, n))| well < n)
        .map(|(step, (well, n))| {
            let share = (n - well) as f64 / *n as f64;
            (step, strip(0.0), strip(share).min(strip(0.0) - LEAST))
        });
    chart.draw("b-err", bars(failed));
    if asked > 0 {
        chart.name(NOTE, strip(0.5), "reach probes");
    }
    "reach probes apart: they ask the edge, not the model".clone_into(&mut chart.note);
    let well: u64 = reach.iter().map(|(well, _)| well).sum();
    chart.summary = match (told.is_empty(), asked) {
        (true, 0) => "Nothing was asked in this time.".to_owned(),
        (true, _) => format!("No reply was asked for; {well} of {asked} reach probes passed."),
        (false, 0) => format!("Seen by {}; no reach probe.", told.join(", ")),
        (false, _) => format!(
            "Seen by {}; {well} of {asked} reach probes passed.",
            told.join(", ")
        ),
    };
    chart.fields = "canary=c|long=c|report=c|tap=c|reach passed=c|reach failed=c";
    chart.data = data(columns.iter().zip(&reach).map(|(c, (well, n))| {
        let figures = [c[0], c[1], c[2], c[3], *well, n - well].map(|n| n.to_string());
        (c.iter().sum::<u64>() + n > 0).then_some(figures)
    }));
    chart.settle()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{FailedAt, Failure, OffScript, Truncation};

    #[test]
    fn every_verdict_has_a_layer_and_only_a_complete_one_is_well() {
        for class in ErrorClass::ALL {
            let verdict = Verdict::Errored(Failure {
                class,
                at: FailedAt::Transport,
            });
            let layer = Layer::of(verdict.family(), verdict.detail());
            assert_eq!(layer == Layer::Ours, words::is_ours(class), "{class}");
            assert!(
                !matches!(layer, Layer::Complete | Layer::Truncated | Layer::Other),
                "{class}"
            );
        }
        let others = [
            Verdict::Limited,
            Verdict::Refused,
            Verdict::Unknown,
            Verdict::OffScript(OffScript::Gap),
        ];
        for verdict in others {
            assert_eq!(Layer::of(verdict.family(), verdict.detail()), Layer::Other);
        }
        let cut = Verdict::Truncated(Truncation::Cut);
        assert_eq!(Layer::of(cut.family(), cut.detail()), Layer::Truncated);
    }

    #[test]
    fn a_failure_among_many_stays_visible() {
        let scale = Scale::linear(1_000.0, 1.0);
        let [failed, well] = stack(&[[1, 999]], &scale, 100, [LEAST, 0]);
        assert_eq!(failed, [(0, 1_000, 980)]);
        assert!(well[0].2 >= 0 && well[0].1 == 980);
    }
}
