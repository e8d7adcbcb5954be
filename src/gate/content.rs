//! What a reply that ended well by its protocol is held against: tools' arguments, the kind of text, the last words.

use super::{Advice, Expect, Hint, Options, Outcome, Position, Subject, code, diff, json, prose};
use crate::{
    protocol::Wire,
    verdict::{FailedAt, Flags, Judgement, OffScript, Truncation, Verdict},
};

/// A text that is whole, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Whole {
    /// What was checked, to end the sentence of the reason.
    pub(super) what: String,
    /// What could not be checked, or looks odd.
    pub(super) hints: Vec<Hint>,
}

impl Whole {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hints: Vec::new(),
        }
    }
}

/// Where a text breaks, and what that makes of the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) verdict: Verdict,
    pub(super) subject: Subject,
    /// Byte within the subject.
    pub(super) at: usize,
    pub(super) what: String,
    pub(super) reason: String,
}

impl Broken {
    fn new(verdict: Verdict, at: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            subject: Subject::Text,
            at,
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// The text stops before its end: a cut that the stop reason hid.
    pub(super) fn cut(at: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Verdict::Truncated(Truncation::Silent), at, what, reason)
    }

    /// The bytes are no text.
    pub(super) fn garbled(at: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Verdict::Truncated(Truncation::Garbled), at, what, reason)
    }

    /// The text goes on after what is wrong with it: a piece is missing, or was never right.
    pub(super) fn gap(at: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Verdict::OffScript(OffScript::Gap), at, what, reason)
    }

    /// Another kind of text than was expected.
    pub(super) fn other(at: usize, what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Verdict::OffScript(OffScript::Text), at, what, reason)
    }

    /// The same break, seen from a text in which this one begins at that byte.
    pub(super) fn within(mut self, place: impl Fn(usize) -> usize) -> Self {
        self.at = place(self.at);
        self
    }
}

/// The outcome of a judgement, its text held against the options where its protocol finds nothing wrong.
pub(super) fn weigh(judgement: Judgement, wire: Option<Wire>, options: &Options) -> Outcome {
    let outcome = plain(judgement, wire);
    if outcome.verdict != Verdict::Complete {
        return outcome;
    }
    let checked = tools(&outcome).and_then(|mut hints| {
        let whole = expected(&outcome, options)?;
        ending(&outcome, options)?;
        hints.extend(whole.hints);
        Ok((whole.what, hints))
    });
    match checked {
        Ok((what, hints)) => Outcome {
            reason: join(&outcome.reason, &what),
            hints,
            ..outcome
        },
        Err(broken) => break_off(outcome, &broken),
    }
}

/// Puts the break in place of what the protocol says. It speaks only where the protocol finds nothing wrong.
pub(super) fn break_off(mut outcome: Outcome, broken: &Broken) -> Outcome {
    if outcome.verdict != Verdict::Complete {
        return outcome;
    }
    outcome.verdict = broken.verdict;
    outcome.advice = Advice::of(broken.verdict);
    outcome.flags.set(
        Flags::FORGED,
        broken.verdict == Verdict::Truncated(Truncation::Silent),
    );
    let stop = outcome.stop_reason.as_deref().unwrap_or_default();
    outcome.reason = format!("{}, under the natural stop reason {stop}", broken.reason);
    let text = match broken.subject {
        Subject::Text => outcome.text.as_str(),
        Subject::Tool(at) => outcome.tools.get(at).map_or("", |tool| &tool.arguments),
    };
    outcome.position = Some(Position::new(
        broken.subject,
        text,
        broken.at,
        broken.what.clone(),
    ));
    outcome
}

/// The judgement as it is, before its text is looked at.
fn plain(judgement: Judgement, wire: Option<Wire>) -> Outcome {
    let stop = judgement.stop_reason.map(|stop| stop.raw);
    let lax = judgement.flags.contains(Flags::TERMINAL_LAX);
    let mut reason = judgement.detail.unwrap_or_else(|| {
        let end = match (&wire, lax) {
            (None, _) => "as it was told",
            (Some(_), true) => "without a terminal event, which this dialect may leave out",
            (Some(_), false) => "and the protocol's own end",
        };
        format!("stop reason {} {end}", stop.as_deref().unwrap_or_default())
    });
    if let Verdict::Errored(failure) = judgement.verdict {
        if let FailedAt::Status(status) = failure.at {
            reason.insert_str(0, &format!("HTTP {status}: "));
        }
        if let Some(wait) = judgement.retry_after {
            reason = format!(
                "{reason}; the provider asks to wait {} s",
                wait.as_secs_f64().ceil()
            );
        }
    }
    let unfinished = matches!(judgement.verdict, Verdict::Truncated(_) | Verdict::Limited);
    let position = (unfinished && !judgement.text.is_empty()).then(|| {
        Position::new(
            Subject::Text,
            &judgement.text,
            judgement.text.trim_end().len(),
            "the text stops here",
        )
    });
    let mut usage = judgement.usage;
    if usage.provisional {
        usage.output = None;
    }
    Outcome {
        verdict: judgement.verdict,
        flags: judgement.flags,
        hints: Vec::new(),
        wire,
        stop_reason: stop,
        text: judgement.text,
        tools: judgement.tools,
        usage,
        position,
        advice: Advice::of(judgement.verdict),
        reason,
    }
}

fn join(reason: &str, what: &str) -> String {
    if what.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}; {what}")
    }
}

/// Arguments of tool calls are JSON in every protocol, whatever was expected. A tool without parameters may have none;
/// free-form tools have text, which proves nothing.
fn tools(outcome: &Outcome) -> Result<Vec<Hint>, Broken> {
    let mut hints = Vec::new();
    for (at, tool) in outcome.tools.iter().enumerate() {
        let arguments = tool.arguments.trim_start();
        if arguments.is_empty() {
            continue;
        }
        if !arguments.starts_with(['{', '[']) {
            hints = vec![Hint::ArgumentsUnchecked];
            continue;
        }
        if let Err(fault) = json::value(&tool.arguments) {
            let name = if tool.name.is_empty() {
                "without a name"
            } else {
                &tool.name
            };
            let subject = format!("the arguments of tool call {} ({name})", at + 1);
            return Err(Broken {
                subject: Subject::Tool(at),
                ..fault.broken(&subject)
            });
        }
    }
    Ok(hints)
}

/// The kind of text that was expected.
fn expected(outcome: &Outcome, options: &Options) -> Result<Whole, Broken> {
    let text = outcome.text.as_str();
    let Some(expect) = options.expect else {
        return Ok(Whole::default());
    };
    if expect == Expect::Tool {
        return match outcome.tools.len() {
            0 => Err(Broken::other(
                text.len(),
                "the text ends here",
                "no tool was called",
            )),
            1 => Ok(Whole::new("the arguments of its tool call are whole")),
            calls => Ok(Whole::new(format!(
                "the arguments of its {calls} tool calls are whole"
            ))),
        };
    }
    if text.trim().is_empty() && !outcome.tools.is_empty() {
        let verdict = Verdict::OffScript(OffScript::ToolUse);
        let reason = format!("a tool was called where {expect} was expected");
        return Err(Broken::new(verdict, text.len(), "no text", reason));
    }
    match expect {
        Expect::Prose => Ok(prose::check(text)),
        Expect::Json => json::check(text),
        Expect::Diff => diff::check(text),
        Expect::Code | Expect::Tool => code::check(text, options.language.as_deref()),
    }
}

/// The words that the text was asked to end with.
fn ending(outcome: &Outcome, options: &Options) -> Result<(), Broken> {
    let Some(words) = options.ends_with.as_deref().map(str::trim) else {
        return Ok(());
    };
    let text = outcome.text.trim_end();
    if text.ends_with(words) {
        return Ok(());
    }
    Err(Broken::cut(
        text.len(),
        "the text stops here",
        "the words that the text was asked to end with are missing",
    ))
}
