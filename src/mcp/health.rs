//! `provider_health`: is it me or the provider?

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Freshness, as_of, foreign, foreign_opt, nothing_known},
    door::Seen,
    tools::{DEFAULT_TARGETS, MAX_PATTERNS},
};
use crate::{
    feed::{
        Filter, Time,
        v1::{Rate, TargetHealth},
    },
    health::{Hint, State},
};

/// Lines of the text; the rest is in the structured content.
const LINES: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Ids, providers, or patterns of ids.
    #[serde(default)]
    targets: Vec<String>,
}

/// Whose fault a failure would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    /// Nothing is wrong.
    Nobodys,
    /// The provider's, or its edge's.
    Provider,
    /// endturn's key is limited or refused there: yours may be too.
    OurKey,
    /// Not known.
    Unknown,
}

impl Fault {
    fn of(target: &TargetHealth) -> Self {
        match (target.state, target.routing.hint) {
            (_, Hint::Throttle | Hint::Blocked) => Self::OurKey,
            (State::Degraded | State::Partial | State::Down, _) => Self::Provider,
            (State::Operational, _) => Self::Nobodys,
            (State::Unknown, _) if target.reason.code == "self" => Self::OurKey,
            (State::Unknown | State::Maintenance, _) => Self::Unknown,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Nobodys => "the provider is well: look at your own request, key and network",
            Self::Provider => "it is the provider",
            Self::OurKey => "a key is limited or refused there: it is us, not the provider",
            Self::Unknown => "not known whose fault it would be",
        }
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    freshness: Freshness<'a>,
    /// Why nothing is known, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_known: Option<String>,
    targets: Vec<Line<'a>>,
    /// Targets that were left out.
    more: usize,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    target: String,
    state: &'static str,
    since: Option<Time>,
    for_s: Option<u64>,
    /// `allow`, `suspect`, `avoid`, `ramp`, `throttle`, `blocked`, `no_opinion`.
    advice: &'static str,
    fault: Fault,
    why: Why<'a>,
    evidence: Evidence<'a>,
    last_complete_at: Option<Time>,
    incident: Option<&'a str>,
    /// What the vendor's own status page says. Never evidence.
    official: Option<Official>,
}

#[derive(Debug, Serialize)]
struct Why<'a> {
    code: &'a str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct Evidence<'a> {
    window_s: u64,
    attempts: u64,
    failure_rate: Rate,
    truncation_rate: Rate,
    error_rate: Rate,
    sources: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct Official {
    state: &'static str,
    read_at: Time,
    from_provider: Words,
}

#[derive(Debug, Serialize)]
struct Words {
    word: Option<String>,
    title: Option<String>,
    url: Option<String>,
}

/// Checks what is asked.
///
/// # Errors
/// What is wrong, in one line for whoever asked.
pub(super) fn filter(asked: &Asked) -> Result<Option<Filter>, String> {
    if asked.targets.is_empty() {
        return Ok(None);
    }
    if asked.targets.len() > MAX_PATTERNS {
        return Err(format!(
            "targets holds {} patterns, at most {MAX_PATTERNS} are allowed",
            asked.targets.len()
        ));
    }
    if asked.targets.iter().any(|pattern| pattern.contains(',')) {
        return Err("a pattern holds a comma: give each target an item of its own".to_owned());
    }
    Filter::parse(&asked.targets.join(","))
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The answer.
pub(super) fn answer(seen: &Seen, filter: Option<&Filter>) -> Answer {
    let mut wanted: Vec<&TargetHealth> = seen
        .targets
        .iter()
        .map(AsRef::as_ref)
        .filter(|target| filter.is_none_or(|filter| filter.wants(&target.id)))
        .collect();
    let all = wanted.len();
    if filter.is_none() {
        // The ill ones first: they are what one asks for.
        wanted.sort_by_key(|target| !target.state.is_impaired());
        wanted.truncate(DEFAULT_TARGETS);
    }
    let lines: Vec<Line<'_>> = wanted.iter().map(|target| line(seen, target)).collect();
    let mut text = as_of(seen) + "\n";
    if lines.is_empty() {
        text += "no target of that name is watched; without `targets` all are told\n";
    }
    for line in lines.iter().take(LINES).filter(|_| seen.fresh) {
        let _ = write!(text, "{}: {}", line.target, line.state);
        if let Some(since) = line.since {
            let _ = write!(text, " since {since}");
        }
        let _ = writeln!(
            text,
            " ({}: {}); advice {}; {}",
            line.why.code,
            line.why.text,
            line.advice,
            line.fault.words()
        );
    }
    let report = Report {
        freshness: Freshness::of(&seen.head, seen.fresh),
        nothing_known: nothing_known(&seen.head, seen.fresh),
        more: all - lines.len(),
        targets: lines,
    };
    Answer::new(text, &report)
}

fn line<'a>(seen: &Seen, target: &'a TargetHealth) -> Line<'a> {
    let known = seen.fresh;
    Line {
        target: target.id.to_string(),
        state: if known { target.state } else { State::Unknown }.as_str(),
        since: known.then_some(target.since),
        for_s: known.then(|| seen.head.generated_at.0.since(target.since.0).as_secs()),
        advice: if known {
            target.routing.hint
        } else {
            Hint::NoOpinion
        }
        .as_str(),
        fault: if known { Fault::of(target) } else { Fault::Unknown },
        why: if known {
            Why {
                code: &target.reason.code,
                text: &target.reason.text,
            }
        } else {
            Why {
                code: "stale",
                text: "nothing is known",
            }
        },
        evidence: Evidence {
            window_s: target.window_s,
            attempts: target.attempts,
            failure_rate: target.failure_rate,
            truncation_rate: target.truncation_rate,
            error_rate: target.error_rate,
            sources: target.reason.sources.iter().map(AsRef::as_ref).collect(),
        },
        last_complete_at: target.last_complete_at,
        incident: target.incident.as_deref(),
        official: target.official.as_ref().map(|said| Official {
            state: said.state.as_str(),
            read_at: said.at,
            from_provider: Words {
                word: foreign_opt(said.word.as_ref()),
                title: foreign_opt(said.title.as_ref()),
                url: said.url.as_deref().map(foreign),
            },
        }),
    }
}
