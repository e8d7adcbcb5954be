//! `validate_reply`: the completeness gate. The code is that of `endturn validate`.

use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, foreign, foreign_opt},
    tools::MAX_REPLY_BYTES,
};
use crate::{
    feed::validation::{Usage, Validation},
    gate::{self, Advice, Expect, Input, Options},
    protocol::Wire,
    verdict::Verdict,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    text: Option<String>,
    stream: Option<String>,
    stop_reason: Option<String>,
    protocol: Option<String>,
    expect: Option<String>,
    ends_with: Option<String>,
    language: Option<String>,
}

/// What is to be judged, checked.
#[derive(Debug)]
pub(super) struct Job {
    reply: String,
    stop_reason: Option<String>,
    wire: Option<Wire>,
    options: Options,
}

#[derive(Debug, Serialize)]
struct Report {
    /// It is complete.
    whole: bool,
    verdict: String,
    kind: Option<String>,
    advice: String,
    reason: String,
    position: Option<Position>,
    protocol: Option<String>,
    usage: Usage,
    flags: Vec<String>,
    from_provider: Words,
}

#[derive(Debug, Serialize)]
struct Position {
    byte: usize,
    line: usize,
    column: usize,
    what: String,
}

#[derive(Debug, Serialize)]
struct Words {
    stop_reason: Option<String>,
}

/// Checks what is asked.
///
/// # Errors
/// What is wrong, in one line for whoever asked.
pub(super) fn job(asked: Asked) -> Result<Job, String> {
    let reply = match (asked.text, asked.stream, &asked.stop_reason) {
        (Some(text), None, Some(_)) => text,
        (Some(_), None, None) => {
            return Err(
                "text needs its stop_reason: without it nothing tells a whole text from a cut one".to_owned(),
            );
        }
        (None, Some(stream), None) => stream,
        _ => return Err("give text and stop_reason, or stream alone".to_owned()),
    };
    if reply.len() > MAX_REPLY_BYTES {
        return Err(format!(
            "the reply has {} bytes, at most {MAX_REPLY_BYTES} are read here; `endturn validate` reads more",
            reply.len()
        ));
    }
    Ok(Job {
        reply,
        stop_reason: asked.stop_reason,
        wire: asked.protocol.as_deref().map(str::parse).transpose()?,
        options: Options {
            expect: asked.expect.as_deref().map(str::parse::<Expect>).transpose()?,
            ends_with: asked.ends_with,
            language: asked.language,
        },
    })
}

/// Judges. Takes some time for a long reply.
pub(super) fn answer(job: &Job) -> Answer {
    let bytes = job.reply.as_bytes();
    let input = match &job.stop_reason {
        Some(stop_reason) => Input::Text {
            text: bytes,
            stop_reason,
            wire: job.wire,
        },
        None => Input::Capture {
            bytes,
            wire: job.wire,
            content_type: None,
        },
    };
    let outcome = gate::validate(&input, &job.options);
    let whole = outcome.verdict == Verdict::Complete;
    let said = Validation::from(&outcome);
    let text = format!(
        "{}; advice: {} ({})\n",
        outcome.verdict,
        outcome.advice,
        meaning(outcome.advice)
    );
    let report = Report {
        whole,
        verdict: said.verdict.into_owned(),
        kind: said.kind.map(Into::into),
        advice: said.advice.into_owned(),
        // These quote the reply here and there.
        reason: foreign(&said.reason),
        position: said.position.map(|position| Position {
            byte: position.byte,
            line: position.line,
            column: position.column,
            what: foreign(&position.what),
        }),
        protocol: said.protocol.map(Into::into),
        usage: said.usage,
        flags: said.flags.into_iter().map(Into::into).collect(),
        from_provider: Words {
            stop_reason: foreign_opt(said.stop_reason.as_ref()),
        },
    };
    Answer::new(text, &report)
}

fn meaning(advice: Advice) -> &'static str {
    match advice {
        Advice::Accept => "it is whole as far as this can be told",
        Advice::RetryElsewhere => "don't use it; ask again, another target if there is one",
        Advice::RaiseLimit => "ask again with room for more tokens",
        Advice::AskPerson => "asking again in the same way would not help",
    }
}

impl Job {
    /// The reply's length in bytes.
    pub(super) fn len(&self) -> usize {
        self.reply.len()
    }
}
