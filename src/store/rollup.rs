//! What one bucket of history holds: counts, outcomes, tokens, money, and histograms that merge.

use super::{Counts, packed, row::Parts};
use crate::{
    clock::Timestamp,
    health::histogram::{BlobError, Histogram},
    verdict::{Observation, Source, Verdict},
};

/// How far back a report may place itself, in milliseconds; an older one counts this far back.
pub const MAX_LATE_MS: i64 = 48 * 3_600_000;

/// A length of time that history keeps a histogram of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// First token of any channel.
    Ttft,
    /// First visible token.
    Ttfo,
    /// Between tokens.
    Itl,
    /// Largest gap between two content chunks of a reply.
    Gap,
    /// Terminal event.
    E2e,
    /// DNS, TCP and TLS of a new connection.
    Connect,
}

impl Span {
    /// Every span, in the order of the columns.
    pub const ALL: [Self; 6] = [
        Self::Ttft,
        Self::Ttfo,
        Self::Itl,
        Self::Gap,
        Self::E2e,
        Self::Connect,
    ];

    /// The name as a column and in the API, `_ms` left out.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Ttfo => "ttfo",
            Self::Itl => "itl",
            Self::Gap => "gap",
            Self::E2e => "e2e",
            Self::Connect => "connect",
        }
    }

    /// Its length in one observation. All but connecting are read from complete replies alone.
    fn of(self, o: &Observation) -> Option<std::time::Duration> {
        if self == Self::Connect {
            return Some(o.phases.connect? + o.phases.dns.unwrap_or_default());
        }
        if o.verdict != Verdict::Complete || o.source == Source::Reach {
            return None;
        }
        match self {
            Self::Ttft => o.ttft(),
            Self::Ttfo => o.phases.first_output,
            Self::Itl => o.itl(),
            Self::Gap => o.phases.gap_max,
            Self::E2e => o.e2e(),
            Self::Connect => None,
        }
    }
}

/// Tokens as the provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Prompt tokens.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens among them.
    pub reasoning: u64,
}

/// How often each verdict came, finer kinds apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes(Vec<(u16, u64)>);

impl Outcomes {
    /// Verdict family, finer kind where there is one, and count; in the order of the stored numbers. Codes of a later
    /// version are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>, u64)> {
        self.0.iter().filter_map(|(code, n)| {
            let verdict = packed::verdict_of_code(*code)?;
            Some((verdict.family(), verdict.detail(), *n))
        })
    }

    /// How often that family came.
    pub fn family(&self, family: &str) -> u64 {
        self.iter()
            .filter(|(name, _, _)| *name == family)
            .map(|(_, _, n)| n)
            .sum()
    }

    /// Counts so many of a code. A bucket knows a handful of codes, so a list in order is quicker than a tree.
    fn add(&mut self, code: u16, n: u64) {
        match self.0.binary_search_by_key(&code, |outcome| outcome.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(n),
            Err(at) => self.0.insert(at, (code, n)),
        }
    }

    fn to_blob(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, n) in &self.0 {
            packed::put(&mut out, u64::from(*code));
            packed::put(&mut out, *n);
        }
        out
    }

    fn from_blob(mut blob: &[u8]) -> Option<Self> {
        let mut all = Self::default();
        while !blob.is_empty() {
            let code = u16::try_from(packed::take(&mut blob)?).ok()?;
            all.add(code, packed::take(&mut blob)?);
        }
        Some(all)
    }
}

/// The sum of one bucket.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rollup {
    /// Attempts and what came of them. In the rows of `reach`, of reach probes.
    pub counts: Counts,
    /// Every verdict.
    pub outcomes: Outcomes,
    /// Tokens.
    pub tokens: Tokens,
    /// Dollars spent on probes.
    pub spent_usd: f64,
    spans: [Histogram; Span::ALL.len()],
}

/// When an observation counts in history: a report when the request was, anything else when we saw it.
pub(super) fn history_time(o: &Observation) -> Timestamp {
    match o.source {
        Source::Report | Source::Tap => {
            let at = o.at.as_millis();
            let started = o.started.as_millis().clamp(at.saturating_sub(MAX_LATE_MS), at);
            Timestamp::from_millis(started)
        }
        Source::Reach | Source::Canary | Source::Long => o.at,
    }
}

impl Rollup {
    /// The histogram of that span.
    pub fn span(&self, span: Span) -> &Histogram {
        &self.spans[span as usize]
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        // Hours of before schema 4 have counts and no outcomes.
        self.outcomes.0.is_empty() && self.counts == Counts::default()
    }

    /// Observations counted.
    pub fn observations(&self) -> u64 {
        self.outcomes.0.iter().map(|(_, n)| n).sum()
    }

    /// Counts one observation.
    pub fn add(&mut self, o: &Observation) {
        self.add_parts(o, Parts::ALL);
    }

    /// Counts one observation, but only these parts of it.
    pub(super) fn add_parts(&mut self, o: &Observation, parts: Parts<'_>) {
        self.counts += Counts::of_verdict(o.verdict);
        if parts.outcomes {
            self.add_outcome(o);
        }
        for span in parts.spans {
            if let Some(length) = span.of(o) {
                self.spans[*span as usize].record(length.as_secs_f64() * 1e3);
            }
        }
    }

    fn add_outcome(&mut self, o: &Observation) {
        self.outcomes.add(packed::code_of_verdict(o.verdict), 1);
        if !o.usage.provisional {
            let add = |sum: &mut u64, n: Option<u64>| *sum = sum.saturating_add(n.unwrap_or(0));
            add(&mut self.tokens.input, o.usage.input);
            add(&mut self.tokens.output, o.usage.output);
            add(&mut self.tokens.reasoning, o.usage.reasoning);
        }
        if o.cost_usd.is_finite() {
            self.spent_usd += o.cost_usd;
        }
    }

    /// Takes in another bucket's sum, as [`Rollup::merge`] does; what is empty becomes it.
    pub(super) fn absorb(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.merge(&other);
        }
    }

    /// Adds another bucket's sum. Exact, in any order (money within the last bits of a float).
    pub fn merge(&mut self, other: &Self) {
        self.counts += other.counts;
        for (code, n) in &other.outcomes.0 {
            self.outcomes.add(*code, *n);
        }
        self.tokens.input = self.tokens.input.saturating_add(other.tokens.input);
        self.tokens.output = self.tokens.output.saturating_add(other.tokens.output);
        self.tokens.reasoning = self.tokens.reasoning.saturating_add(other.tokens.reasoning);
        self.spent_usd += other.spent_usd;
        for (mine, other) in self.spans.iter_mut().zip(&other.spans) {
            mine.merge(other);
        }
    }

    /// Bytes behind it, roughly.
    pub(super) fn weight(&self) -> usize {
        let buckets: usize = self.spans.iter().map(|span| span.buckets().len()).sum();
        buckets * 16 + self.outcomes.0.len() * 16
    }

    pub(super) fn outcome_blob(&self) -> Vec<u8> {
        self.outcomes.to_blob()
    }

    /// The histogram as a column: null where it is empty.
    pub(super) fn span_blob(&self, span: Span) -> Option<Vec<u8>> {
        let span = self.span(span);
        (!span.is_empty()).then(|| span.to_blob())
    }

    pub(super) fn set_outcomes(&mut self, blob: &[u8]) -> Option<()> {
        self.outcomes = Outcomes::from_blob(blob)?;
        Some(())
    }

    pub(super) fn set_span(&mut self, span: Span, blob: &[u8]) -> Result<(), BlobError> {
        self.spans[span as usize] = Histogram::from_blob(blob)?;
        Ok(())
    }
}
