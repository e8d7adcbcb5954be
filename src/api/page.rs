//! The status page: HTML from the server, complete without script, kept live by a small one.
//!
//! Rendering is pure: [`Scene`] takes the feed and what the store remembers and gives
//! HTML. Nothing on a page needs more than
//! [`CONTENT_SECURITY_POLICY`], which the API's guard sends along: no inline script, no inline style, nothing from
//! elsewhere.

mod assets;
mod figures;
mod sentence;
mod serve;
mod spark;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashMap};

use askama::Template;

use crate::{
    clock::Timestamp,
    feed::v1::Health,
    health::{Hint, State},
    id::TargetId,
};

use self::{
    figures::{Figure, Moment, dollars, strftime},
    sentence::Sentence,
    spark::Spark,
    view::{Frame, Section, Seen, Spoken, Step, Strip, Way},
};

pub use self::{
    serve::{HOURS_FRESH, Shelf, routes},
    spark::{BUCKET, BUCKETS, Bucket},
    view::{Budget, Past, Plan},
};

/// What a browser may do with a page of ours, and with every other response: nothing that a page does not bring along.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                           connect-src 'self'; base-uri 'none'; form-action 'none'; \
                                           frame-ancestors 'none'";
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

/// What all pages show: the feed, and how old it is by now.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The feed.
    pub health: &'a Health,
    /// The time of reading. Past the feed's `stale_after` every target shows as unknown.
    pub now: Timestamp,
    /// The budget of all probes together.
    pub budget: Budget,
}

impl Scene<'_> {
    /// The overview. `hours` holds the last hour of each target; one that is absent has none.
    pub fn overview(&self, hours: &HashMap<TargetId, Vec<Bucket>>) -> String {
        let health = &*self.believed();
        html(&OverviewPage {
            frame: Frame::new(self, health, Sentence::overview(self, health)),
            strips: view::strips(health, self.now),
            sections: view::sections(health, self.now, hours),
        })
    }

    /// One target's page; `None` where the feed has no such target.
    pub fn target(&self, id: &TargetId, past: &Past, plans: &[Plan]) -> Option<String> {
        let (health, now) = (&*self.believed(), self.now);
        let target = health.targets.iter().find(|t| &t.id == id)?;
        let spark = spark::draw(&past.buckets, now);
        let back = |minutes: u32| strftime(now.minus(BUCKET * minutes), "%H:%M UTC");
        let incident = past.incident.as_ref();
        Some(html(&TargetPage {
            frame: Frame::new(self, health, Sentence::target(self, target)),
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
            ways: view::ways(health, id),
            flags: target
                .flags
                .iter()
                .map(|f| words::flag(f))
                .collect::<Vec<_>>()
                .join(", "),
            spent: dollars(target.spent_usd_today),
            figures: view::all_figures(target),
            ttft_top: figures::milliseconds(spark.ttft_top_ms),
            spark,
            hour_from: back(60),
            hour_mid: back(30),
            steps: incident.map(|i| view::steps(i, now)).unwrap_or_default(),
            incident_id: incident.map(|i| i.id.clone()).unwrap_or_default(),
            lead: words::lead(incident.and_then(|i| i.lead_s)),
            missing: past.missing.as_deref().map(|m| words::line(m, words::MAX_LINE)),
            seen: past
                .observations
                .iter()
                .take(MAX_OBSERVATIONS)
                .map(|o| view::seen(o, now))
                .collect(),
            plans: plans.iter().map(ShownPlan::new).collect(),
        }))
    }

    /// The page for a target that nobody watches: status 404.
    pub fn missing(&self, asked: &str) -> String {
        html(&MissingPage {
            frame: Frame::new(self, self.health, Sentence::missing()),
            asked: words::line(asked, words::MAX_LINE),
        })
    }

    /// Whether the feed is past the time that it may be believed.
    fn is_stale(&self) -> bool {
        self.now > self.health.head.stale_after.0
    }

    /// The feed, or where it is stale a copy that claims nothing: a stuck monitor must not show old health.
    fn believed(&self) -> Cow<'_, Health> {
        if !self.is_stale() {
            return Cow::Borrowed(self.health);
        }
        let mut health = self.health.clone();
        for target in &mut health.targets {
            target.state = State::Unknown;
            target.since = health.head.generated_at;
            target.reason.code = "stale".into();
            "the monitor itself is silent".clone_into(&mut target.reason.text);
            target.reason.sources.clear();
            target.routing.hint = Hint::NoOpinion;
            target.incident = None;
        }
        for provider in &mut health.providers {
            provider.state = State::Unknown;
            provider.edge.state = State::Unknown;
        }
        Cow::Owned(health)
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
