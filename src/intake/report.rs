//! One report: what it may say, and what that means.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use crate::{
    clock::Timestamp,
    feed::outcome::Outcome,
    id::TargetId,
    protocol::{ErrorClass, Protocol, error_body},
    verdict::{FailedAt, Failure, Observation, Phases, Source, Truncation, Trust, Verdict},
};

/// Longest id of a report, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Longest name of a reporter, in bytes.
pub const MAX_REPORTER_BYTES: usize = 128;
/// Longest stop reason that is kept, in bytes; a longer one is cut.
pub const MAX_STOP_REASON_BYTES: usize = 128;
/// Longest name of a model, a configuration or a region that is kept, in bytes; a longer one is cut.
pub const MAX_WORD_BYTES: usize = 128;
/// Longest error that is kept, in bytes; a longer one is cut.
pub const MAX_ERROR_BYTES: usize = 512;
/// Longest time that a report may tell, in milliseconds: a day.
pub const MAX_MS: f64 = 86_400_000.0;
/// Most tokens that a report may tell.
pub const MAX_TOKENS: u64 = 1_000_000_000;
/// Most target names that are kept ready.
const MAX_NAMES: usize = 4_096;

/// What `verdict` may be.
pub const VERDICTS: [&str; 7] = [
    "complete",
    "truncated",
    "limited",
    "refused",
    "errored",
    "cancelled",
    "unknown",
];
/// What `source` may be.
const SOURCES: [Source; 2] = [Source::Report, Source::Tap];

/// Target ids by their text: the same few come again and again.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, TargetId>);

impl Names {
    fn get(&mut self, text: &str) -> Result<TargetId, String> {
        if let Some(id) = self.0.get(text) {
            return Ok(id.clone());
        }
        let id: TargetId = text
            .parse()
            .map_err(|error: crate::id::IdError| error.to_string())?;
        if self.0.len() == MAX_NAMES {
            self.0.clear();
        }
        self.0.insert(text.to_owned(), id.clone());
        Ok(id)
    }
}

impl Outcome<'_> {
    /// The observation that the report tells of, received now.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub(super) fn observation(
        &self,
        names: &mut Names,
        trust: Trust,
        now: Timestamp,
    ) -> Result<Observation, String> {
        bounded("id", self.id.as_deref(), MAX_ID_BYTES)?;
        bounded("reporter", self.reporter.as_deref(), MAX_REPORTER_BYTES)?;
        let target = self.target(names)?;
        if let Some(status) = self.http_status
            && !(100..=599).contains(&status)
        {
            return Err(format!("http_status is {status}, allowed are 100 to 599"));
        }
        let verdict = self.verdict()?;
        let mut seen = Observation::new(target, now, self.source()?, verdict);
        seen.started = self.at(now)?;
        seen.trust = trust;
        seen.phases = self.phases(verdict)?;
        seen.retry_after = milliseconds("retry_after_ms", self.retry_after_ms)?;
        seen.usage.input = tokens("input_tokens", self.input_tokens)?;
        seen.usage.output = tokens("output_tokens", self.output_tokens)?;
        seen.usage.reasoning = tokens("reasoning_tokens", self.reasoning_tokens)?;
        seen.http_status = self.http_status;
        seen.stop_reason = kept(self.stop_reason.as_deref(), MAX_STOP_REASON_BYTES);
        seen.served_model = kept(self.served_model.as_deref(), MAX_WORD_BYTES);
        seen.fingerprint = kept(self.fingerprint.as_deref(), MAX_WORD_BYTES);
        seen.region = kept(self.region.as_deref(), MAX_WORD_BYTES);
        seen.reporter = self.reporter.as_deref().map(ToOwned::to_owned);
        if verdict != Verdict::Complete {
            let id = self.request_id.as_deref().or(self.id.as_deref());
            let detail = self.detail.as_deref().or(self.error.as_deref());
            seen.request_id = kept(id, MAX_ID_BYTES);
            seen.detail = kept(detail, MAX_ERROR_BYTES);
        }
        Ok(seen)
    }

    fn source(&self) -> Result<Source, String> {
        match self.source.as_deref() {
            None => Ok(Source::Report),
            Some(name) => SOURCES
                .into_iter()
                .find(|source| source.as_str() == name)
                .ok_or_else(|| {
                    let known = SOURCES.map(Source::as_str).join(", ");
                    format!(
                        "source {:?} is unknown, known are {known}",
                        cut(name, MAX_ID_BYTES)
                    )
                }),
        }
    }

    /// Lengths; none is longer than the whole.
    fn phases(&self, verdict: Verdict) -> Result<Phases, String> {
        let end = milliseconds("e2e_ms", self.e2e_ms)?;
        let within = |name: &str, value: Option<f64>| {
            let length = milliseconds(name, value)?;
            match (length, end) {
                (Some(length), Some(end)) if length > end => Err(format!("{name} is longer than e2e_ms")),
                _ => Ok(length),
            }
        };
        Ok(Phases {
            connect: milliseconds("connect_ms", self.connect_ms)?,
            first_token: within("ttft_ms", self.ttft_ms)?,
            first_output: within("ttfo_ms", self.ttfo_ms)?,
            last_token: within("last_token_ms", self.last_token_ms)?,
            gap_max: within("gap_ms", self.gap_ms)?,
            terminal: end.filter(|_| verdict == Verdict::Complete),
            end,
            ..Phases::default()
        })
    }

    fn target(&self, names: &mut Names) -> Result<TargetId, String> {
        match (&self.target, &self.provider, &self.model) {
            (Some(target), None, None) => names.get(target),
            (None, Some(provider), Some(model)) => names.get(&format!("{provider}/{model}")),
            (Some(target), provider, model) => {
                let id = names.get(target)?;
                let agrees =
                    |half: &Option<Cow<'_, str>>, own: &str| half.as_ref().is_none_or(|half| half == own);
                if agrees(provider, id.provider().as_str()) && agrees(model, id.model().as_str()) {
                    Ok(id)
                } else {
                    Err("target says another provider or model than provider and model do".to_owned())
                }
            }
            (None, _, _) => Err("target is missing; or give provider and model".to_owned()),
        }
    }

    /// When the request was; a reporter whose clock is ahead told of it just now.
    fn at(&self, now: Timestamp) -> Result<Timestamp, String> {
        let Some(text) = self.at.as_deref() else {
            return Ok(now);
        };
        Timestamp::from_rfc3339(text)
            .map(|at| at.min(now))
            .ok_or_else(|| format!("at {:?} is no RFC 3339 time", cut(text, MAX_ID_BYTES)))
    }

    fn verdict(&self) -> Result<Verdict, String> {
        let Some(verdict) = self.verdict.as_deref() else {
            return Err(format!("verdict is missing, known are {}", VERDICTS.join(", ")));
        };
        Ok(match verdict {
            "complete" => Verdict::Complete,
            "truncated" => Verdict::Truncated(self.truncation()?),
            "limited" => Verdict::Limited,
            "refused" => Verdict::Refused,
            "unknown" => Verdict::Unknown,
            "errored" => Verdict::Errored(Failure {
                class: self.class(),
                at: self.failed_at(),
            }),
            "cancelled" => Verdict::Errored(Failure {
                class: ErrorClass::Cancelled,
                at: self.failed_at(),
            }),
            _ => {
                let verdict = cut(verdict, MAX_ID_BYTES);
                let known = VERDICTS.join(", ");
                return Err(format!("verdict {verdict:?} is unknown, known are {known}"));
            }
        })
    }

    fn truncation(&self) -> Result<Truncation, String> {
        let Some(kind) = self.kind.as_deref() else {
            return Ok(Truncation::Cut);
        };
        let all = Truncation::ALL;
        all.into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or_else(|| {
                let known = all.map(Truncation::as_str).join(", ");
                format!("kind {:?} is unknown, known are {known}", cut(kind, MAX_ID_BYTES))
            })
    }

    /// Where it failed: a status tells, or else a first token. Without either nothing proves that anybody answered.
    fn failed_at(&self) -> FailedAt {
        match self.http_status {
            Some(200) => FailedAt::Stream,
            Some(status) => FailedAt::Status(status),
            None if self.ttft_ms.is_some() => FailedAt::Stream,
            None => FailedAt::Transport,
        }
    }

    /// Our class of the error: our own word, else the provider's word and status as a probe would read them. What
    /// neither tells is unclassified.
    fn class(&self) -> ErrorClass {
        let word = self.error.as_deref().unwrap_or_default();
        if let Some(class) = ErrorClass::parse(word) {
            return class;
        }
        match self.http_status {
            Some(status) if status != 200 => {
                let body = serde_json::json!({"error": {"type": word, "code": word, "message": word}});
                let body = body.to_string();
                error_body::classify(Protocol::OpenaiChat, status, &[], body.as_bytes()).class
            }
            _ => ErrorClass::Protocol,
        }
    }
}

fn bounded(name: &str, text: Option<&str>, most: usize) -> Result<(), String> {
    match text {
        Some("") => Err(format!("{name} is empty")),
        Some(text) if text.len() > most => Err(format!(
            "{name} has {} bytes, at most {most} are taken",
            text.len()
        )),
        _ => Ok(()),
    }
}

fn milliseconds(name: &str, value: Option<f64>) -> Result<Option<Duration>, String> {
    match value {
        Some(ms) if !(0.0..=MAX_MS).contains(&ms) => {
            Err(format!("{name} is {ms}, allowed are 0 to {MAX_MS}"))
        }
        value => Ok(value.map(|ms| Duration::from_secs_f64(ms / 1e3))),
    }
}

fn tokens(name: &str, value: Option<u64>) -> Result<Option<u64>, String> {
    match value {
        Some(n) if n > MAX_TOKENS => Err(format!("{name} is {n}, allowed are 0 to {MAX_TOKENS}")),
        value => Ok(value),
    }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn kept(text: Option<&str>, most: usize) -> Option<String> {
    text.filter(|text| !text.is_empty())
        .map(|text| cut(text, most).to_owned())
}

#[cfg(test)]
mod tests;
