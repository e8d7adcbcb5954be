//! The one judge: a [`Timeline`] and what was expected, to a [`Verdict`].

mod evidence;
mod model;

use evidence::Evidence;
pub use model::same_model;

use super::{
    Ending, Expected, ExpectedAnswer, FailedAt, Failure, Flags, OffScript, Timeline, Truncation, Verdict,
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
    /// Words of the expected text that came, where it is truncated and ends inside them.
    pub cut_after: Option<usize>,
    /// Bytes of the expected JSON that came, where it is truncated and ends inside it.
    pub cut_at_byte: Option<usize>,
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
        cut_at_byte: None,
        detail: Some(detail),
        retry_after: None,
    }
}

/// A 200 response: what its events say, held against how it ended.
fn stream(timeline: &Timeline, expectation: &Expectation) -> Judgement {
    let mut evidence = Evidence::gather(timeline, expectation.protocol);
    let expected = expectation.expected.as_ref();
    let found = expected.map(|expected| {
        let (text, chunks, tools) = (&evidence.text, &evidence.chunks, &evidence.tools);
        canary::match_answer(text, chunks, tools, expected, &mut evidence.flags)
    });
    let (verdict, mut detail) = decide(&evidence, timeline, expectation, found);
    if let (Verdict::Truncated(kind), Some(detail)) = (verdict, &mut detail) {
        tell_place(detail, kind, found.zip(expected));
    }
    let mut flags = evidence.flags;
    let silent = matches!(
        verdict,
        Verdict::Truncated(Truncation::Silent | Truncation::SilentEmpty)
    );
    flags.set(Flags::FORGED, silent);
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
    if let (Some(expected), Some(visible)) = (expected, evidence.usage.visible()) {
        let planned = (found == Some(Match::Found)).then_some(expected.tokens);
        let mismatch = canary::usage_mismatch(visible, planned, evidence.pieces());
        flags.set(Flags::USAGE_MISMATCH, mismatch);
    }
    if let (Some(asked), Some(served)) = (&expectation.model, &evidence.model) {
        flags.set(Flags::MODEL_MISMATCH, !same_model(asked, served));
    }
    let cut = found.filter(|_| matches!(verdict, Verdict::Truncated(_)));
    Judgement {
        verdict,
        flags,
        cut_after: match cut {
            Some(Match::Prefix { words }) => Some(words),
            _ => None,
        },
        cut_at_byte: match cut {
            Some(Match::Unfinished { bytes }) => Some(bytes),
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

/// A cut that the protocol itself shows is told with its place in the expected answer.
fn tell_place(detail: &mut String, kind: Truncation, found: Option<(Match, &Expected)>) {
    let shown = matches!(
        kind,
        Truncation::Cut | Truncation::Stall | Truncation::TerminalMissing
    );
    let place = found.and_then(|(found, expected)| canary::place(found, expected));
    if let Some(place) = place.filter(|_| shown) {
        detail.push_str("; ");
        detail.push_str(&place);
    }
}

/// The order in which evidence speaks. The first that applies is the verdict.
fn decide(
    seen: &Evidence,
    timeline: &Timeline,
    expectation: &Expectation,
    found: Option<Match>,
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
        let natural = stop.class == StopClass::Complete
            || (stop.class == StopClass::Tool && expectation.expected.as_ref().is_none_or(asks_for_tool));
        let lax = !expectation.strict_terminal && natural && found.is_none_or(|found| found == Match::Found);
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
    found: Option<Match>,
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
        StopClass::Tool if expectation.expected.as_ref().is_some_and(asks_for_tool) => {}
        StopClass::Tool => return (Verdict::OffScript(OffScript::ToolUse), reason()),
        StopClass::Paused => return (Verdict::OffScript(OffScript::Paused), reason()),
        StopClass::Complete => {}
    }
    if seen.refusal {
        return (Verdict::Refused, Some("the model refused in words".to_owned()));
    }
    match (found, &expectation.expected) {
        (Some(found), Some(expected)) => by_answer(found, expected, stop),
        _ if seen.text.trim().is_empty() && seen.tools.is_empty() => (
            Verdict::Truncated(Truncation::SilentEmpty),
            Some("a natural stop without any text".to_owned()),
        ),
        _ => (Verdict::Complete, None),
    }
}

/// A natural end: the answer decides.
fn by_answer(found: Match, expected: &Expected, stop: &StopReason) -> (Verdict, Option<String>) {
    let off_script = |kind, why: &str| (Verdict::OffScript(kind), Some(why.to_owned()));
    match found {
        Match::Found => (Verdict::Complete, None),
        Match::Empty if stop.class == StopClass::Tool => (
            Verdict::Truncated(Truncation::Silent),
            Some(format!(
                "stop reason {} tells of a tool call, and none came",
                stop.raw
            )),
        ),
        Match::Empty => (
            Verdict::Truncated(Truncation::SilentEmpty),
            Some("a natural stop without any text".to_owned()),
        ),
        Match::Prefix { .. } | Match::Unfinished { .. } => (
            Verdict::Truncated(Truncation::Silent),
            canary::place(found, expected).map(|place| format!("{place}, under a natural stop")),
        ),
        Match::Gap { missing } => (
            Verdict::OffScript(OffScript::Gap),
            Some(format!("{missing} expected words are missing in the middle")),
        ),
        Match::OtherCall => off_script(
            OffScript::ToolUse,
            "another call, or other arguments, than the canary asked for",
        ),
        Match::Other if asks_for_tool(expected) => off_script(
            OffScript::Text,
            "text instead of the call that the canary asked for",
        ),
        Match::Other => off_script(OffScript::Text, "another text than the canary asked for"),
    }
}

fn asks_for_tool(expected: &Expected) -> bool {
    matches!(expected.answer, ExpectedAnswer::Tool { .. })
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
mod answers;
#[cfg(test)]
mod tests;
