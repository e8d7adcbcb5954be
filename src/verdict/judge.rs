//! The one judge: a [`Timeline`] and what was expected, to a [`Verdict`].

use super::{Flags, Timeline, Verdict};
use crate::protocol::{Protocol, StopReason, Usage};

/// What the reply should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Wire protocol.
    pub protocol: Protocol,
    /// Whether a missing terminal event is a truncation by itself.
    pub strict_terminal: bool,
    /// The text; `None`: any (a real request, or a target whose model can't follow a canary).
    pub expected: Option<Expected>,
    /// The model asked for; `None`: don't compare.
    pub model: Option<String>,
}

/// The words of a canary's right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Words in order, the sentinel last.
    pub words: Vec<String>,
    /// All words that a sentinel may be, to tell a cached answer.
    pub sentinels: Vec<String>,
}

/// The verdict with what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What it was.
    pub verdict: Verdict,
    /// Side facts.
    pub flags: Flags,
    /// The last stop reason.
    pub stop_reason: Option<StopReason>,
    /// Visible text.
    pub text: String,
    /// Last usage.
    pub usage: Usage,
    /// The model that answered.
    pub served_model: Option<String>,
    /// The reply's id in its body.
    pub response_id: Option<String>,
    /// Words of the expected text that came before a silent cut.
    pub cut_after: Option<usize>,
    /// Why, in one line.
    pub detail: Option<String>,
    /// The wait that the provider asked for.
    pub retry_after: Option<std::time::Duration>,
}

/// Judges one finished exchange by the decision order of `docs/verdicts.md`.
pub fn judge(timeline: &Timeline, expectation: &Expectation) -> Judgement {
    let _ = (timeline, expectation);
    Judgement {
        verdict: Verdict::Unknown,
        flags: Flags::none(),
        stop_reason: None,
        text: String::new(),
        usage: Usage::default(),
        served_model: None,
        response_id: None,
        cut_after: None,
        detail: None,
        retry_after: None,
    }
}
