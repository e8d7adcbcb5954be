//! The one judge: a [`Timeline`] and what was expected, to a [`Verdict`].

mod evidence;
mod model;

use evidence::Evidence;
pub use model::same_model;

use super::{
    Ending, FailedAt, Failure, Flags, OffScript, Timeline, Truncation, Verdict,
    canary::{self, Match},
};
use crate::protocol::{ErrorClass, Protocol, StopClass, StopReason, Usage, error_body};

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

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCall {
    /// The tool's name; empty where the stream did not tell it.
    pub name: String,
    /// Its arguments as sent: JSON, if they came whole.
    pub arguments: String,
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
    /// Tools that the model called, in order.
    pub tools: Vec<ToolCall>,
    /// Last usage.
    pub usage: Usage,
    /// The model that answered.
    pub served_model: Option<String>,
    /// The configuration that served (`system_fingerprint`), where the provider tells it.
    pub fingerprint: Option<String>,
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
    match timeline.status {
        None => without_head(timeline),
        Some(200) => stream(timeline, expectation),
        Some(status) => refused_status(status, timeline, expectation),
    }
}

/// No response head: the transport's failure is the verdict.
fn without_head(timeline: &Timeline) -> Judgement {
    let (class, detail) = match &timeline.ending {
        Some(Ending::Failed(fault)) => (fault.class, fault.detail.clone()),
        Some(Ending::Stalled | Ending::Overtime) => {
            (ErrorClass::Timeout, "no response head in time".to_owned())
        }
        Some(Ending::Cancelled) => (
            ErrorClass::Cancelled,
            "cancelled before a response head".to_owned(),
        ),
        Some(Ending::Capped) => (
            ErrorClass::Protocol,
            "a limit was reached before a response head".to_owned(),
        ),
        Some(Ending::Clean) | None => (
            ErrorClass::Reset,
            "the exchange ended without a response head".to_owned(),
        ),
    };
    let at = FailedAt::Transport;
    bare(Verdict::Errored(Failure { class, at }), detail)
}

fn refused_status(status: u16, timeline: &Timeline, expectation: &Expectation) -> Judgement {
    let error = error_body::classify(expectation.protocol, status, &timeline.headers, &timeline.raw);
    let failure = Failure {
        class: error.class,
        at: FailedAt::Status(status),
    };
    Judgement {
        retry_after: error.retry_after,
        ..bare(Verdict::Errored(failure), error.message)
    }
}

fn bare(verdict: Verdict, detail: String) -> Judgement {
    Judgement {
        verdict,
        flags: Flags::none(),
        stop_reason: None,
        text: String::new(),
        tools: Vec::new(),
        fingerprint: None,
        usage: Usage::default(),
        served_model: None,
        response_id: None,
        cut_after: None,
        detail: Some(detail),
        retry_after: None,
    }
}

/// A 200 response: what its events say, held against how it ended.
fn stream(timeline: &Timeline, expectation: &Expectation) -> Judgement {
    let mut evidence = Evidence::gather(timeline, expectation.protocol);
    let found = expectation
        .expected
        .as_ref()
        .map(|expected| canary::match_words(&evidence.text, &evidence.chunks, expected, &mut evidence.flags));
    let (verdict, detail) = decide(&evidence, timeline, expectation, found.as_ref());
    let mut flags = evidence.flags;
    flags.set(
        Flags::FORGED,
        matches!(
            verdict,
            Verdict::Truncated(Truncation::Silent | Truncation::SilentEmpty)
        ),
    );
    flags.set(Flags::SENTINEL_FOUND, found == Some(Match::Found));
    flags.set(
        Flags::TERMINAL_LAX,
        verdict == Verdict::Complete && !evidence.terminal,
    );
    flags.set(
        Flags::TRANSPORT_UNCLEAN_AFTER_TERMINAL,
        evidence.terminal && matches!(timeline.ending, Some(Ending::Failed(_))),
    );
    if evidence.stop.is_some() {
        flags.set(Flags::USAGE_MISSING, evidence.usage.visible().is_none());
    }
    if let (Some(expected), Some(visible)) = (&expectation.expected, evidence.usage.visible()) {
        let full = (found == Some(Match::Found)).then_some(expected.words.len());
        flags.set(
            Flags::USAGE_MISMATCH,
            canary::usage_mismatch(visible, full, canary::count_words(&evidence.text)),
        );
    }
    if let (Some(asked), Some(served)) = (&expectation.model, &evidence.model) {
        flags.set(Flags::MODEL_MISMATCH, !same_model(asked, served));
    }
    Judgement {
        verdict,
        flags,
        cut_after: match (verdict, found) {
            (Verdict::Truncated(Truncation::Silent), Some(Match::Prefix { words })) => Some(words),
            _ => None,
        },
        stop_reason: evidence.stop,
        text: evidence.text,
        tools: evidence.tools,
        fingerprint: evidence.fingerprint,
        usage: evidence.usage,
        served_model: evidence.model,
        response_id: evidence.id,
        detail,
        retry_after: evidence.error.and_then(|error| error.retry_after),
    }
}

/// The order in which evidence speaks. The first that applies is the verdict.
fn decide(
    seen: &Evidence,
    timeline: &Timeline,
    expectation: &Expectation,
    found: Option<&Match>,
) -> (Verdict, Option<String>) {
    let failed = |class| {
        Verdict::Errored(Failure {
            class,
            at: FailedAt::Stream,
        })
    };
    let because = |verdict, why: &str| (verdict, Some(why.to_owned()));
    if let Some(error) = &seen.error {
        return (failed(error.class), Some(error.message.clone()));
    }
    if let Some(StopReason {
        raw,
        class: StopClass::Error(class),
    }) = &seen.stop
    {
        return (failed(*class), Some(format!("stop reason {raw}")));
    }
    if timeline.ending == Some(Ending::Capped) {
        return because(
            failed(ErrorClass::Protocol),
            "a limit on bytes or events was reached",
        );
    }
    if let Some(detail) = &seen.garbled {
        return (Verdict::Truncated(Truncation::Garbled), Some(detail.clone()));
    }
    if !seen.terminal {
        match timeline.ending {
            Some(Ending::Cancelled) => {
                return because(failed(ErrorClass::Cancelled), "cancelled before the reply ended");
            }
            Some(Ending::Overtime) => {
                return because(
                    failed(ErrorClass::Timeout),
                    "the reply went on past its time limit",
                );
            }
            Some(Ending::Stalled) if seen.stop.is_none() => {
                return because(
                    Verdict::Truncated(Truncation::Stall),
                    "nothing came for longer than the idle limit",
                );
            }
            _ => {}
        }
    }
    let Some(stop) = &seen.stop else {
        return if seen.content {
            (Verdict::Truncated(Truncation::Cut), Some(cut_detail(timeline)))
        } else {
            (
                Verdict::Truncated(Truncation::Empty),
                Some(empty_detail(timeline)),
            )
        };
    };
    if !seen.terminal {
        let lax = !expectation.strict_terminal
            && stop.class == StopClass::Complete
            && found.is_none_or(|found| *found == Match::Found);
        if !lax {
            return because(
                Verdict::Truncated(Truncation::TerminalMissing),
                "a stop reason came, the terminal event did not",
            );
        }
    }
    by_stop(stop, seen, expectation, found)
}

/// A reply that ended as its protocol ends: its stop reason decides, then its text.
fn by_stop(
    stop: &StopReason,
    seen: &Evidence,
    expectation: &Expectation,
    found: Option<&Match>,
) -> (Verdict, Option<String>) {
    let reason = || Some(format!("stop reason {}", stop.raw));
    match stop.class {
        StopClass::Limit => return (Verdict::Limited, reason()),
        StopClass::Refused => return (Verdict::Refused, reason()),
        StopClass::Unknown | StopClass::Error(_) => return (Verdict::Unknown, reason()),
        // To a request of somebody else's, a tool call or a pause is a regular end.
        StopClass::Tool | StopClass::Paused if expectation.expected.is_none() => {
            return (Verdict::Complete, None);
        }
        StopClass::Tool => return (Verdict::OffScript(OffScript::ToolUse), reason()),
        StopClass::Paused => return (Verdict::OffScript(OffScript::Paused), reason()),
        StopClass::Complete => {}
    }
    if seen.refusal {
        return (Verdict::Refused, Some("the model refused in words".to_owned()));
    }
    let empty = (
        Verdict::Truncated(Truncation::SilentEmpty),
        Some("a natural stop without any text".to_owned()),
    );
    match found {
        None if seen.text.trim().is_empty() && seen.tools.is_empty() => empty,
        None | Some(Match::Found) => (Verdict::Complete, None),
        Some(Match::Empty) => empty,
        Some(Match::Prefix { words }) => (
            Verdict::Truncated(Truncation::Silent),
            Some(format!(
                "the text ends after {words} expected words, under a natural stop"
            )),
        ),
        Some(Match::Gap { missing }) => (
            Verdict::OffScript(OffScript::Gap),
            Some(format!("{missing} expected words are missing in the middle")),
        ),
        Some(Match::Other) => (
            Verdict::OffScript(OffScript::Text),
            Some("another text than the canary asked for".to_owned()),
        ),
    }
}

fn cut_detail(timeline: &Timeline) -> String {
    match &timeline.ending {
        Some(Ending::Failed(fault)) => format!("the body broke before a stop reason: {}", fault.detail),
        _ => "the body ended before a stop reason".to_owned(),
    }
}

fn empty_detail(timeline: &Timeline) -> String {
    match &timeline.ending {
        Some(Ending::Failed(fault)) => format!("the body broke before any content: {}", fault.detail),
        _ => "the body ended before any content".to_owned(),
    }
}

#[cfg(test)]
mod tests;
