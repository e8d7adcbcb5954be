//! What the coding agent Claude Code tells of its requests by log records (`docs/coding-agents.md`).
//!
//! A request that worked is a `claude_code.api_request`. One that failed for good is a `claude_code.api_error` with the
//! number of its attempts; a `claude_code.api_retries_exhausted` that follows tells of the same attempts again. Seen of
//! version 2.1.197. Prompts and tools have records of their own: these are passed over.

use std::{borrow::Cow, collections::HashMap, hash::BuildHasher, time::Duration};

use super::{
    directory::{Call, undated},
    facts::{Told, Value, number, whole},
    judge,
    span::{Key, Record},
};
use crate::{
    clock::Timestamp,
    protocol::{ErrorClass, Protocol, error_body},
    verdict::{FailedAt, Failure, Verdict},
};

/// The scope of its records.
const SCOPE: &str = "com.anthropic.claude_code";
/// What stands before the name of an event.
const PREFIX: &str = "claude_code.";
/// Most attempts of one request that are counted: it makes 11 itself.
pub const MAX_ATTEMPTS: u64 = 32;
/// Most requests whose attempts are remembered.
pub const MAX_REQUESTS: usize = 4_096;
/// Longest time between two records of the attempts at one request.
const SAME_REQUEST: Duration = Duration::from_secs(600);

/// What is taken from a record's attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Event<'a> {
    name: Option<Cow<'a, str>>,
    pub(super) model: Option<Cow<'a, str>>,
    pub(super) duration_ms: Option<f64>,
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) request_id: Option<Cow<'a, str>>,
    /// The error's words: they tell its class and are kept nowhere.
    error: Option<Cow<'a, str>>,
    status: Option<u16>,
    attempt: Option<u64>,
    session: Option<Cow<'a, str>>,
    prompt: Option<Cow<'a, str>>,
    sequence: Option<u64>,
}

/// Which attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Event,
    Model,
    Duration,
    Input,
    Output,
    RequestId,
    Error,
    Status,
    Attempt,
    Session,
    Prompt,
    Sequence,
}

impl<'de: 'a, 'a> Told<'de> for Event<'a> {
    type Name = Name;

    fn name(key: &[u8]) -> Option<Name> {
        Some(match key {
            b"event.name" => Name::Event,
            b"model" => Name::Model,
            b"duration_ms" => Name::Duration,
            b"input_tokens" => Name::Input,
            b"output_tokens" => Name::Output,
            b"request_id" => Name::RequestId,
            b"error" => Name::Error,
            b"status_code" => Name::Status,
            b"attempt" => Name::Attempt,
            b"session.id" => Name::Session,
            b"prompt.id" => Name::Prompt,
            b"event.sequence" => Name::Sequence,
            _ => return None,
        })
    }

    fn tell(&mut self, name: Name, value: Value<'de>) {
        match name {
            Name::Duration => self.duration_ms = number(&value),
            Name::Input => self.input = whole(&value),
            Name::Output => self.output = whole(&value),
            Name::Attempt => self.attempt = whole(&value),
            Name::Sequence => self.sequence = whole(&value),
            Name::Status => {
                let status = whole(&value).and_then(|status| u16::try_from(status).ok());
                self.status = status.filter(|status| (100..=599).contains(status));
            }
            Name::Event => self.name = text(value),
            Name::Model => self.model = text(value),
            Name::RequestId => self.request_id = text(value),
            Name::Error => self.error = text(value),
            Name::Session => self.session = text(value),
            Name::Prompt => self.prompt = text(value),
        }
    }
}

fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A request that worked.
    Worked,
    /// One that failed, with the number of its attempts.
    Failed { attempt: u64 },
    /// The attempts that an error told of, once more.
    GaveUp,
}

/// What the record tells of a request to a model; `None`: nothing, whoever wrote it.
pub(super) fn kind(scope: &str, record: &Record<'_>) -> Option<Kind> {
    let told = record.facts.name.as_deref().unwrap_or_default();
    let names = [record.body.as_ref(), record.event.as_ref(), told];
    let own = |name: &&&str| name.starts_with(PREFIX);
    let name = match names.iter().find(own) {
        Some(name) => name.strip_prefix(PREFIX)?,
        None if scope.starts_with(SCOPE) => names.into_iter().find(|name| !name.is_empty())?,
        None => return None,
    };
    match name {
        "api_request" => Some(Kind::Worked),
        "api_error" => Some(Kind::Failed {
            attempt: record.facts.attempt.unwrap_or(1).max(1),
        }),
        "api_retries_exhausted" => Some(Kind::GaveUp),
        _ => None,
    }
}

impl Event<'_> {
    /// Whom it asked. The form of the model's name tells who serves it: Bedrock's has the maker in front, Vertex's the
    /// date behind an `@`.
    pub(super) fn call(&self) -> Option<Call<'_>> {
        let model = self.model.as_deref()?;
        let provider = if model.contains("anthropic.") {
            "aws.bedrock"
        } else if model.contains('@') && undated(model).is_some() {
            "vertex-claude"
        } else {
            "anthropic"
        };
        Some(Call::named(provider, model))
    }

    /// How it failed.
    pub(super) fn failure(&self) -> Verdict {
        let words = self.error.as_deref().unwrap_or_default();
        let class = |status| error_body::class_of_words(Protocol::Anthropic, status, &[], words);
        let lower = words[..words.floor_char_boundary(512)].to_ascii_lowercase();
        let (class, at) = match self.status {
            Some(200) => (judge::within(class(200)), FailedAt::Stream),
            Some(status) => (class(status), FailedAt::Status(status)),
            None if lower.contains("abort") || lower.contains("cancel") => {
                (ErrorClass::Cancelled, FailedAt::Transport)
            }
            None if lower.contains("timeout") || lower.contains("timed out") => {
                (ErrorClass::Timeout, FailedAt::Transport)
            }
            // As its HTTP client says that a reply broke off, or that there was none.
            None if lower.contains("closed unexpectedly") || lower.contains("econnreset") => {
                (ErrorClass::Reset, FailedAt::Transport)
            }
            None if lower.contains("connection") => (ErrorClass::Connect, FailedAt::Transport),
            None => (ErrorClass::Protocol, FailedAt::Transport),
        };
        Verdict::Errored(Failure { class, at })
    }

    pub(super) const fn http_status(&self) -> Option<u16> {
        self.status
    }
}

/// Which record it is, so that one sent twice counts once, and which request its attempts belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) record: Key,
    pub(super) request: u64,
}

impl Names {
    pub(super) fn of(hash: &impl BuildHasher, service: &str, record: &Record<'_>) -> Self {
        let facts = &record.facts;
        let who = (service, &facts.session, &facts.model);
        let what = (
            &record.body,
            &facts.name,
            record.time_ns,
            facts.sequence,
            &facts.request_id,
        );
        let half = |salt: u64| hash.hash_one((salt, &who, &what, facts.attempt));
        Self {
            // No trace has this name.
            record: Key {
                trace: u128::from(half(0)) << 64 | u128::from(half(1)),
                span: 0,
            },
            request: hash.hash_one((&who, &facts.prompt)),
        }
    }
}

/// How many attempts of each request were counted.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<u64, (u64, Timestamp)>);

/// What a body changes of it, once it is taken; `None`: the request is over.
pub(super) type Changes = HashMap<u64, Option<u64>>;

impl Attempts {
    /// How many of so many attempts at a request are new. An agent that tells of each attempt on its own counts up; one
    /// that begins again has begun another request.
    pub(super) fn fresh(&self, changes: &mut Changes, request: u64, attempt: u64, now: Timestamp) -> u64 {
        let attempt = attempt.min(MAX_ATTEMPTS);
        let lately = |(counted, at): &(u64, Timestamp)| (now.since(*at) < SAME_REQUEST).then_some(*counted);
        let known = match changes.insert(request, Some(attempt)) {
            Some(changed) => changed,
            None => self.0.get(&request).and_then(lately),
        };
        known
            .filter(|counted| *counted < attempt)
            .map_or(attempt, |counted| attempt - counted)
    }

    /// The body was taken.
    pub(super) fn apply(&mut self, changes: Changes, now: Timestamp) {
        for (request, change) in changes {
            match change {
                None => {
                    self.0.remove(&request);
                }
                Some(attempt) => {
                    self.make_room(request, now);
                    self.0.insert(request, (attempt, now));
                }
            }
        }
    }

    fn make_room(&mut self, request: u64, now: Timestamp) {
        if self.0.len() == MAX_REQUESTS && !self.0.contains_key(&request) {
            self.0.retain(|_, (_, at)| now.since(*at) < SAME_REQUEST);
            if self.0.len() == MAX_REQUESTS {
                self.0.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests;
