//! One target's page.

use std::time::Duration;

use askama::Template;

use crate::{
    clock::Timestamp,
    feed::{
        Finding,
        evidence::Evidence,
        v1::{Health, TargetHealth},
    },
    health::{Incident, Standing, State},
    id::TargetId,
    verdict::{CanaryKind, Observation},
};

use super::{
    MAX_OBSERVATIONS, Scene, assets,
    chart::{Board, Fall, History, Range, fall},
    declared::Word,
    figures::{self, Figure, Moment, dollars},
    frame::{Frame, Spoken, href, incident_href},
    html,
    incident::{Step, steps},
    overview::first_tokens,
    seen::{Seen, seen},
    sentence::Sentence,
    uptime::{Uptime, uptime},
    whose::Whose,
    words,
};

/// Most failures on a target's page.
pub const MAX_FAILURES: usize = 15;
/// Most lines of the open incident's timeline: its first and its last ones. Its own page has them all.
pub const MAX_STEPS: usize = 6;
/// Most incidents in the list of a target's page.
pub const MAX_LISTED: usize = 10;

#[derive(Template)]
#[template(path = "target.html")]
struct TargetPage {
    frame: Frame,
    id: TargetId,
    here: String,
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
    word: Option<Whose>,
    declared: Vec<Word>,
    uptime: Vec<Uptime>,
    ranges: [Range; Range::ALL.len()],
    range: Range,
    board: Option<Board>,
    falls: Vec<Fall>,
    open: Option<Open>,
    missing: Option<String>,
    failures: Vec<Seen>,
    seen: Vec<Seen>,
    incidents: Vec<Listed>,
    plans: Vec<ShownPlan>,
}

/// The open incident.
struct Open {
    id: String,
    href: String,
    /// When the official page spoke.
    lead: String,
    steps: Vec<Step>,
    /// How many lines of the timeline are not shown.
    left_out: usize,
}

/// An incident in the list.
struct Listed {
    href: String,
    what: &'static str,
    state: State,
    since: Moment,
    /// `for 4 min`, or that it goes on.
    length: String,
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
    /// What the charts show.
    pub history: Option<History>,
    /// What was truncated or failed, newest first.
    pub failures: Vec<Observation>,
    /// Newest first.
    pub observations: Vec<Observation>,
    /// Recent complete replies of each kind of canary, for the phases.
    pub complete: Vec<(CanaryKind, Vec<Observation>)>,
    /// Days of the last quarter; those of other targets are passed over.
    pub standings: Vec<Standing>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// The last incidents, the open one included, last opened first.
    pub incidents: Vec<Incident>,
    /// Where the figures come from.
    pub evidence: Option<Evidence>,
    /// Why there is less than there should be.
    pub missing: Option<String>,
}

impl Scene<'_> {
    /// One target's page; `None` where the feed has no such target.
    pub fn target(&self, id: &TargetId, range: Range, past: &Past, plans: &[Plan]) -> Option<String> {
        let (health, now) = (&*self.believed(), self.now);
        let target = health.targets.iter().find(|t| &t.id == id)?;
        Some(html(&TargetPage {
            frame: Frame {
                js: &assets::TARGET_SCRIPT.path,
                ..Frame::new(self, health, Sentence::target(self, target), "")
            },
            id: target.id.clone(),
            here: href(&target.id),
            state: target.state,
            since: Moment::new(target.since.0, now),
            why: words::line(&target.reason.text, words::MAX_LINE),
            sources: target.reason.sources.join(", "),
            routing: words::routing(&target.routing, now),
            declared: Word::all(target, now),
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
            word: past.evidence.as_ref().and_then(Whose::of),
            uptime: uptime(id, &past.standings, now),
            ranges: Range::ALL,
            range,
            board: past
                .history
                .as_ref()
                .map(|history| Board::draw(history, target.soft_deadline_ms, now)),
            falls: past
                .complete
                .iter()
                .filter_map(|(kind, seen)| fall(kind.as_str(), seen))
                .collect(),
            open: past.incident.as_ref().map(|incident| Open::new(incident, now)),
            missing: past.missing.as_deref().map(|m| words::line(m, words::MAX_LINE)),
            failures: past
                .failures
                .iter()
                .take(MAX_FAILURES)
                .map(|o| seen(o, now))
                .collect(),
            seen: past
                .observations
                .iter()
                .take(MAX_OBSERVATIONS)
                .map(|o| brief(o, now))
                .collect(),
            incidents: past
                .incidents
                .iter()
                .take(MAX_LISTED)
                .map(|i| Listed::new(i, now))
                .collect(),
            plans: plans.iter().map(ShownPlan::new).collect(),
        }))
    }
}

/// A reply without its evidence, which stands among the failures.
fn brief(observation: &Observation, now: Timestamp) -> Seen {
    Seen {
        detail: None,
        tail: None,
        ..seen(observation, now)
    }
}

/// The first line of a timeline and the last ones, at most [`MAX_STEPS`].
fn ends(mut steps: Vec<Step>) -> Vec<Step> {
    if steps.len() > MAX_STEPS {
        steps.drain(1..=steps.len() - MAX_STEPS);
    }
    steps
}

impl Open {
    fn new(incident: &Incident, now: Timestamp) -> Self {
        Self {
            id: incident.id.clone(),
            href: incident_href(&incident.id),
            lead: words::lead(incident.lead_s),
            steps: ends(steps(incident, now)),
            left_out: incident.timeline.len().saturating_sub(MAX_STEPS),
        }
    }
}

impl Listed {
    fn new(incident: &Incident, now: Timestamp) -> Self {
        let length = |end: Timestamp| figures::age(end.since(incident.started));
        Self {
            href: incident_href(&incident.id),
            what: words::incident_name(incident.reason.code.as_str()),
            state: incident.worst,
            since: Moment::new(incident.started, now),
            length: match incident.recovered {
                Some(end) => format!("for {}", length(end)),
                None => format!("goes on since {}", length(now)),
            },
        }
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
