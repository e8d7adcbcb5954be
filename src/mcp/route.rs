//! `route`: who should serve now.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Freshness, nothing_known},
    door::SeenRoute,
};
use crate::{
    config::MAX_ROUTE_NAME_BYTES,
    feed::route::{Decision, Route},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    name: String,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    freshness: Freshness<'a>,
    /// Why nothing is known, if so: then there is no `route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_known: Option<String>,
    route: Option<&'a Route>,
}

/// Checks what is asked.
///
/// # Errors
/// What is wrong, in one line for whoever asked.
pub(super) fn name(asked: Asked) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=MAX_ROUTE_NAME_BYTES).contains(&asked.name.len()) && asked.name.chars().all(plain) {
        Ok(asked.name)
    } else {
        Err(format!(
            "a route's name has 1 to {MAX_ROUTE_NAME_BYTES} letters, digits and '.', '_', '-'"
        ))
    }
}

/// The answer.
pub(super) fn answer(seen: &SeenRoute) -> Answer {
    let route = &seen.one.route;
    let nothing = nothing_known(&seen.one.head, seen.fresh);
    let text = match &nothing {
        Some(why) => format!("{why}; behave as without endturn: your own order of preference\n"),
        None => words(seen),
    };
    let report = Report {
        freshness: Freshness::of(&seen.one.head, seen.fresh),
        route: nothing.is_none().then_some(route),
        nothing_known: nothing,
    };
    Answer::new(text, &report)
}

fn words(seen: &SeenRoute) -> String {
    let (head, route) = (&seen.one.head, &seen.one.route);
    let decision = match (&route.target, route.decision) {
        (Some(target), Decision::Use) => format!("use {target}"),
        _ => "use nobody, fail at once".to_owned(),
    };
    let mut text = format!(
        "as of {}, stale after {}\nroute {}: {decision}. {}\n",
        head.generated_at, head.stale_after, route.name, route.reason.text
    );
    for candidate in &route.candidates {
        let may = if candidate.eligible { "may serve" } else { "out" };
        let _ = writeln!(text, "{}: {may}, {}", candidate.target, candidate.why.text);
    }
    text
}
