//! Charts of one target: from sums by step to SVG shapes, one time axis for all of them. Pure.
//!
//! One drawing serves every width. Its horizontal unit is half a step and is stretched to the room there is, its
//! vertical one a tenth of a pixel and never stretched; strokes keep their thickness, and what has to keep its shape
//! (labels) stands in drawings of its own beside it. So nothing is drawn twice, and a label is as legible at 360 pixels
//! as at 1,080.

mod fall;
mod figure;
mod lengths;
mod outcomes;
mod path;
mod scale;
mod share;
mod table;
#[cfg(test)]
mod tests;
mod time;

use std::time::Duration;

use crate::{
    clock::Timestamp,
    health::{Incident, State},
    store::{Rollup, Series},
    verdict::Source,
};

use self::figure::Figures;

pub(super) use self::{
    fall::{Fall, fall},
    figure::Chart,
    table::Line as TableLine,
};

/// How far a page looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// An hour in minutes.
    #[default]
    Hour,
    /// A day in steps of 10 minutes.
    Day,
    /// A week in hours.
    Week,
    /// 90 days in steps of 8 hours: more would not fit on a screen, and merged sketches keep the percentiles true.
    Quarter,
}

impl Range {
    /// Every range, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Quarter];

    /// The name in `?range=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Quarter => "90d",
        }
    }

    /// The range of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == name)
    }

    /// The name for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Hour => "1 hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Quarter => "90 days",
        }
    }

    /// Length of a step.
    pub const fn step(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 60,
            Self::Day => 600,
            Self::Week => 3_600,
            Self::Quarter => 8 * 3_600,
        })
    }

    /// Steps, the running one included.
    pub const fn steps(self) -> u32 {
        match self {
            Self::Hour => 60,
            Self::Day => 144,
            Self::Week => 168,
            Self::Quarter => 270,
        }
    }

    /// When the first step begins, so that the last one holds `now`.
    pub fn from(self, now: Timestamp) -> Timestamp {
        let step = self.step().as_millis() as i64;
        let last = now.as_millis().div_euclid(step);
        Timestamp::from_millis((last - i64::from(self.steps()) + 1) * step)
    }

    /// How many steps one row of the table has.
    const fn row(self) -> usize {
        match self {
            Self::Hour => 5,
            Self::Day | Self::Week => 6,
            Self::Quarter => 9,
        }
    }
}

/// What is drawn: one series a source, all over the same steps.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// How far it looks back.
    pub range: Range,
    /// One series a source; a source that is absent saw nothing.
    pub series: Vec<(Source, Series)>,
    /// Incidents that touch the range.
    pub incidents: Vec<Incident>,
}

/// The steps that all charts share, replies of all sources added up.
struct Steps<'a> {
    range: Range,
    from: Timestamp,
    step: Duration,
    /// Every source but reach.
    replies: Vec<Rollup>,
    sources: &'a [(Source, Series)],
    total: Rollup,
}

impl<'a> Steps<'a> {
    fn of(history: &'a History, now: Timestamp) -> Self {
        let first = history.series.first().map(|(_, series)| series);
        let mut replies = vec![Rollup::default(); first.map_or(0, |series| series.points.len())];
        let mut total = Rollup::default();
        for (source, series) in &history.series {
            if *source != Source::Reach {
                for (sum, point) in replies.iter_mut().zip(&series.points) {
                    sum.merge(point);
                    total.merge(point);
                }
            }
        }
        Self {
            range: history.range,
            from: first.map_or_else(|| history.range.from(now), |series| series.from),
            step: first.map_or_else(|| history.range.step(), |series| series.step),
            replies,
            sources: &history.series,
            total,
        }
    }

    fn len(&self) -> usize {
        self.replies.len()
    }

    fn at(&self, index: usize) -> Timestamp {
        self.from
            .plus(self.step * u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn span(&self) -> Duration {
        self.step * u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn named(&self, index: usize) -> String {
        time::named(self.at(index), self.span())
    }

    fn series(&self, source: Source) -> Option<&[Rollup]> {
        let found = self.sources.iter().find(|(have, _)| *have == source)?;
        Some(&found.1.points)
    }
}

/// A label of the time axis.
pub(super) struct TimeLabel {
    /// Where, in percent of the width.
    pub(super) x: String,
    pub(super) text: String,
    pub(super) class: &'static str,
}

/// All charts of a page.
pub(super) struct Board {
    /// When the first step begins, and the length of one, in milliseconds: for the script.
    pub(super) from_ms: i64,
    pub(super) step_ms: u128,
    pub(super) steps: usize,
    /// `21 Nov 06:40 to 22 Nov 06:39 UTC, 10 min a step`.
    pub(super) span: String,
    /// Dollars spent on probes in the range.
    pub(super) spent: String,
    pub(super) charts: Vec<Chart>,
    pub(super) times: Vec<TimeLabel>,
    pub(super) lines: Vec<TableLine>,
}

impl Board {
    /// Draws the history of a target whose first tokens are late after `soft_deadline_ms` (zero: none known).
    pub(super) fn draw(history: &History, soft_deadline_ms: u64, now: Timestamp) -> Self {
        let steps = Steps::of(history, now);
        let ticks = time::ticks(steps.from, steps.span());
        let backdrop = Backdrop::of(&steps, &ticks, &history.incidents, now);
        let figures = Figures {
            steps: &steps,
            backdrop: &backdrop,
        };
        let spent =
            |(_, series): &(Source, Series)| -> f64 { series.points.iter().map(|p| p.spent_usd).sum() };
        Self {
            from_ms: steps.from.as_millis(),
            step_ms: steps.step.as_millis(),
            steps: steps.len(),
            span: format!(
                "{} to {} UTC, {} a step",
                time::dated(steps.from),
                time::dated(now),
                super::figures::age(steps.step)
            ),
            spent: super::figures::dollars(history.series.iter().map(spent).sum()),
            charts: [
                Some(lengths::ttft(&figures, soft_deadline_ms)),
                Some(lengths::e2e(&figures)),
                Some(lengths::itl(&figures)),
                Some(share::rates(&figures)),
                share::sides(&figures),
                Some(outcomes::verdicts(&figures)),
                Some(outcomes::sources(&figures)),
            ]
            .into_iter()
            .flatten()
            .collect(),
            times: ticks
                .iter()
                .filter(|t| !t.label.is_empty())
                .map(TimeLabel::of)
                .collect(),
            lines: table::lines(&steps),
        }
    }
}

impl TimeLabel {
    fn of(tick: &time::Tick) -> Self {
        Self {
            x: format!("{:.2}", tick.at * 100.0),
            text: tick.label.clone(),
            class: match (tick.day, tick.spare) {
                (true, _) => "day",
                (false, true) => "spare",
                (false, false) => "",
            },
        }
    }
}

/// What lies behind every chart: the times of the axis, and the incidents.
struct Backdrop {
    /// Places of the time ticks.
    posts: Vec<f64>,
    /// From, to and worst state of each incident, in units of the drawing.
    shades: Vec<(f64, f64, State)>,
}

impl Backdrop {
    fn of(steps: &Steps<'_>, ticks: &[time::Tick], incidents: &[Incident], now: Timestamp) -> Self {
        let width = (steps.len() * 2) as f64;
        let (start, span) = (steps.from.as_millis(), steps.span().as_millis().max(1) as f64);
        let place =
            |at: Timestamp| (at.as_millis().saturating_sub(start) as f64 / span * width).clamp(0.0, width);
        let shades = incidents
            .iter()
            .map(|incident| {
                let from = place(incident.started);
                // Never thinner than a third of a step, or a short one would vanish in 90 days.
                let to = place(incident.recovered.unwrap_or(now)).max((from + 0.7).min(width));
                (from, to, incident.worst)
            })
            .filter(|(from, to, _)| to > from)
            .collect();
        Self {
            posts: ticks.iter().map(|tick| tick.at * width).collect(),
            shades,
        }
    }
}
