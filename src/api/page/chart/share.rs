//! Shares of truncated replies and of errors, with their intervals and the counts beneath.
//!
//! A share of two attempts says nothing, so steps are put together until most of them hold [`ENOUGH`].

use super::{
    figure::{Chart, Figures, NOTE, data},
    path::{block, down, level, tall},
    scale::{Scale, plain},
};
use crate::{
    api::page::figures::{NOTABLE_SHARE, percent},
    health::Rate,
    verdict::{Counts, Source},
};

/// Attempts that a share should rest on: below, the interval of a clean record reaches beyond 7 %.
const ENOUGH: u64 = 50;
/// How many steps may be put together.
const GROUPS: [usize; 9] = [1, 2, 3, 4, 5, 6, 10, 12, 15];
/// Fewest groups that are left, and most: two shares with their intervals in every step of 90 days would be a blur.
const FEWEST: usize = 12;
const MOST: usize = 96;
/// Most groups where probes and real traffic stand side by side: to compare them, fewer say more.
const MOST_SIDES: usize = 32;
/// Height of the shares in pixels, of the gap below them and of the counts beneath.
const MAIN: u32 = 96;
const GAP: u32 = 8;
const STRIP: u32 = 16;
/// The scale never ends lower: on a shorter one, every single failure would look like an outage.
const LOWEST_TOP: f64 = 0.05;

/// The place of what is drawn without colour, behind truncated replies and errors.
const QUIET: usize = 2;

/// Look of line and band, name, and which share of a group it is.
type Kind = (&'static str, &'static str, &'static str, fn(&Group) -> Rate);

const TRUNCATED_AND_ERRORS: [Kind; 2] = [
    ("c-trunc", "c-trunc-band", "truncated", Group::truncated),
    ("c-err", "c-err-band", "errors", Group::errors),
];
const PROBES_AND_TRAFFIC: [Kind; 2] = [
    ("c-probe", "c-probe-band", "probes", Group::probes),
    ("c-traffic", "c-traffic-band", "real traffic", Group::traffic),
];

/// The parts of a rate.
const fn parts(rate: Rate) -> (Option<f64>, Option<f64>, Option<f64>) {
    (rate.value, rate.low, rate.high)
}

/// Steps put together.
struct Group {
    /// First and last step.
    steps: (usize, usize),
    counts: Counts,
    /// What probes of ours saw, and what real traffic did.
    sides: [Counts; 2],
}

impl Group {
    fn truncated(&self) -> Rate {
        Rate::of(self.counts.truncated, self.counts.began)
    }

    fn errors(&self) -> Rate {
        Rate::of(self.counts.errors, self.counts.attempts)
    }

    fn probes(&self) -> Rate {
        Rate::of(self.sides[0].failed(), self.sides[0].attempts)
    }

    fn traffic(&self) -> Rate {
        Rate::of(self.sides[1].failed(), self.sides[1].attempts)
    }
}

/// On which side of [`Group::sides`] a source stands; `None` for reach, which asks for no reply.
const fn side(source: Source) -> Option<usize> {
    match source {
        Source::Reach => None,
        Source::Canary | Source::Long => Some(0),
        Source::Report | Source::Tap => Some(1),
    }
}

/// Groups of `size` steps; their borders lie at multiples of that since 1970, so that they stay as time goes on.
fn groups(figures: &Figures<'_>, size: usize) -> (usize, Vec<Group>) {
    let steps = figures.steps;
    let number = steps
        .from
        .as_millis()
        .div_euclid(steps.step.as_millis().max(1) as i64);
    let offset = number.rem_euclid(i64::try_from(size).unwrap_or(1)) as usize;
    let mut groups: Vec<Group> = Vec::new();
    for (index, sum) in steps.replies.iter().enumerate() {
        if groups.is_empty() || (index + offset).is_multiple_of(size) {
            groups.push(Group {
                steps: (index, index),
                counts: Counts::default(),
                sides: Default::default(),
            });
        }
        if let Some(group) = groups.last_mut() {
            group.steps.1 = index;
            group.counts += sum.counts;
            for (source, series) in steps.sources {
                if let (Some(side), Some(point)) = (side(*source), series.points.get(index)) {
                    group.sides[side] += point.counts;
                }
            }
        }
    }
    (offset, groups)
}

/// The smallest groups of which half hold enough attempts; the largest ones where none do.
fn fitting(figures: &Figures<'_>, largest: usize) -> (usize, usize, Vec<Group>) {
    let len = figures.steps.len();
    let (least, most) = (len.div_ceil(largest).max(1), (len / FEWEST).max(1));
    let mut found = (1, 0, Vec::new());
    for size in GROUPS
        .into_iter()
        .filter(|size| (least..=most.max(least)).contains(size))
    {
        let (offset, groups) = groups(figures, size);
        let mut counts: Vec<u64> = groups
            .iter()
            .map(|g| g.counts.attempts)
            .filter(|n| *n > 0)
            .collect();
        counts.sort_unstable();
        let median = counts.get(counts.len() / 2).copied().unwrap_or(0);
        found = (size, offset, groups);
        if median >= ENOUGH {
            break;
        }
    }
    found
}

/// The top of the scale: the largest share with some room, or the usual upper bound; never below [`LOWEST_TOP`].
fn scale(groups: &[Group], shares: [fn(&Group) -> Rate; 2]) -> Scale {
    let rates = || groups.iter().flat_map(|g| shares.map(|share| share(g)));
    let largest = rates().filter_map(|r| r.value).fold(0.0, f64::max);
    let mut bounds: Vec<f64> = rates().filter_map(|r| r.high).collect();
    bounds.sort_by(f64::total_cmp);
    let usual = bounds.get(bounds.len() / 2).copied().unwrap_or(0.0);
    let top = (largest * 1.1).max(usual).clamp(LOWEST_TOP, 1.0);
    match Scale::linear(top * 100.0, 1.0) {
        Scale::Linear { top, step } if top > 100.0 => Scale::Linear {
            top: 100.0,
            step: step.min(50.0),
        },
        scale => scale,
    }
}

/// The chart of shares.
pub(super) fn rates(figures: &Figures<'_>) -> Chart {
    let mut chart = figures.chart("rates", "Truncated replies and errors", MAIN + GAP + STRIP);
    let (size, offset, groups) = fitting(figures, MOST);
    let scale = scale(&groups, [Group::truncated, Group::errors]);
    let y = |share: f64| down(scale.share(share * 100.0), MAIN);
    for tick in scale.ticks() {
        let text = format!("{}\u{a0}%", plain(tick));
        chart.tick(down(scale.share(tick), MAIN), text);
    }
    shares(&mut chart, &groups, TRUNCATED_AND_ERRORS, y);
    let most = groups.iter().map(|g| g.counts.attempts).max().unwrap_or(0);
    chart.draw("c-count", counts(&groups, most));
    if most > 0 {
        let middle = tall(MAIN + GAP + STRIP / 2);
        chart.name(NOTE, middle, format!("n ≤ {}", plain(most as f64)));
    }
    chart.note = match size {
        1 => "bands: 95 % interval".to_owned(),
        _ => format!(
            "bands: 95 % interval; shares over {}",
            crate::api::page::figures::age(figures.steps.step * u32::try_from(size).unwrap_or(1))
        ),
    };
    chart.summary = sentence(figures, &groups);
    chart.fields = "truncated=rate|errors=rate|n=n";
    (chart.group, chart.offset) = (size, offset);
    chart.data = data(groups.iter().map(|group| {
        let [t, e] = [group.truncated(), group.errors()].map(triple);
        (group.counts.attempts > 0).then(|| [t, e, group.counts.attempts.to_string()])
    }));
    chart.settle()
}

/// The chart of what failed by who saw it; `None` where only probes, or only real traffic, saw anything.
pub(super) fn sides(figures: &Figures<'_>) -> Option<Chart> {
    let (size, offset, groups) = fitting(figures, MOST_SIDES);
    let total = |side: usize| groups.iter().map(|g| g.sides[side].attempts).sum::<u64>();
    if total(0) == 0 || total(1) == 0 {
        return None;
    }
    let mut chart = figures.chart("sides", "Failed, by who saw it", MAIN);
    let scale = scale(&groups, [Group::probes, Group::traffic]);
    let y = |share: f64| down(scale.share(share * 100.0), MAIN);
    for tick in scale.ticks() {
        let text = format!("{}\u{a0}%", plain(tick));
        chart.tick(down(scale.share(tick), MAIN), text);
    }
    shares(&mut chart, &groups, PROBES_AND_TRAFFIC, y);
    chart
        .note
        .push_str("truncated replies and errors; bands: 95 % interval");
    let failed = |side: usize| groups.iter().map(|g| g.sides[side].failed()).sum::<u64>();
    chart.summary = format!(
        "{} of {} probes failed, and {} of {} real requests.",
        failed(0),
        total(0),
        failed(1),
        total(1)
    );
    chart.fields = "probes=rate|traffic=rate|n=n";
    (chart.group, chart.offset) = (size, offset);
    chart.data = data(groups.iter().map(|group| {
        let [p, t] = [group.probes(), group.traffic()].map(triple);
        (group.counts.attempts > 0).then(|| [p, t, group.counts.attempts.to_string()])
    }));
    Some(chart.settle())
}

/// A share with its interval in tenths of a percent, for the script.
fn triple(rate: Rate) -> String {
    let part = |share: Option<f64>| share.map(tenths).unwrap_or_default();
    [part(rate.value), part(rate.low), part(rate.high)].join(",")
}

/// Draws both shares with their intervals. Calm where all is well: an interval that may be chance is grey, and so is a
/// share of zero.
fn shares(chart: &mut Chart, groups: &[Group], kinds: [Kind; 2], y: impl Fn(f64) -> i32) {
    let (mut bands, mut lines) = ([const { String::new() }; 3], [const { String::new() }; 3]);
    let mut names = Vec::new();
    for (kind, (class, _, text, rate)) in kinds.into_iter().enumerate() {
        for group in groups {
            let (Some(value), Some(low), Some(high)) = parts(rate(group)) else {
                continue;
            };
            let band = if low > NOTABLE_SHARE { kind } else { QUIET };
            block(&mut bands[band], group.steps, y(high), y(low));
            level(
                &mut lines[if value > 0.0 { kind } else { QUIET }],
                group.steps,
                y(value),
            );
        }
        let last = groups.iter().rev().find_map(|group| rate(group).value);
        names.extend(last.map(|last| (class, y(last), text)));
    }
    let [first, second] = kinds.map(|(class, band, ..)| (band, class));
    let classes = [first, second, ("c-calm-band", "c-zero")];
    for place in [QUIET, 0, 1] {
        chart.draw(classes[place].0, std::mem::take(&mut bands[place]));
    }
    for place in [QUIET, 0, 1] {
        chart.draw(classes[place].1, std::mem::take(&mut lines[place]));
    }
    for (class, y, text) in names {
        chart.name(class, y, text);
    }
}

/// Tenths of a percent.
fn tenths(share: f64) -> String {
    format!("{:.0}", share * 1_000.0)
}

fn counts(groups: &[Group], most: u64) -> String {
    let mut path = String::new();
    let foot = tall(MAIN + GAP + STRIP);
    for group in groups.iter().filter(|g| g.counts.attempts > 0) {
        let height = (group.counts.attempts as f64 / most as f64 * f64::from(STRIP * 10)).max(10.0);
        block(&mut path, group.steps, foot - height as i32, foot);
    }
    path
}

/// `Truncated 1.2 % (0.8–1.9 %) of 4050 begun replies, errors 0.3 % (0.2–0.6 %) of 4100 attempts.`
fn sentence(figures: &Figures<'_>, groups: &[Group]) -> String {
    let counts = figures.steps.total.counts;
    let all = Group {
        steps: (0, 0),
        counts,
        sides: Default::default(),
    };
    let share = |rate: Rate| match (rate.value, rate.low, rate.high) {
        (Some(value), Some(low), Some(high)) => {
            format!(
                "{} ({}–{})",
                percent(value),
                percent(low).trim_end_matches("\u{a0}%"),
                percent(high)
            )
        }
        _ => super::super::figures::NONE.to_owned(),
    };
    if counts.attempts == 0 {
        return "No attempt in this time.".to_owned();
    }
    let mut text = format!(
        "Truncated {} of {} begun replies, errors {} of {} attempts.",
        share(all.truncated()),
        counts.began,
        share(all.errors()),
        counts.attempts
    );
    let failed = |g: &Group| Rate::of(g.counts.failed(), g.counts.attempts);
    let worst = groups
        .iter()
        .filter_map(|g| Some((g, failed(g).value.filter(|v| *v > 0.0)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((group, value)) = worst {
        let (from, n) = (
            figures.steps.named(group.steps.0),
            group.counts.attempts.to_string(),
        );
        text.extend([
            " Worst from ",
            &from,
            ": ",
            &percent(value),
            " of ",
            &n,
            " failed.",
        ]);
    }
    text
}
