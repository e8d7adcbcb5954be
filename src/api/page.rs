//! The status page: HTML from the server, complete without script, kept live by a small one.
//!
//! Rendering is pure: [`overview`], [`target`] and [`missing`] take the feed and what the store remembers and give
//! HTML. Whoever serves them sends [`CONTENT_SECURITY_POLICY`] along; nothing on the page needs more than that.

mod assets;
mod figures;
mod sentence;
mod serve;
mod spark;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use askama::Template;

use crate::{
    feed::v1::{Health, TargetHealth},
    health::State,
    id::TargetId,
};

use self::{
    figures::{Figure, Moment, dollars, strftime},
    sentence::Sentence,
    spark::Spark,
    view::{Frame, Section, Seen, Step, Strip},
};

pub use self::{
    serve::{Shelf, routes},
    spark::{BUCKET, BUCKETS, Bucket},
    view::{Budget, Past, Plan},
};

/// What a browser may do with a page of ours: nothing that the page does not carry itself.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                                           connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Most observations on a target's page.
pub const MAX_OBSERVATIONS: usize = 50;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    strips: Vec<Strip>,
    sections: Vec<Section>,
}

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
    official: Option<State>,
    flags: String,
    spent: String,
    attempts: u64,
    figures: Vec<Figure>,
    spark: Spark,
    ttft_top: String,
    hour_from: String,
    hour_mid: String,
    steps: Vec<Step>,
    incident_id: String,
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

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingPage {
    frame: Frame,
    asked: String,
}

/// A template only fails when what it writes to fails, and a String takes every write.
fn html(template: &impl Template) -> String {
    template.render().expect("writing to a String does not fail")
}

/// The overview. `hours` holds the last hour of each target; one that is absent has none.
pub fn overview(health: &Health, budget: Budget, hours: &HashMap<TargetId, Vec<Bucket>>) -> String {
    let now = health.head.generated_at.0;
    html(&OverviewPage {
        frame: Frame::new(health, budget, Sentence::overview(health, now)),
        strips: view::strips(health),
        sections: view::sections(health, hours),
    })
}

/// One target's page.
pub fn target(health: &Health, budget: Budget, target: &TargetHealth, past: &Past, plans: &[Plan]) -> String {
    let now = health.head.generated_at.0;
    let spark = spark::draw(&past.buckets, now);
    let back = |minutes: usize| strftime(now.minus(BUCKET * minutes as u32), "%H:%M UTC");
    let steps = past
        .incident
        .as_ref()
        .map(|i| view::steps(i, now))
        .unwrap_or_default();
    html(&TargetPage {
        frame: Frame::new(health, budget, Sentence::target(health, target, now)),
        id: target.id.clone(),
        state: target.state,
        since: Moment::new(target.since.0, now),
        why: words::line(&target.reason.text, words::MAX_LINE),
        sources: target.reason.sources.join(", "),
        routing: words::routing(&target.routing, now),
        last_complete: target.last_complete_at.map(|at| Moment::new(at.0, now)),
        official: target.official.as_ref().map(|o| o.state),
        flags: target
            .flags
            .iter()
            .map(|f| words::flag(f))
            .collect::<Vec<_>>()
            .join(", "),
        spent: dollars(target.spent_usd_today),
        attempts: target.attempts,
        figures: view::all_figures(target),
        ttft_top: figures::milliseconds(spark.ttft_top_ms),
        spark,
        hour_from: back(BUCKETS),
        hour_mid: back(BUCKETS / 2),
        steps,
        incident_id: past.incident.as_ref().map(|i| i.id.clone()).unwrap_or_default(),
        missing: past.missing.as_deref().map(|m| words::line(m, words::MAX_LINE)),
        seen: past
            .observations
            .iter()
            .take(MAX_OBSERVATIONS)
            .map(|o| view::seen(o, now))
            .collect(),
        plans: plans.iter().map(ShownPlan::new).collect(),
    })
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

/// The page for a target that nobody watches: status 404.
pub fn missing(health: &Health, budget: Budget, asked: &str) -> String {
    html(&MissingPage {
        frame: Frame::new(health, budget, Sentence::missing()),
        asked: words::line(asked, words::MAX_LINE),
    })
}
