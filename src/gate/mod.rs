//! The completeness gate: is anybody's reply whole? Pure.
//!
//! The protocol's own end and the stop reason speak first and above all, by the same judge as for our probes. A reply
//! that ended naturally is then held against what its text has to be: JSON that closes, a diff with all its lines,
//! code whose fences and brackets close. What it proves and what it can't: `docs/validate.md`.

mod capture;
mod code;
mod content;
mod detect;
mod diff;
mod finished;
mod head;
mod json;
mod prose;
mod types;

use crate::{
    protocol::Wire,
    verdict::{Judgement, Truncation, Verdict},
};

pub use types::{Advice, Expect, Hint, Input, MAX_INPUT_BYTES, Options, Outcome, Position, Subject};

/// Judges one reply.
///
/// ```
/// use endturn::gate::{Advice, Expect, Input, Options, validate};
///
/// let cut = Input::text(r#"{"city": "Par"#, "end_turn");
/// let outcome = validate(&cut, &Options::expecting(Expect::Json));
/// assert_eq!(outcome.verdict.to_string(), "truncated(silent)");
/// assert_eq!(outcome.advice, Advice::RetryElsewhere);
/// ```
pub fn validate(input: &Input<'_>, options: &Options) -> Outcome {
    match *input {
        Input::Capture {
            bytes,
            wire,
            content_type,
        } => match capture::judge(bytes, wire, content_type) {
            Ok((judgement, wire)) => content::weigh(judgement, Some(wire), options),
            Err(why) => unreadable(why),
        },
        Input::Text {
            text,
            stop_reason,
            wire,
        } => {
            let finished = finished::judge(text, stop_reason, wire);
            let outcome = content::weigh(finished.judgement, wire, options);
            match finished.broken {
                Some(broken) => content::break_off(outcome, &broken),
                None => outcome,
            }
        }
    }
}

/// Bytes that nothing can be said of.
fn unreadable(why: capture::Unreadable) -> Outcome {
    let verdict = match why {
        capture::Unreadable::Empty => Verdict::Truncated(Truncation::Empty),
        _ => Verdict::Unknown,
    };
    Outcome {
        verdict,
        flags: crate::verdict::Flags::none(),
        hints: Vec::new(),
        wire: None,
        stop_reason: None,
        text: String::new(),
        tools: Vec::new(),
        usage: crate::protocol::Usage::default(),
        position: None,
        advice: Advice::of(verdict),
        reason: why.to_string(),
    }
}

/// A judgement with the wire that it was read from.
type Judged = (Judgement, Wire);

#[cfg(test)]
mod tests;
