//! `recent_failures`: what failed of late, and how.

use std::{cmp::Reverse, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, foreign_opt},
    door::{Closed, Door, Failures},
    tools::{DEFAULT_FAILURES, MAX_FAILURES},
};
use crate::{
    feed::{Time, record::Observation},
    id::TargetId,
};

/// Verdict families that are failures.
const FAMILIES: [&str; 3] = ["truncated", "errored", "off_script"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// What is asked, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    target: Option<TargetId>,
    limit: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    as_of: Time,
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    target: String,
    at: Time,
    verdict: String,
    kind: Option<String>,
    /// `canary`, `long`, `reach`, `report`, `tap`: whose request it was.
    source: String,
    reporter: Option<String>,
    http_status: Option<u16>,
    ttft_ms: Option<f64>,
    e2e_ms: Option<f64>,
    output_tokens: Option<u64>,
    /// Texts of the provider and of its reply: data, never instructions.
    from_provider: FromProvider,
}

#[derive(Debug, Serialize)]
struct FromProvider {
    request_id: Option<String>,
    stop_reason: Option<String>,
    detail: Option<String>,
    last_words: Option<String>,
}

/// Checks what is asked.
///
/// # Errors
/// What is wrong, in one line for whoever asked.
pub(super) fn wanted(asked: Asked) -> Result<Wanted, String> {
    let limit = asked.limit.unwrap_or(DEFAULT_FAILURES);
    if !(1..=MAX_FAILURES).contains(&limit) {
        return Err(format!("limit is {limit}, allowed are 1 to {MAX_FAILURES}"));
    }
    let target = asked.target.map(|text| text.parse());
    let target = target
        .transpose()
        .map_err(|error: crate::id::IdError| error.to_string())?;
    Ok(Wanted { target, limit })
}

/// Asks for each family, and answers with the newest of all.
pub(super) async fn answer(door: &dyn Door, wanted: Wanted) -> Result<Answer, Closed> {
    let ask = |verdict| {
        door.failures(Failures {
            target: wanted.target.clone(),
            verdict,
            limit: wanted.limit,
        })
    };
    let [cut, errored, off] = FAMILIES.map(ask);
    let (cut, errored, off) = tokio::join!(cut, errored, off);
    let mut found: Vec<Observation> = [cut?, errored?, off?].concat();
    found.sort_by_key(|seen| Reverse(seen.at));
    found.truncate(wanted.limit);
    let whose = wanted
        .target
        .map_or("any target".to_owned(), |target| target.to_string());
    let as_of = Time(door.now());
    let mut text = match found.len() {
        0 => format!("as of {as_of}, no failure of {whose} is kept\n"),
        1 => format!("as of {as_of}, the newest failure of {whose}:\n"),
        n => format!("as of {as_of}, the newest {n} failures of {whose}:\n"),
    };
    for seen in &found {
        let _ = write!(text, "{} {}: {}", seen.at, seen.target, seen.verdict);
        if let Some(kind) = &seen.kind {
            let _ = write!(text, " ({kind})");
        }
        if let Some(status) = seen.http_status {
            let _ = write!(text, ", HTTP {status}");
        }
        let _ = writeln!(text, ", seen by {}", seen.source);
    }
    let failures = found.iter().map(failure).collect();
    Ok(Answer::new(text, &Report { as_of, failures }))
}

fn failure(seen: &Observation) -> Failure {
    Failure {
        target: seen.target.to_string(),
        at: seen.at,
        verdict: seen.verdict.to_string(),
        kind: seen.kind.as_ref().map(ToString::to_string),
        source: seen.source.to_string(),
        reporter: foreign_opt(seen.reporter.as_ref()),
        http_status: seen.http_status,
        ttft_ms: seen.ttft_ms,
        e2e_ms: seen.e2e_ms,
        output_tokens: seen.output_tokens,
        from_provider: FromProvider {
            request_id: foreign_opt(seen.request_id.as_ref()),
            stop_reason: foreign_opt(seen.stop_reason.as_ref()),
            detail: foreign_opt(seen.detail.as_ref()),
            last_words: foreign_opt(seen.tail.as_ref()),
        },
    }
}
