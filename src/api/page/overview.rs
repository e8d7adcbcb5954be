//! The overview: open incidents, then every target, the impaired ones first.

use askama::Template;

use crate::{
    clock::Timestamp,
    feed::{
        reliability::Reliability,
        v1::{Health, TargetHealth},
    },
    health::State,
    id::TargetId,
};

use super::{
    Scene,
    bars::{Bars, Calendar, draw},
    declared::{Notice, notices},
    figures::{Figure, Moment},
    frame::{Frame, Spoken, href, incident_href},
    html,
    sentence::{Sentence, groups},
    ways::{Line, Way, lines},
    words,
};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    strips: Vec<Strip>,
    notices: Vec<Notice>,
    ways: Vec<Line>,
    sections: Vec<Section>,
}

/// A provider with its rows.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
    /// What the provider's own page says.
    pub(super) official: Option<Spoken>,
    /// Whether that page sees nothing of what we see.
    pub(super) disputed: bool,
    /// Its edge, where that is ill.
    pub(super) edge: Option<State>,
}

/// One target on the overview.
pub(super) struct Row {
    pub(super) id: TargetId,
    pub(super) href: String,
    pub(super) state: State,
    pub(super) since: Moment,
    /// Empty where all is well: then there is nothing to explain.
    pub(super) why: String,
    pub(super) bars: Bars,
    pub(super) figures: [Figure; 4],
    pub(super) last_complete: Option<Moment>,
}

/// An open incident on the overview.
pub(super) struct Strip {
    pub(super) target: TargetId,
    pub(super) href: String,
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) since: Moment,
    pub(super) official: Option<Spoken>,
}

impl Scene<'_> {
    /// The overview, with the last days of each target, and with the routes and what agents may expect of them.
    pub fn overview(&self, calendar: &Calendar, ways: &[Way], outlooks: &[Reliability]) -> String {
        let health = &*self.believed();
        html(&OverviewPage {
            frame: Frame::new(self, health, Sentence::overview(self, health), "/"),
            strips: strips(health, self.now),
            notices: notices(health, self.now),
            // A decision is no older than the feed that it follows from.
            ways: if self.is_stale() {
                Vec::new()
            } else {
                lines(ways, outlooks)
            },
            sections: sections(health, self.now, calendar),
        })
    }
}

/// The time to the first token, marked once its median is beyond the target's own bound.
pub(super) fn first_tokens(target: &TargetHealth) -> Figure {
    let late = target.soft_deadline_ms > 0
        && target
            .ttft_ms
            .p50
            .is_some_and(|p50| p50 > target.soft_deadline_ms as f64);
    let mut ttft = Figure::percentiles("ttft_ms", "TTFT", target.ttft_ms);
    ttft.marked = late && target.ttft_ms.n > 0;
    ttft
}

/// The figures of a row, which together say whether it can be trusted now: how long one waits for the first token and
/// for the whole reply, and how often either never comes. Beside them stands the last complete reply. Money is no
/// matter of the moment: it stands at the foot of the page.
fn row_figures(target: &TargetHealth) -> [Figure; 4] {
    [
        first_tokens(target),
        Figure::percentiles("e2e_ms", "E2E", target.e2e_ms),
        Figure::rate("truncation_rate", "truncated", target.truncation_rate),
        Figure::rate("error_rate", "errors", target.error_rate),
    ]
}

/// The sections of the overview, the impaired ones first.
fn sections(health: &Health, now: Timestamp, calendar: &Calendar) -> Vec<Section> {
    let row = |target: &&TargetHealth| Row {
        href: href(&target.id),
        id: target.id.clone(),
        state: target.state,
        since: Moment::new(target.since.0, now),
        why: match target.state {
            State::Operational if target.declared.is_empty() => String::new(),
            _ => words::line(&target.reason.text, words::MAX_LINE),
        },
        bars: draw(calendar, &target.id, now, target.state),
        figures: row_figures(target),
        last_complete: target.last_complete_at.map(|at| Moment::new(at.0, now)),
    };
    groups(health)
        .iter()
        .map(|group| Section {
            name: words::provider_name(group.id).to_owned(),
            official: group.targets.first().and_then(|target| Spoken::of(target, now)),
            disputed: group.targets.iter().any(|target| {
                let said = target.official.as_ref().map(|official| official.state);
                target.state.is_impaired() && said == Some(State::Operational)
            }),
            rows: group.targets.iter().map(&row).collect(),
            edge: health
                .providers
                .iter()
                .find(|p| p.id.as_str() == group.id)
                .filter(|p| p.edge.state.is_impaired())
                .map(|p| p.edge.state),
        })
        .collect()
}

/// Open incidents, in the order of the rows.
fn strips(health: &Health, now: Timestamp) -> Vec<Strip> {
    groups(health)
        .iter()
        .flat_map(|group| group.targets.iter())
        .filter(|target| target.incident.is_some())
        .map(|target| Strip {
            target: target.id.clone(),
            href: target
                .incident
                .as_deref()
                .map_or_else(|| href(&target.id), incident_href),
            what: if target.state.is_impaired() {
                words::incident_name(&target.reason.code)
            } else {
                "Recovering"
            },
            state: target.state,
            since: Moment::new(target.since.0, now),
            official: Spoken::of(target, now),
        })
        .collect()
}
