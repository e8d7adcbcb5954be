//! What the gate is given and what it answers.

use std::{fmt, str::FromStr};

use crate::{
    protocol::{ErrorClass, Usage, Wire},
    verdict::{Flags, ToolCall, Verdict},
};

/// Most bytes of one input where the caller sets no limit of its own.
pub const MAX_INPUT_BYTES: usize = 64 << 20;

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A captured response: stream or body, perhaps with its HTTP head in front.
    Capture {
        /// As it was captured, at most [`MAX_INPUT_BYTES`] are read.
        bytes: &'a [u8],
        /// What it speaks; `None`: told from the bytes.
        wire: Option<Wire>,
        /// Its content type, where the capture has no head that says so.
        content_type: Option<&'a str>,
    },
    /// A text that somebody else has taken out of a response, with the stop reason that came with it.
    Text {
        /// UTF-8; a character that is cut at the end is a finding.
        text: &'a [u8],
        /// The stop reason in any protocol's words.
        stop_reason: &'a str,
        /// Whose words come first; `None`: any protocol's.
        wire: Option<Wire>,
    },
}

impl<'a> Input<'a> {
    /// A capture whose protocol is told from its bytes.
    pub fn capture(bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::Capture {
            bytes: bytes.as_ref(),
            wire: None,
            content_type: None,
        }
    }

    /// A finished text with the stop reason that came with it.
    pub fn text(text: &'a (impl AsRef<[u8]> + ?Sized), stop_reason: &'a str) -> Self {
        Self::Text {
            text: text.as_ref(),
            stop_reason,
            wire: None,
        }
    }

    /// The same, spoken in that protocol or dialect.
    #[must_use]
    pub fn spoken(mut self, spoken: Wire) -> Self {
        match &mut self {
            Self::Capture { wire, .. } | Self::Text { wire, .. } => *wire = Some(spoken),
        }
        self
    }
}

/// What the answer should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Which kind of text; `None`: any.
    pub expect: Option<Expect>,
    /// The words that the text was asked to end with, white space aside.
    pub ends_with: Option<String>,
    /// The language of code that stands in no fence or in a fence without a name, as a fence would name it.
    pub language: Option<String>,
}

impl Options {
    /// A text of that kind.
    pub fn expecting(expect: Expect) -> Self {
        Self {
            expect: Some(expect),
            ..Self::default()
        }
    }
}

/// A kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Prose: its ending is a hint at most.
    Prose,
    /// One JSON value, bare or in fences.
    Json,
    /// Code, bare or in fences.
    Code,
    /// A unified diff, bare or in fences.
    Diff,
    /// At least one call of a tool.
    Tool,
}

impl Expect {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Prose, Self::Json, Self::Code, Self::Diff, Self::Tool];

    /// The name on the command line and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Json => "json",
            Self::Code => "code",
            Self::Diff => "diff",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Expect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("unknown kind of text {text:?}, known are {known}")
            })
    }
}

/// What the gate says of one reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it is.
    pub verdict: Verdict,
    /// Side facts.
    pub flags: Flags,
    /// Suspicions and gaps of the check: they change no verdict.
    pub hints: Vec<Hint>,
    /// What it was read as; `None`: could not be told, or no bytes of a protocol were given.
    pub wire: Option<Wire>,
    /// The provider's stop reason.
    pub stop_reason: Option<String>,
    /// The visible text.
    pub text: String,
    /// Tools that were called, with their arguments.
    pub tools: Vec<ToolCall>,
    /// Token counts; a provisional output is no count.
    pub usage: Usage,
    /// Where it stops or breaks.
    pub position: Option<Position>,
    /// What to do now.
    pub advice: Advice,
    /// Why, in one line.
    pub reason: String,
}

/// What a position is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The visible text.
    Text,
    /// The arguments of a tool call, by its place in [`Outcome::tools`].
    Tool(usize),
}

/// A place in the text or in a tool's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// In what.
    pub subject: Subject,
    /// Bytes before it.
    pub byte: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its character within the line, from 1.
    pub column: usize,
    /// What is there.
    pub what: String,
}

impl Position {
    /// The place of that byte; between two bytes of a character, the place of the character.
    pub(super) fn new(subject: Subject, text: &str, byte: usize, what: impl Into<String>) -> Self {
        let byte = text.floor_char_boundary(byte);
        let before = &text[..byte];
        let start = memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |at| at + 1);
        Self {
            subject,
            byte,
            line: 1 + memchr::memchr_iter(b'\n', before.as_bytes()).count(),
            column: 1 + before[start..].chars().count(),
            what: what.into(),
        }
    }
}

/// What a client should do with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Use it.
    Accept,
    /// Throw it away and ask again, another target if there is one.
    RetryElsewhere,
    /// Ask again with room for more tokens.
    RaiseLimit,
    /// Asking again in the same way helps nobody: a person decides.
    AskPerson,
}

impl Advice {
    /// Every advice.
    pub const ALL: [Self; 4] = [
        Self::Accept,
        Self::RetryElsewhere,
        Self::RaiseLimit,
        Self::AskPerson,
    ];

    /// The advice for a verdict; `docs/validate.md` has the table. An error that the same request would meet
    /// everywhere, or that an account's owner has to settle, is for a person.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Complete => Self::Accept,
            Verdict::Truncated(_) => Self::RetryElsewhere,
            Verdict::Limited => Self::RaiseLimit,
            Verdict::Refused | Verdict::OffScript(_) | Verdict::Unknown => Self::AskPerson,
            Verdict::Errored(failure) => match failure.class {
                ErrorClass::Dns
                | ErrorClass::Connect
                | ErrorClass::Tls
                | ErrorClass::Reset
                | ErrorClass::Timeout
                | ErrorClass::RateLimit
                | ErrorClass::Overloaded
                | ErrorClass::ServerError
                | ErrorClass::Protocol => Self::RetryElsewhere,
                ErrorClass::Auth
                | ErrorClass::Quota
                | ErrorClass::Permission
                | ErrorClass::ModelNotFound
                | ErrorClass::ContentPolicy
                | ErrorClass::RequestTooLarge
                | ErrorClass::InvalidRequest
                | ErrorClass::Cancelled => Self::AskPerson,
            },
        }
    }

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::RetryElsewhere => "retry_elsewhere",
            Self::RaiseLimit => "raise_limit",
            Self::AskPerson => "ask_person",
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A suspicion, or something that could not be checked. Hints stand among the flags and never change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// The prose ends without a mark that ends a sentence.
    NoFinalPunctuation,
    /// The prose ends in a comma, a dash or an opening bracket.
    EndsMidSentence,
    /// Prose whose last code fence never closes.
    UnclosedFence,
    /// The brackets of some code were not checked: its language is not known here.
    BracketsUnchecked,
    /// Arguments of a tool are no JSON object or array, as free-form tools have them: they were not checked.
    ArgumentsUnchecked,
}

impl Hint {
    /// Every hint.
    pub const ALL: [Self; 5] = [
        Self::NoFinalPunctuation,
        Self::EndsMidSentence,
        Self::UnclosedFence,
        Self::BracketsUnchecked,
        Self::ArgumentsUnchecked,
    ];

    /// The name among the flags.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoFinalPunctuation => "no_final_punctuation",
            Self::EndsMidSentence => "ends_mid_sentence",
            Self::UnclosedFence => "unclosed_fence",
            Self::BracketsUnchecked => "brackets_unchecked",
            Self::ArgumentsUnchecked => "arguments_unchecked",
        }
    }
}

impl Outcome {
    /// Names of its flags, then of its hints.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        self.flags
            .names()
            .chain(self.hints.iter().map(|hint| hint.as_str()))
    }

    /// What a position of this outcome is in.
    pub fn subject(&self, position: &Position) -> &str {
        match position.subject {
            Subject::Text => &self.text,
            Subject::Tool(at) => self.tools.get(at).map_or("", |tool| &tool.arguments),
        }
    }
}
