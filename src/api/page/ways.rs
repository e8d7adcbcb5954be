//! Routes on the overview: who serves each now, why, and what an agent of some steps may expect of it.

use super::{frame::href, words};
use crate::{
    feed::{
        reliability::Reliability,
        route::{Decision, Route},
    },
    health::State,
    id::TargetId,
};

/// Requests of the agent that the page speaks of, each of which must be answered in full.
pub const AGENT_STEPS: u32 = 6;

/// A route as the page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// What was decided.
    pub route: Route,
    /// Who it would be, had all been well, and who stands in first.
    pub pair: Pair,
}

/// The first choice of a route and the target that each of its steps falls back to.
pub type Pair = (TargetId, Option<TargetId>);

/// One line of the overview.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) state: State,
    /// Who serves, and its page.
    pub(super) target: Option<(String, String)>,
    pub(super) why: String,
    /// `97.1 %`, and its interval in words.
    pub(super) agent: Option<(String, String)>,
    /// Why there is no figure.
    pub(super) missing: String,
}

/// The lines of all routes; `outlooks` are those of their pairs, in the same order.
pub(super) fn lines(ways: &[Way], outlooks: &[Reliability]) -> Vec<Line> {
    let outlooks = outlooks.iter().map(Some).chain(std::iter::repeat(None));
    ways.iter()
        .zip(outlooks)
        .map(|(way, outlook)| line(way, outlook))
        .collect()
}

fn line(way: &Way, outlook: Option<&Reliability>) -> Line {
    let route = &way.route;
    let serving = route.target.as_ref().filter(|_| route.decision == Decision::Use);
    let state = serving.and_then(|id| route.candidates.iter().find(|candidate| candidate.target == *id));
    let agent = outlook.and_then(|outlook| Some((outlook, outlook.point?, outlook.low?, outlook.high?)));
    Line {
        name: route.name.clone(),
        state: state.map_or(State::Down, |candidate| candidate.state),
        target: serving.map(|id| (id.to_string(), href(id))),
        why: words::line(&route.reason.text, words::MAX_LINE),
        agent: agent.map(|(outlook, point, low, high)| {
            let other = way.pair.1.as_ref().map_or(String::new(), |id| {
                format!(", each step with {id} to fall back to")
            });
            let interval = format!("{}–{} over 24 h · n {}{other}", bare(low), fine(high), outlook.n);
            (fine(point), interval)
        }),
        missing: match outlook {
            Some(outlook) => outlook.insufficient.clone().unwrap_or_default(),
            None => "history can't be read".to_owned(),
        },
    }
}

/// One decimal, and two from 99 % on, where a tenth of a point is much. Rounded down.
fn fine(share: f64) -> String {
    if (0.99..1.0).contains(&share) {
        format!("{:.2}\u{a0}%", (share * 1e4).floor() / 1e2)
    } else {
        format!("{:.1}\u{a0}%", (share * 1e3).floor() / 1e1)
    }
}

fn bare(share: f64) -> String {
    fine(share)
        .trim_end_matches('%')
        .trim_end_matches('\u{a0}')
        .to_owned()
}
