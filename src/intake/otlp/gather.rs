//! From items as they come to what a body tells of model calls.

use std::{borrow::Cow, hash::RandomState, time::Duration};

use super::{
    agent::{self, Attempts, Changes, Kind, MAX_ATTEMPTS, Names},
    dialect,
    directory::{Call, Directory, Words},
    judge::{self, Judged},
    memory::{Admitted, Memory, Node, Told},
    span::{Record, Resource, Span, Take},
};
use crate::{
    clock::Timestamp,
    id::{IdError, TargetId},
    intake::{
        MAX_ERROR_BYTES, MAX_ID_BYTES, MAX_MS, MAX_REPORTER_BYTES, MAX_STOP_REASON_BYTES, MAX_TOKENS,
        MAX_WORD_BYTES,
    },
    verdict::{Observation, Source, Trust, Verdict},
};

/// Most spans or records of one body; those beyond are rejected.
pub const MAX_ITEMS: usize = 50_000;
/// Most observations that come of one body; calls beyond are rejected. Attempts count each.
pub const MAX_CALLS: usize = 10_000;
/// Most different reasons that an answer names.
pub const MAX_REASONS: usize = 4;
/// Our own service's name: what we say of our probes is known already.
const OURS: &str = "endturn";
/// Most calls whose target is kept ready while a body is read.
const MAX_READY: usize = 32;

/// What a body tells.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) calls: Vec<Told>,
    /// Spans that are no model calls: they tell what is around what.
    pub(super) others: Vec<Node>,
    pub(super) events: Vec<AgentEvent>,
    reasons: Vec<(String, u64)>,
    more: u64,
}

impl Batch {
    /// Spans and records that can't be taken although they tell of a model call, and those beyond [`MAX_ITEMS`].
    pub fn rejected(&self) -> u64 {
        self.more + self.reasons.iter().map(|(_, times)| times).sum::<u64>()
    }

    /// Why they can't, in one line; empty if there are none.
    pub fn message(&self) -> String {
        let told = self
            .reasons
            .iter()
            .map(|(reason, times)| format!("{times} x {reason}"));
        let more = (self.more > 0).then(|| format!("{} more", self.more));
        told.chain(more).collect::<Vec<_>>().join("; ")
    }

    fn reject(&mut self, reason: &str) {
        if let Some((_, times)) = self.reasons.iter_mut().find(|(known, _)| known == reason) {
            *times += 1;
        } else if self.reasons.len() < MAX_REASONS {
            self.reasons.push((reason.to_owned(), 1));
        } else {
            self.more += 1;
        }
    }
}

/// What a coding agent told of a request.
#[derive(Debug)]
pub(super) struct AgentEvent {
    names: Names,
    kind: Kind,
    seen: Option<Observation>,
}

impl AgentEvent {
    /// Counts it, unless it was.
    pub(super) fn admit(
        self,
        memory: &Memory,
        attempts: &Attempts,
        changes: &mut Changes,
        admitted: &mut Admitted,
        now: Timestamp,
    ) {
        if memory.knows(&self.names.record) || admitted.records.contains(&self.names.record) {
            admitted.duplicates += 1;
            return;
        }
        let times = match self.kind {
            Kind::Worked => {
                changes.insert(self.names.request, None);
                1
            }
            Kind::Failed { attempt } => attempts.fresh(changes, self.names.request, attempt, now),
            Kind::GaveUp => {
                changes.insert(self.names.request, None);
                admitted.same += 1;
                return;
            }
        };
        admitted.records.insert(self.names.record);
        if let Some(seen) = self.seen {
            for _ in 0..times {
                admitted.observations.push(seen.clone());
            }
        }
    }
}

/// Reads the items of one body.
pub(super) struct Gather<'d> {
    hash: &'d RandomState,
    directory: &'d Directory,
    trust: Trust,
    now: Timestamp,
    items: usize,
    calls: usize,
    ready: Vec<Ready>,
    batch: Batch,
}

/// A call whose target is known.
struct Ready {
    words: Words,
    target: Result<TargetId, IdError>,
}

impl<'d> Gather<'d> {
    pub(super) fn new(hash: &'d RandomState, directory: &'d Directory, trust: Trust, now: Timestamp) -> Self {
        Self {
            hash,
            directory,
            trust,
            now,
            items: 0,
            calls: 0,
            ready: Vec::new(),
            batch: Batch::default(),
        }
    }

    pub(super) fn done(self) -> Batch {
        self.batch
    }

    /// Whether there is room for one more item.
    fn has_room(&mut self) -> bool {
        if self.items == MAX_ITEMS {
            self.batch.more += 1;
            return false;
        }
        self.items += 1;
        true
    }

    /// Whether there is room for so many more observations.
    fn has_places(&mut self, times: u64) -> bool {
        if self.calls + times as usize > MAX_CALLS {
            self.batch.more += 1;
            return false;
        }
        self.calls += times as usize;
        true
    }

    fn target(&mut self, call: &Call<'_>) -> Result<TargetId, IdError> {
        if let Some(ready) = self.ready.iter().find(|ready| ready.words == *call) {
            return ready.target.clone();
        }
        let target = self.directory.target(call);
        if self.ready.len() == MAX_READY {
            self.ready.clear();
        }
        self.ready.push(Ready {
            words: call.kept(),
            target: target.clone(),
        });
        target
    }

    /// An observation of that call, with what is the same for spans and records.
    fn seen(
        &mut self,
        call: Option<Call<'_>>,
        resource: &Resource<'_>,
        started_ms: u64,
        verdict: Verdict,
    ) -> Option<Observation> {
        let Some(call) = call else {
            self.batch.reject("a model call without a provider or a model");
            return None;
        };
        match self.target(&call) {
            Ok(target) => {
                let mut seen = Observation::new(target, self.now, Source::Report, verdict);
                seen.started = started(started_ms, self.now);
                seen.trust = self.trust;
                seen.reporter = kept(resource.service.as_ref(), MAX_REPORTER_BYTES);
                seen.region = kept(resource.region.as_ref(), MAX_WORD_BYTES);
                Some(seen)
            }
            Err(error) => {
                self.batch.reject(&error.to_string());
                None
            }
        }
    }

    fn model_call(&mut self, resource: &Resource<'_>, span: &Span<'_>) {
        let Judged { verdict, http_status } = judge::judge(span);
        let facts = &span.facts;
        let call = Call::of(facts);
        let Some(mut seen) = self.seen(call, resource, span.start_ns / 1_000_000, verdict) else {
            return;
        };
        let end = span
            .end_ns
            .checked_sub(span.start_ns)
            .filter(|_| span.start_ns > 0);
        let end = end.map(Duration::from_nanos).filter(in_range);
        let first = facts
            .first_chunk_s
            .and_then(|s| Duration::try_from_secs_f64(s).ok());
        let first = first.or_else(|| {
            Some(Duration::from_nanos(
                facts.first_token_ns?.checked_sub(span.start_ns)?,
            ))
        });
        seen.phases.end = end;
        seen.phases.terminal = end.filter(|_| verdict == Verdict::Complete);
        seen.phases.first_token =
            first.filter(|first| in_range(first) && end.is_none_or(|end| *first <= end));
        seen.usage.input = count(facts.input.get().copied());
        seen.usage.output = count(facts.output.get().copied());
        seen.usage.reasoning = count(facts.reasoning);
        seen.http_status = http_status;
        seen.stop_reason = kept(facts.finishes().first(), MAX_STOP_REASON_BYTES);
        seen.served_model = kept(facts.response_model.get(), MAX_WORD_BYTES);
        seen.fingerprint = kept(facts.fingerprint.as_ref(), MAX_WORD_BYTES);
        if verdict != Verdict::Complete {
            seen.request_id = kept(facts.response_id.get(), MAX_ID_BYTES);
            seen.detail = facts.error_type.get().and_then(|name| identifier(name));
        }
        self.batch.calls.push(Told {
            key: span.key,
            parent: span.parent,
            seen,
        });
    }

    fn event(&mut self, resource: &Resource<'_>, kind: Kind, record: &Record<'_>) {
        let facts = &record.facts;
        let names = Names::of(self.hash, resource.service.as_deref().unwrap_or_default(), record);
        let seen = match kind {
            Kind::GaveUp => None,
            Kind::Worked => {
                let lasted = facts
                    .duration_ms
                    .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
                let lasted = lasted.filter(in_range);
                let started_ms =
                    (record.time_ns / 1_000_000).saturating_sub(lasted.map_or(0, |l| l.as_millis() as u64));
                let seen = self.seen(facts.call(), resource, started_ms, Verdict::Complete);
                seen.map(|mut seen| {
                    seen.phases.end = lasted;
                    seen.phases.terminal = lasted;
                    seen.usage.input = count(facts.input);
                    seen.usage.output = count(facts.output);
                    seen
                })
            }
            Kind::Failed { .. } => {
                // When the earlier attempts were is not told: all stand where the last one failed.
                let seen = self.seen(
                    facts.call(),
                    resource,
                    record.time_ns / 1_000_000,
                    facts.failure(),
                );
                seen.map(|mut seen| {
                    seen.http_status = facts.http_status();
                    seen.request_id = kept(facts.request_id.as_ref(), MAX_ID_BYTES);
                    seen
                })
            }
        };
        if seen.is_some() || kind == Kind::GaveUp {
            self.batch.events.push(AgentEvent { names, kind, seen });
        }
    }
}

impl<'a> Take<'a> for Gather<'_> {
    fn span(&mut self, resource: &Resource<'a>, span: Span<'a>) {
        if !self.has_room() || resource.service.as_deref() == Some(OURS) || span.facts.synthetic {
            return;
        }
        if dialect::is_model_call(&span) {
            if self.has_places(1) {
                self.model_call(resource, &span);
            }
        } else if let Some(key) = span.key {
            let parent = span.parent;
            self.batch.others.push(Node { key, parent });
        }
    }

    fn record(&mut self, resource: &Resource<'a>, scope: &str, record: Record<'a>) {
        if !self.has_room() {
            return;
        }
        let Some(kind) = agent::kind(scope, &record) else {
            return;
        };
        let times = match kind {
            Kind::Worked => 1,
            Kind::Failed { attempt } => attempt.min(MAX_ATTEMPTS),
            Kind::GaveUp => 0,
        };
        if self.has_places(times) {
            self.event(resource, kind, &record);
        }
    }
}

/// When the request was sent; a clock that is ahead tells of now, one that tells nothing too.
fn started(told_ms: u64, now: Timestamp) -> Timestamp {
    match i64::try_from(told_ms) {
        Ok(ms) if ms > 0 => Timestamp::from_millis(ms).min(now),
        _ => now,
    }
}

fn in_range(length: &Duration) -> bool {
    length.as_secs_f64() * 1e3 <= MAX_MS
}

fn count(tokens: Option<u64>) -> Option<u64> {
    tokens.filter(|tokens| *tokens <= MAX_TOKENS)
}

fn kept(text: Option<&Cow<'_, str>>, most: usize) -> Option<String> {
    text.filter(|text| !text.is_empty())
        .map(|text| text[..text.floor_char_boundary(most)].to_owned())
}

/// The name of an error, if it is one: words with spaces between could say anything.
fn identifier(name: &str) -> Option<String> {
    let shown = name
        .strip_prefix("<class '")
        .and_then(|rest| rest.strip_suffix("'>"));
    let name = shown.unwrap_or(name);
    let of_name = |c: char| c.is_ascii_alphanumeric() || "._:-/$".contains(c);
    (!name.is_empty() && name.len() <= MAX_ERROR_BYTES && name.chars().all(of_name)).then(|| name.to_owned())
}
