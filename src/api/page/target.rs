//! One target's page.

use std::time::Duration;

use askama::Template;

use crate::{
    feed::{
        Finding,
        v1::{Health, TargetHealth},
    },
    health::{Incident, State},
    id::TargetId,
    verdict::Observation,
};

use super::{
    MAX_OBSERVATIONS, Scene,
    figures::{self, Figure, Moment, dollars, strftime},
    frame::{Frame, Spoken, href},
    html,
    incident::{Step, steps},
    overview::first_tokens,
    seen::{Seen, seen},
    sentence::Sentence,
    spark::{self, BUCKET, Bucket, Spark},
    words,
};

#[derive(Template)]
#[template(path = "target.html")]
struct TargetPage {
    frame: Frame,
    id: TargetId,
    state: State,
    since: Moment,
    why: String,
    sources: String,
    routing: String,
    last_complete: Option<Moment>,
    official: Option<Spoken>,
    served: Option<String>,
    ways: Vec<Way>,
    flags: String,
    spent: String,
    figures: Vec<Figure>,
    spark: Spark,
    ttft_top: String,
    hour_from: String,
    hour_mid: String,
    steps: Vec<Step>,
    incident_id: String,
    lead: String,
    missing: Option<String>,
    seen: Vec<Seen>,
    plans: Vec<ShownPlan>,
}

struct ShownPlan {
    kind: &'static str,
    every: String,
    cost: String,
    what: String,
}

/// One kind of probe of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// `reach`, `canary`, ..
    pub kind: &'static str,
    /// What it proves.
    pub what: String,
    /// Its interval.
    pub every: Duration,
    /// Dollars a day at that interval; `None` where the price is not known.
    pub usd_per_day: Option<f64>,
}

/// What the store remembers of a target. Empty where it cannot be read: the page shows the feed all the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// Minutes of the last hour.
    pub buckets: Vec<Bucket>,
    /// Newest first.
    pub observations: Vec<Observation>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// Why there is less than there should be.
    pub missing: Option<String>,
}

impl Scene<'_> {
    /// One target's page; `None` where the feed has no such target.
    pub fn target(&self, id: &TargetId, past: &Past, plans: &[Plan]) -> Option<String> {
        let (health, now) = (&*self.believed(), self.now);
        let target = health.targets.iter().find(|t| &t.id == id)?;
        let spark = spark::draw(&past.buckets, now);
        let back = |minutes: u32| strftime(now.minus(BUCKET * minutes), "%H:%M UTC");
        let incident = past.incident.as_ref();
        Some(html(&TargetPage {
            frame: Frame::new(self, health, Sentence::target(self, target), ""),
            id: target.id.clone(),
            state: target.state,
            since: Moment::new(target.since.0, now),
            why: words::line(&target.reason.text, words::MAX_LINE),
            sources: target.reason.sources.join(", "),
            routing: words::routing(&target.routing, now),
            last_complete: target.last_complete_at.map(|at| Moment::new(at.0, now)),
            official: Spoken::of(target, now),
            served: target
                .served_model
                .as_deref()
                .filter(|served| *served != target.model)
                .map(|served| words::line(served, words::MAX_LINE)),
            ways: ways(health, id),
            flags: target
                .flags
                .iter()
                .map(|f| words::flag(f))
                .collect::<Vec<_>>()
                .join(", "),
            spent: dollars(target.spent_usd_today),
            figures: all_figures(target),
            ttft_top: figures::milliseconds(spark.ttft_top_ms),
            spark,
            hour_from: back(60),
            hour_mid: back(30),
            steps: incident.map(|i| steps(i, now)).unwrap_or_default(),
            incident_id: incident.map(|i| i.id.clone()).unwrap_or_default(),
            lead: words::lead(incident.and_then(|i| i.lead_s)),
            missing: past.missing.as_deref().map(|m| words::line(m, words::MAX_LINE)),
            seen: past
                .observations
                .iter()
                .take(MAX_OBSERVATIONS)
                .map(|o| seen(o, now))
                .collect(),
            plans: plans.iter().map(ShownPlan::new).collect(),
        }))
    }
}

impl ShownPlan {
    fn new(plan: &Plan) -> Self {
        Self {
            kind: plan.kind,
            every: figures::age(plan.every),
            cost: match plan.usd_per_day {
                Some(usd) if usd > 0.0 => format!("{} a day", dollars(usd)),
                Some(_) => "free".to_owned(),
                None => "price unknown".to_owned(),
            },
            what: plan.what.clone(),
        }
    }
}

/// Another way to the same model, and what the two together tell.
pub(super) struct Way {
    pub(super) id: TargetId,
    pub(super) href: String,
    pub(super) state: State,
    pub(super) finding: Finding,
}

/// The other ways to a target's model, the direct one first.
pub(super) fn ways(health: &Health, id: &TargetId) -> Vec<Way> {
    let pairs = health.pairs();
    let way = |other: &TargetHealth, finding| Way {
        id: other.id.clone(),
        href: href(&other.id),
        state: other.state,
        finding,
    };
    let direct = pairs.iter().filter(|pair| &pair.through.id == id);
    let through = pairs.iter().filter(|pair| &pair.direct.id == id);
    direct
        .map(|pair| way(pair.direct, pair.finding()))
        .chain(through.map(|pair| way(pair.through, pair.finding())))
        .collect()
}

/// All figures of the last minutes.
fn all_figures(target: &TargetHealth) -> Vec<Figure> {
    let tps = target.output_tps;
    vec![
        Figure::rate("truncation_rate", "truncated", target.truncation_rate),
        Figure::rate("error_rate", "errors", target.error_rate),
        Figure::rate("failure_rate", "failed in all", target.failure_rate),
        first_tokens(target),
        Figure::percentiles("e2e_ms", "E2E", target.e2e_ms),
        Figure::percentiles("ttfo_ms", "first visible token", target.ttfo_ms),
        Figure::percentiles("itl_ms", "between tokens", target.itl_ms),
        Figure::speed("output_tps", "speed", tps.p50, tps.n),
    ]
}
