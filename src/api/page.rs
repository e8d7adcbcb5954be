//! The status page: HTML from the server, complete without script, kept live by a small one.
//!
//! Rendering is pure: [`Scene`] takes the feed and what the store remembers and gives
//! HTML. Nothing on a page needs more than
//! [`CONTENT_SECURITY_POLICY`], which the API's guard sends along: no inline script, no inline style, nothing from
//! elsewhere.

mod assets;
mod bars;
mod chart;
mod declared;
mod figures;
mod frame;
mod incident;
mod incidents;
mod methodology;
mod overview;
mod seen;
mod sentence;
mod serve;
mod target;
mod uptime;
mod ways;
mod whose;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use askama::Template;

use crate::{
    clock::Timestamp,
    feed::v1::Health,
    health::{Hint, State},
};

use self::{frame::Frame, sentence::Sentence};

pub use self::{
    bars::{Calendar, DAYS, Day, DaysOf},
    chart::{History, Range},
    frame::Budget,
    incident::{Alerted, Case, Lost, MAX_EVIDENCE},
    incidents::{INCIDENTS, MAX_OPEN, Spells},
    methodology::{Asked, Rules},
    serve::{CLOSED_FRESH, Shelf, TODAY_FRESH, routes},
    target::{MAX_FAILURES, MAX_LISTED, MAX_STEPS, Past, Plan},
    ways::{AGENT_STEPS, Pair, Way},
};

/// What a browser may do with a page of ours, and with every other response: nothing that a page does not bring along.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                           connect-src 'self'; base-uri 'none'; form-action 'none'; \
                                           frame-ancestors 'none'";
/// Most observations on a target's page, failures with their evidence apart.
pub const MAX_OBSERVATIONS: usize = 25;

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingPage {
    frame: Frame,
    what: Missing,
    asked: String,
}

/// What was asked for and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A target that nobody watches.
    Target,
    /// An incident that is not kept.
    Incident,
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
    /// The page for what is not there: status 404.
    pub fn missing(&self, what: Missing, asked: &str) -> String {
        html(&MissingPage {
            frame: Frame::new(self, self.health, Sentence::missing(what), ""),
            what,
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
