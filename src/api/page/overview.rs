//! The overview: open incidents, then every target, the impaired ones first.

use std::collections::HashMap;

use askama::Template;

use crate::{
    clock::Timestamp,
    feed::v1::{Health, TargetHealth},
    health::State,
    id::TargetId,
};

use super::{
    Scene,
    figures::{Figure, Moment},
    frame::{Frame, Spoken, href},
    html,
    sentence::{Sentence, groups},
    spark::{Bucket, Spark, draw},
    words,
};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    strips: Vec<Strip>,
    sections: Vec<Section>,
}

/// A provider with its rows.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
    pub(super) edge: Option<(State, String)>,
}

/// One target on the overview.
pub(super) struct Row {
    pub(super) id: TargetId,
    pub(super) href: String,
    pub(super) state: State,
    pub(super) since: Moment,
    /// Empty where all is well: then there is nothing to explain.
    pub(super) why: String,
    pub(super) spark: Spark,
    pub(super) figures: Vec<Figure>,
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
    /// The overview. `hours` holds the last hour of each target; one that is absent has none.
    pub fn overview(&self, hours: &HashMap<TargetId, Vec<Bucket>>) -> String {
        let health = &*self.believed();
        html(&OverviewPage {
            frame: Frame::new(self, health, Sentence::overview(self, health)),
            strips: strips(health, self.now),
            sections: sections(health, self.now, hours),
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

/// The figures of a row: what was cut, what failed, how fast.
fn row_figures(target: &TargetHealth) -> Vec<Figure> {
    vec![
        Figure::rate("truncation_rate", "truncated", target.truncation_rate),
        Figure::rate("error_rate", "errors", target.error_rate),
        first_tokens(target),
        Figure::percentiles("e2e_ms", "E2E", target.e2e_ms),
    ]
}

/// The sections of the overview, the impaired ones first. `hours` holds each target's last hour.
pub(super) fn sections(
    health: &Health,
    now: Timestamp,
    hours: &HashMap<TargetId, Vec<Bucket>>,
) -> Vec<Section> {
    let row = |target: &&TargetHealth| Row {
        href: href(&target.id),
        id: target.id.clone(),
        state: target.state,
        since: Moment::new(target.since.0, now),
        why: match target.state {
            State::Operational => String::new(),
            _ => words::line(&target.reason.text, words::MAX_LINE),
        },
        spark: draw(hours.get(&target.id).map_or(&[], Vec::as_slice), now),
        figures: row_figures(target),
    };
    groups(health)
        .iter()
        .map(|group| Section {
            name: words::provider_name(group.id).to_owned(),
            rows: group.targets.iter().map(&row).collect(),
            edge: health
                .providers
                .iter()
                .find(|p| p.id.as_str() == group.id)
                .filter(|p| p.edge.connect_ms.n > 0 || p.edge.state.is_impaired())
                .map(|p| {
                    let figure = Figure::percentiles("connect_ms", "connect", p.edge.connect_ms);
                    (p.edge.state, format!("{} · {}", figure.value, figure.note))
                }),
        })
        .collect()
}

/// Open incidents, in the order of the rows.
pub(super) fn strips(health: &Health, now: Timestamp) -> Vec<Strip> {
    groups(health)
        .iter()
        .flat_map(|group| group.targets.iter())
        .filter(|target| target.incident.is_some())
        .map(|target| Strip {
            target: target.id.clone(),
            href: href(&target.id),
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
