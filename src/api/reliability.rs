//! `/v1/reliability`: what a pipeline of several requests may expect.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiState,
    history::{History, HistoryError},
    openapi::schemas,
    problem::Problem,
    query,
};
use crate::{
    clock::Timestamp,
    feed::{Time, reliability::Reliability},
    health::reliability::{CLUSTERED_AFTER_MS, MAX_STEPS, Trials, reliability as compute},
    id::TargetId,
    store::{Series, SeriesQuery},
    verdict::Source,
};

/// The window where the request names no `from`.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(86_400);
/// Most `target`s of one pipeline.
pub const MAX_PIPELINE: usize = 20;
/// Windows up to this length are looked at in steps of [`FINE`], longer ones by the hour.
const FINE_UP_TO: Duration = Duration::from_secs(8 * 86_400);
const FINE: Duration = Duration::from_secs(300);
const COARSE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Steps of a pipeline that asks one target; has no meaning for several.
    #[param(minimum = 1, maximum = 10000)]
    steps: Option<u32>,
    /// The target that each step falls back to; the step's own is a second try there.
    #[param(value_type = Option<schemas::Target>)]
    fallback: Option<String>,
    /// A day before `to` unless given.
    #[param(value_type = Option<Time>)]
    from: Option<String>,
    /// After `from`; now unless given.
    #[param(value_type = Option<Time>)]
    to: Option<String>,
}

/// A checked question.
#[derive(Debug, PartialEq)]
struct Question {
    /// Each different target with how often it comes.
    steps: Vec<(TargetId, u32)>,
    fallback: Option<TargetId>,
    from: Timestamp,
    to: Timestamp,
}

impl Question {
    fn parse(uri: &Uri, now: Timestamp) -> Result<Self, Problem> {
        let (targets, rest) = query::repeated(uri, "target");
        let asked: Asked = query::query(&rest)?;
        if targets.is_empty() || targets.len() > MAX_PIPELINE {
            return Err(Problem::bad_query(format!(
                "target comes {} times, allowed are 1 to {MAX_PIPELINE}",
                targets.len()
            )));
        }
        let mut steps: Vec<(TargetId, u32)> = Vec::new();
        for text in &targets {
            let target: TargetId = text
                .parse()
                .map_err(|error: crate::id::IdError| Problem::bad_query(error.to_string()))?;
            match steps.iter_mut().find(|(known, _)| *known == target) {
                Some((_, times)) => *times += 1,
                None => steps.push((target, 1)),
            }
        }
        match asked.steps {
            None => {}
            Some(_) if targets.len() > 1 => {
                return Err(Problem::bad_query(
                    "steps has a meaning for one target; name each step's target instead",
                ));
            }
            Some(n) if !(1..=MAX_STEPS).contains(&n) => {
                return Err(Problem::bad_query(format!(
                    "steps is {n}, allowed are 1 to {MAX_STEPS}"
                )));
            }
            Some(n) => steps.iter_mut().for_each(|(_, times)| *times = n),
        }
        let fallback = query::target_filter(asked.fallback.as_deref())?;
        let (from, to) = query::span(asked.from.as_deref(), asked.to.as_deref(), now, DEFAULT_WINDOW)?;
        Ok(Self {
            steps,
            fallback,
            from,
            to,
        })
    }

    fn answer(&self, history: &dyn History) -> Result<Reliability, HistoryError> {
        let mut window = (Time(self.from), Time(self.to));
        let mut seen = Vec::new();
        for target in self.steps.iter().map(|(id, _)| id).chain(&self.fallback) {
            let series = history.series(&self.series(target))?;
            // Whole steps are counted: the window is that of the steps.
            window = (Time(series.from), Time(series.at(series.points.len())));
            seen.push(trials(&series));
        }
        let other = self.fallback.as_ref().and(seen.last()).map(Vec::as_slice);
        let steps: Vec<(&[Trials], u32)> = self
            .steps
            .iter()
            .zip(&seen)
            .map(|((_, times), seen)| (seen.as_slice(), *times))
            .collect();
        let length = self.to.as_millis().saturating_sub(self.from.as_millis());
        let found = compute(&steps, other, length > CLUSTERED_AFTER_MS);
        let targets: Vec<TargetId> = self.steps.iter().map(|(id, _)| id.clone()).collect();
        Ok(Reliability::new(window, &targets, self.fallback.as_ref(), &found))
    }

    fn series(&self, target: &TargetId) -> SeriesQuery {
        let fine = self.to.since(self.from) <= FINE_UP_TO;
        SeriesQuery {
            target: target.clone(),
            from: self.from,
            to: self.to,
            step: if fine { FINE } else { COARSE },
            spans: Vec::new(),
            outcomes: false,
            sources: Source::ALL
                .into_iter()
                .filter(|source| *source != Source::Reach)
                .collect(),
        }
    }
}

fn trials(series: &Series) -> Vec<Trials> {
    let seen = series.points.iter().enumerate();
    seen.filter(|(_, sum)| sum.counts.attempts > 0)
        .map(|(index, sum)| Trials {
            at_ms: series.at(index).as_millis(),
            attempts: sum.counts.attempts,
            failed: sum.counts.failed(),
        })
        .collect()
}

/// What `steps` requests to one target, each with another to fall back to, may expect by the last [`DEFAULT_WINDOW`].
pub fn outlook(
    history: &dyn History,
    (target, fallback): (TargetId, Option<TargetId>),
    steps: u32,
    now: Timestamp,
) -> Result<Reliability, HistoryError> {
    let question = Question {
        steps: vec![(target, steps)],
        fallback,
        from: now.minus(DEFAULT_WINDOW),
        to: now,
    };
    question.answer(history)
}

/// Compound reliability of an agent of several steps, with interval.
///
/// One target with `steps`, or a `target` for each step.
#[utoipa::path(get, path = "/v1/reliability", tag = "past",
    params(("target" = Vec<schemas::Target>, Query, description = "Each step's target; the same one may come again",
        explode = true, style = Form, min_items = 1, max_items = 20), Asked), responses(
    (status = 200, description = "The figures, or why there are none", body = Reliability),
    schemas::Unavailable,
))]
pub(super) async fn reliability(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    let question = Question::parse(&uri, api.clock.wall())?;
    let answer = api.read(move |history| question.answer(history)).await?;
    Ok(Json(answer).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Question, Problem> {
        let uri: Uri = format!("/v1/reliability?{query}").parse().unwrap();
        Question::parse(&uri, Timestamp::from_millis(1_781_960_460_000))
    }

    fn steps(query: &str) -> Vec<(String, u32)> {
        let question = parse(query).unwrap_or_else(|problem| panic!("{query}: {problem:?}"));
        let name = |(id, times): &(TargetId, u32)| (id.to_string(), *times);
        question.steps.iter().map(name).collect()
    }

    #[test]
    fn several_targets_are_steps_of_their_own() {
        let step = |id: &str, times| (id.to_owned(), times);
        assert_eq!(steps("target=a/m"), [step("a/m", 1)]);
        assert_eq!(steps("target=a/m&steps=6"), [step("a/m", 6)]);
        assert_eq!(
            steps("target=a/m&target=b%2Fm&target=a/m"),
            [step("a/m", 2), step("b/m", 1)]
        );
        let most = "target=a/m&".repeat(MAX_PIPELINE);
        assert_eq!(steps(most.trim_end_matches('&')), [step("a/m", 20)]);
        assert_eq!(
            steps(&format!("target=a/m&steps={MAX_STEPS}")),
            [step("a/m", MAX_STEPS)]
        );
    }

    #[test]
    fn questions_without_sense_are_turned_away() {
        let many = "target=a/m&".repeat(MAX_PIPELINE + 1);
        for query in [
            "",
            "target=",
            "target=nobody",
            "target=a/m&steps=0",
            "target=a/m&steps=10001",
            "target=a/m&steps=-1",
            "target=a/m&target=b/m&steps=2",
            "target=a/m&fallback=x",
            "target=a/m&from=now",
            "target=a/m&from=2026-06-20T00:00:00Z&to=2026-06-20T00:00:00Z",
            "target=a/m&limit=3",
            "target=a/m&steps=2&steps=3",
            many.trim_end_matches('&'),
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
