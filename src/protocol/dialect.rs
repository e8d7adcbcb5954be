//! Dialects: how those who speak the OpenAI Chat protocol differ from it, as data. One decoder reads them all; what it
//! needs to know beyond the protocol stands here, and so does what requests and the simulator need.
//!
//! Sources: the vendors' documentation and the sources of their servers and SDKs, November 2026.

use std::{fmt, str::FromStr};

use super::{
    ErrorClass::{Overloaded, ServerError},
    Protocol,
    StopClass::{self, Complete, Error, Limit, Unknown},
};

/// One dialect of Chat Completions.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The name used in configuration, presets and vectors.
    pub name: &'static str,
    /// Whether a missing `[DONE]` is a truncation by itself, unless the preset says otherwise.
    pub strict_terminal: bool,
    /// The comment that keeps its connections alive, colon included; `None`: none known.
    pub keep_alive: Option<&'static str>,
    /// The members of a delta that carry reasoning, the present one first; empty where it has no member of its own.
    pub reasoning: &'static [&'static str],
    /// Where token counts come.
    pub usage: UsageAt,
    /// How an error inside a 200 stream looks.
    pub error: ErrorAt,
    /// Stop reasons beyond the protocol's own.
    pub stops: &'static [(&'static str, StopClass)],
    /// Passes on other people's streams and may invent their ending: a natural stop proves less than the text.
    pub gateway: bool,
}

/// Where a dialect's token counts come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageAt {
    /// In a chunk of its own before `[DONE]`, if `stream_options.include_usage` asks for it.
    Asked,
    /// In the chunk of the finish reason, unasked.
    Finish,
    /// In the chunk of the finish reason below `x_groq`, unasked.
    FinishGroq,
    /// In a last chunk of its own, unasked.
    Last,
}

/// How a dialect tells of an error inside a 200 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorAt {
    /// `data: {"error":{..}}`, then the end.
    Event,
    /// The same, and then `[DONE]` all the same.
    EventThenDone,
    /// A chunk with `error` beside choices whose finish reason is `error`.
    Chunk,
    /// The whole answer is JSON, `{"code":..,"error":"text"}`, instead of a stream.
    Body,
    /// A chunk without text and model, then the end: the error itself is swallowed.
    Swallowed,
}

const PLAIN: Dialect = Dialect {
    name: "openai-chat",
    strict_terminal: true,
    keep_alive: None,
    reasoning: &["reasoning_content"],
    usage: UsageAt::Asked,
    error: ErrorAt::Event,
    stops: &[],
    gateway: false,
};

/// Every dialect that we know by name.
pub static DIALECTS: [Dialect; 12] = [
    Dialect {
        name: "openrouter",
        keep_alive: Some(": OPENROUTER PROCESSING"),
        reasoning: &["reasoning"],
        usage: UsageAt::Last,
        error: ErrorAt::Chunk,
        stops: &[("error", Error(ServerError))],
        gateway: true,
        ..PLAIN
    },
    Dialect {
        name: "groq",
        reasoning: &["reasoning"],
        usage: UsageAt::FinishGroq,
        ..PLAIN
    },
    Dialect {
        name: "together",
        reasoning: &["reasoning", "reasoning_content"],
        stops: &[("eos", Complete)],
        ..PLAIN
    },
    Dialect {
        name: "fireworks",
        usage: UsageAt::Finish,
        ..PLAIN
    },
    Dialect {
        name: "deepseek",
        keep_alive: Some(": keep-alive"),
        usage: UsageAt::Finish,
        stops: &[("insufficient_system_resource", Error(Overloaded))],
        ..PLAIN
    },
    Dialect {
        name: "xai",
        error: ErrorAt::Body,
        ..PLAIN
    },
    Dialect {
        name: "mistral",
        // Thinking comes as typed parts of `content`.
        reasoning: &[],
        usage: UsageAt::Finish,
        stops: &[("model_length", Limit), ("error", Error(ServerError))],
        ..PLAIN
    },
    Dialect {
        name: "vllm",
        reasoning: &["reasoning", "reasoning_content"],
        error: ErrorAt::EventThenDone,
        stops: &[
            ("abort", Error(ServerError)),
            ("error", Error(ServerError)),
            // Its guard against loops: neither an end nor a failure.
            ("repetition", Unknown),
        ],
        ..PLAIN
    },
    Dialect {
        name: "llamacpp",
        // It sends `[DONE]` since September 2024 (ggml-org/llama.cpp pull request 9459); forks of it only when told to.
        strict_terminal: false,
        keep_alive: Some(":"),
        ..PLAIN
    },
    Dialect {
        name: "litellm",
        keep_alive: Some(": ping"),
        error: ErrorAt::EventThenDone,
        gateway: true,
        ..PLAIN
    },
    Dialect {
        name: "ollama-openai",
        reasoning: &["reasoning"],
        error: ErrorAt::Swallowed,
        // Of a model, not of a reply.
        stops: &[("load", Unknown), ("unload", Unknown)],
        ..PLAIN
    },
    Dialect {
        name: "azure-openai",
        ..PLAIN
    },
];

impl Dialect {
    /// The dialect of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| dialect.name == name)
    }
}

/// What is spoken on the wire: a protocol, and where it is Chat Completions, perhaps whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Who reads and writes it.
    pub protocol: Protocol,
    /// In which manner; `None`: the protocol's own.
    pub dialect: Option<&'static Dialect>,
}

impl Wire {
    /// Every name that [`Wire::from_str`] knows: protocols, then dialects.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let protocols = Protocol::ALL.into_iter().map(Protocol::as_str);
        protocols.chain(DIALECTS.iter().map(|dialect| dialect.name))
    }

    /// Its name: the dialect's, else the protocol's.
    pub fn name(self) -> &'static str {
        self.dialect
            .map_or(self.protocol.as_str(), |dialect| dialect.name)
    }
}

impl From<Protocol> for Wire {
    fn from(protocol: Protocol) -> Self {
        Self {
            protocol,
            dialect: None,
        }
    }
}

impl FromStr for Wire {
    type Err = String;

    /// A protocol or a dialect by name.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(dialect) = Dialect::find(text) {
            return Ok(Self {
                protocol: Protocol::OpenaiChat,
                dialect: Some(dialect),
            });
        }
        text.parse::<Protocol>().map(Self::from).map_err(|_| {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            format!("unknown protocol {text:?}, known are {known}")
        })
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_once() {
        let names: Vec<_> = Wire::names().collect();
        for name in &names {
            assert_eq!(name.parse::<Wire>().unwrap().name(), *name);
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
        }
        assert!("chat-openai".parse::<Wire>().unwrap_err().contains("openrouter"));
    }

    #[test]
    fn the_documentation_has_a_row_for_every_dialect() {
        let text = include_str!("../../docs/verdicts.md");
        for dialect in &DIALECTS {
            let start = format!("| `{}` |", dialect.name);
            let row = text.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/verdicts.md has no row {start}"));
            let missing = dialect
                .stops
                .iter()
                .find(|(reason, _)| !row.contains(&format!("`{reason}`")));
            assert_eq!(missing, None, "{row}");
            assert_eq!(row.contains("not required"), !dialect.strict_terminal, "{row}");
            assert_eq!(row.contains("gateway"), dialect.gateway, "{row}");
            for member in dialect.reasoning {
                assert!(row.contains(&format!("`{member}`")), "{row}");
            }
            if let Some(comment) = dialect.keep_alive {
                assert!(row.contains(&format!("`{comment}`")), "{row}");
            }
        }
    }
}
