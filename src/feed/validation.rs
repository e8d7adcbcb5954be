//! What the completeness gate answers, as JSON: the same on the command line and in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::v1::Word;
use crate::gate;

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// The verdict's family: `complete`, `truncated`, `limited`, `refused`, `off_script`, `errored`, `unknown`.
    #[schema(value_type = String)]
    pub verdict: Word,
    /// The finer name: truncation kind, off-script kind or error class.
    #[schema(required = true, value_type = Option<String>)]
    pub kind: Option<Word>,
    /// The provider's stop reason, in its own word.
    #[schema(required = true)]
    pub stop_reason: Option<String>,
    /// The visible text.
    pub text: String,
    /// Token counts.
    pub usage: Usage,
    /// Where the text or a tool's arguments stop or break.
    #[schema(required = true)]
    pub position: Option<Position>,
    /// `accept`, `retry_elsewhere`, `raise_limit` or `ask_person`.
    #[schema(value_type = String)]
    pub advice: Word,
    /// Why, in one line.
    pub reason: String,
    /// The protocol or dialect that it was read as.
    #[schema(required = true, value_type = Option<String>)]
    pub protocol: Option<Word>,
    /// Side facts and hints, which change no verdict.
    #[schema(value_type = Vec<String>)]
    pub flags: Vec<Word>,
}

/// Token counts as the provider gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Prompt tokens.
    #[schema(required = true)]
    pub input: Option<u64>,
    /// Generated tokens.
    #[schema(required = true)]
    pub output: Option<u64>,
    /// Reasoning tokens among them.
    #[schema(required = true)]
    pub reasoning: Option<u64>,
}

/// A place in the text, or in the arguments of the tool call that `what` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// Bytes before it.
    pub byte: usize,
    /// Line, from 1.
    pub line: usize,
    /// Character within the line, from 1.
    pub column: usize,
    /// What is there.
    pub what: String,
}

impl From<&gate::Outcome> for Validation {
    fn from(outcome: &gate::Outcome) -> Self {
        let word = |word: &'static str| Word::Borrowed(word);
        Self {
            verdict: word(outcome.verdict.family()),
            kind: outcome.verdict.detail().map(word),
            stop_reason: outcome.stop_reason.clone(),
            text: outcome.text.clone(),
            usage: Usage {
                input: outcome.usage.input,
                output: outcome.usage.output,
                reasoning: outcome.usage.reasoning,
            },
            position: outcome.position.as_ref().map(|position| Position {
                byte: position.byte,
                line: position.line,
                column: position.column,
                what: match position.subject {
                    gate::Subject::Text => position.what.clone(),
                    gate::Subject::Tool(at) => {
                        format!("in the arguments of tool call {}: {}", at + 1, position.what)
                    }
                },
            }),
            advice: word(outcome.advice.as_str()),
            reason: outcome.reason.clone(),
            protocol: outcome.wire.map(|wire| word(wire.name())),
            flags: outcome.flag_names().map(word).collect(),
        }
    }
}
