//! Why, in code and words.

use super::{
    rank::Entrant,
    standing::{Standing, measured},
};
use crate::{
    config::{Fitness, Route as Rule},
    feed::route::Why,
    health::{Hint, Network},
    id::TargetId,
};

fn why(code: &'static str, text: impl Into<String>) -> Why {
    Why {
        code: code.into(),
        text: text.into(),
    }
}

/// Why a candidate is, or isn't, eligible.
pub(super) fn candidate(rule: &Rule, network: Network, entrant: &Entrant<'_>) -> Why {
    match &entrant.target.fitness {
        Fitness::Lacks(tag) => return why("missing_tag", format!("it has no tag \"{tag}\"")),
        Fitness::TooExpensive => return why("too_expensive", "it costs more than the route allows"),
        Fitness::Fit => {}
    }
    if network == Network::Offline {
        return why("unknown", "endturn has no network of its own: nothing is known");
    }
    let Some(health) = entrant.health else {
        return why("unknown", "nothing is known about it");
    };
    let reason = format!("{}: {}", health.state, health.reason.text);
    match entrant.standing {
        Standing::Well => why("ok", reason),
        Standing::Suspect => why("suspect", "operational, but something has just failed there"),
        Standing::Impaired => why("impaired", reason),
        Standing::Ramping => {
            let percent = health.routing.weight.unwrap_or_default() * 100.0;
            why(
                "ramp",
                format!("coming back: takes {percent:.0} % of its traffic for now"),
            )
        }
        Standing::Unknown => why("unknown", reason),
        Standing::TooSlow => {
            let most = rule.max_ttft.unwrap_or_default().as_secs_f64();
            let text = match measured(&health.ttft_ms) {
                Some((figure, ms)) => format!(
                    "first token after {:.1} s ({figure} of {}), at most {most} s",
                    ms / 1e3,
                    health.ttft_ms.n
                ),
                None => format!("first token later than {most} s"),
            };
            why("too_slow", text)
        }
        Standing::OwnKey if health.routing.hint == Hint::Blocked => {
            why("blocked", "endturn's key is refused or out of quota there")
        }
        Standing::OwnKey => why("throttle", "endturn's key is rate limited there"),
        Standing::Avoid => why("avoid", reason),
        Standing::Unfit => why("unfit", "it does not fit the route"),
    }
}

/// Why the route is decided as it is.
pub(super) fn decision<'a>(
    network: Network,
    chosen: Option<&Entrant<'_>>,
    first: Option<&TargetId>,
    ranked: impl Iterator<Item = &'a Entrant<'a>>,
) -> Why {
    let short = |entrant: &Entrant<'_>| match (entrant.standing, entrant.health) {
        (Standing::TooSlow, _) => format!("{} is too slow", entrant.target.id),
        (Standing::OwnKey, _) => format!("endturn's key is limited or refused at {}", entrant.target.id),
        (Standing::Suspect, _) => format!("{} is suspect", entrant.target.id),
        (Standing::Ramping, _) => format!("{} is coming back", entrant.target.id),
        (_, Some(health)) => format!(
            "{} is {} ({})",
            entrant.target.id, health.state, health.reason.code
        ),
        (_, None) => format!("{} is unknown", entrant.target.id),
    };
    let Some(chosen) = chosen else {
        let all: Vec<String> = ranked
            .filter(|entrant| entrant.standing != Standing::Unfit)
            .map(short)
            .collect();
        return why("exhausted", format!("no target can serve: {}", all.join(", ")));
    };
    let id = &chosen.target.id;
    if network == Network::Offline {
        return why(
            "nothing_known",
            "endturn has no network of its own: the order of preference stands",
        );
    }
    if !chosen.standing.is_eligible() {
        return why(
            "least_bad",
            format!("no target is eligible; {} and fails least", short(chosen)),
        );
    }
    match first {
        Some(first) if first != id => {
            let missing = ranked
                .filter(|entrant| entrant.target.id == *first)
                .map(short)
                .collect::<String>();
            why("fallback", format!("{id} serves: {missing}"))
        }
        _ => why("preferred", format!("{id} is the first choice")),
    }
}
