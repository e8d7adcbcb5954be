//! Lengths of time: first token, end of the reply, between tokens. Medians as a line, the spread as a band above it.

use super::{
    figure::{Chart, Figures, brief, data},
    path::{band, dots, down, line},
    scale::{Scale, length_label},
};
use crate::{
    api::page::figures::milliseconds,
    health::histogram::Histogram,
    store::{Rollup, Span},
};

/// The 99th percentile is drawn while its top is at most this many times that of the 95th: beyond, it would press
/// everything else flat.
const CALM: f64 = 2.5;
/// A deadline is drawn while it is at most this many times as high as the figures, for the same reason.
const IN_SIGHT: f64 = 3.0;

/// One percentile in every step; `None` is a gap.
type Points = Vec<Option<f64>>;

fn points(figures: &Figures<'_>, span: Span, q: f64) -> Points {
    let of = |sum: &Rollup| sum.span(span).quantile(q);
    figures.steps.replies.iter().map(of).collect()
}

fn top(points: &Points) -> f64 {
    points.iter().flatten().fold(0.0, |top: f64, v| top.max(*v))
}

/// Time to the first token, with the deadline that it is late after.
pub(super) fn ttft(figures: &Figures<'_>, soft_deadline_ms: u64) -> Chart {
    let chart = figures.chart("ttft", "Time to first token", 144);
    spread(figures, chart, Span::Ttft, soft_deadline_ms as f64)
}

/// Time to the end of the reply.
pub(super) fn e2e(figures: &Figures<'_>) -> Chart {
    let chart = figures.chart("e2e", "Time to the end of the reply", 104);
    spread(figures, chart, Span::E2e, 0.0)
}

/// Median and 95th percentile as line and band, the 99th faint.
fn spread(figures: &Figures<'_>, mut chart: Chart, span: Span, deadline: f64) -> Chart {
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| points(figures, span, q));
    let tall = top(&p95);
    let calm = top(&p99) <= tall * CALM;
    let deadline = (deadline > 0.0 && tall > 0.0).then_some(deadline);
    let seen = deadline.filter(|ms| *ms <= tall * IN_SIGHT);
    let all = p50.iter().chain(&p95).chain(p99.iter().filter(|_| calm));
    let scale = Scale::lengths(all.flatten().copied().chain(seen));
    let height = chart.height;
    let y = |ms: f64| down(scale.share(ms), height);
    let both = p50.iter().zip(&p95).map(|(a, b)| Some((y((*b)?), y((*a)?))));
    let lines = [("c-faint", "99 %", &p99, calm), ("c-line", "median", &p50, true)];
    for (class, text, points, shown) in [lines[0], ("c-band", "95 %", &p95, true), lines[1]] {
        if let Some(last) = points.iter().rev().flatten().next().filter(|_| shown) {
            chart.name(class, y(*last), text);
        }
    }
    if let Some(ms) = seen {
        chart.draw("c-limit", super::path::rules(std::iter::once(y(ms)), chart.width));
        chart.name("c-limit", y(ms), "late above");
    }
    axis(&mut chart, &scale);
    chart.draw("c-band", band(&both.collect::<Vec<_>>()));
    for (class, _, points, _) in lines.into_iter().filter(|(_, _, _, shown)| *shown) {
        stroke(&mut chart, class, &at(points, y));
    }
    chart.note = match deadline {
        Some(ms) => format!("complete replies; late above {}", milliseconds(ms)),
        None => "complete replies".to_owned(),
    };
    chart.note += scale_note(&scale);
    chart.summary = sentence(figures, figures.steps.total.span(span), &p50);
    chart.fields = "median=ms|95 %=ms|99 %=ms|n=n";
    chart.data = data(figures.steps.replies.iter().map(|sum| {
        let of = sum.span(span);
        let q = |q| of.quantile(q).map(brief);
        Some([q(0.5)?, q(0.95)?, q(0.99)?, of.count().to_string()])
    }));
    chart.settle()
}

/// The time between tokens, with the largest gap of a reply.
pub(super) fn itl(figures: &Figures<'_>) -> Chart {
    let mut chart = figures.chart("itl", "Between tokens", 104);
    let [p50, p95] = [0.5, 0.95].map(|q| points(figures, Span::Itl, q));
    let gap = points(figures, Span::Gap, 0.95);
    let scale = Scale::lengths(p50.iter().chain(&p95).chain(&gap).flatten().copied());
    let height = chart.height;
    let y = |ms: f64| down(scale.share(ms), height);
    let both = p50.iter().zip(&p95).map(|(a, b)| Some((y((*b)?), y((*a)?))));
    let lines = [("c-dash", "largest gap", &gap), ("c-line", "median", &p50)];
    for (class, text, points) in [lines[0], ("c-band", "95 %", &p95), lines[1]] {
        if let Some(last) = points.iter().rev().flatten().next() {
            chart.name(class, y(*last), text);
        }
    }
    axis(&mut chart, &scale);
    chart.draw("c-band", band(&both.collect::<Vec<_>>()));
    for (class, _, points) in lines {
        stroke(&mut chart, class, &at(points, y));
    }
    "mean of each reply; dashed: 95 % of the largest gaps are shorter".clone_into(&mut chart.note);
    chart.note += scale_note(&scale);
    let total = &figures.steps.total;
    chart.summary = sentence(figures, total.span(Span::Itl), &p50);
    if let Some(gap) = total.span(Span::Gap).quantile(0.95) {
        let gap = milliseconds(gap);
        chart
            .summary
            .extend([" The largest gap stays below ", &gap, " in 95 % of them."]);
    }
    chart.fields = "median=ms|95 %=ms|largest gap 95 %=ms|n=n";
    chart.data = data(figures.steps.replies.iter().map(|sum| {
        let (itl, gap) = (sum.span(Span::Itl), sum.span(Span::Gap));
        let gap = gap.quantile(0.95).map(brief).unwrap_or_default();
        Some([
            itl.quantile(0.5).map(brief)?,
            itl.quantile(0.95).map(brief)?,
            gap,
            itl.count().to_string(),
        ])
    }));
    chart.settle()
}

fn at(points: &Points, y: impl Fn(f64) -> i32) -> Vec<Option<i32>> {
    points.iter().map(|point| point.map(&y)).collect()
}

/// What to know of an axis that is not linear.
const fn scale_note(scale: &Scale) -> &'static str {
    match scale {
        Scale::Linear { .. } => "",
        Scale::Log { .. } => "; logarithmic",
    }
}

/// A line with dots where it has no neighbours.
fn stroke(chart: &mut Chart, class: &'static str, heights: &[Option<i32>]) {
    chart.draw(class, line(heights));
    let dot = match class {
        "c-line" => "c-line c-dot",
        "c-dash" => "c-dash c-dot",
        _ => return,
    };
    chart.draw(dot, dots(heights));
}

fn axis(chart: &mut Chart, scale: &Scale) {
    for tick in scale.ticks() {
        let y = down(scale.share(tick), chart.height);
        chart.tick(y, length_label(tick, scale));
    }
}

/// `Median 412 ms, 95 % within 903 ms; n 1234. Slowest at 13:01: median 1.5 s.`
fn sentence(figures: &Figures<'_>, total: &Histogram, medians: &Points) -> String {
    let (Some(p50), Some(p95)) = (total.quantile(0.5), total.quantile(0.95)) else {
        return "No complete reply in this time.".to_owned();
    };
    let mut text = format!(
        "Median {}, 95 % within {}; n {}.",
        milliseconds(p50),
        milliseconds(p95),
        total.count()
    );
    let known = medians.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?)));
    if let Some((step, worst)) = known.max_by(|a, b| a.1.total_cmp(&b.1)) {
        let named = figures.steps.named(step);
        text.extend([" Slowest at ", &named, ": median ", &milliseconds(worst), "."]);
    }
    text
}
