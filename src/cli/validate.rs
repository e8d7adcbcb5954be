//! `endturn validate`: the completeness gate for a file or standard input.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{Exit, args::ValidateArgs, complain, printable, say};
use crate::{
    feed::validation::Validation,
    gate::{Advice, Input, MAX_INPUT_BYTES, Options, Outcome, Position, Subject, validate},
    verdict::Verdict,
};

/// Characters of a line that are shown before and after a position.
const AROUND: usize = 60;

/// Why there was nothing to judge.
#[derive(Debug, thiserror::Error)]
enum InputError {
    /// The file can't be read.
    #[error("{name} can't be read: {error}")]
    Read { name: String, error: io::Error },
    /// It is longer than any reply.
    #[error("{name} has more than {} MiB, the most that is read", MAX_INPUT_BYTES >> 20)]
    TooLong { name: String },
}

/// Runs the command.
pub(crate) fn run(args: &ValidateArgs) -> Exit {
    let bytes = match read(&args.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Usage;
        }
    };
    let input = match &args.stop_reason {
        Some(stop_reason) => Input::Text {
            text: &bytes,
            stop_reason,
            wire: args.protocol,
        },
        None => Input::Capture {
            bytes: &bytes,
            wire: args.protocol,
            content_type: args.content_type.as_deref(),
        },
    };
    let options = Options {
        expect: args.expect,
        ends_with: args.ends_with.clone(),
        language: args.language.clone(),
    };
    let outcome = validate(&input, &options);
    if args.json {
        let json = serde_json::to_string(&Validation::from(&outcome)).unwrap_or_default();
        say(&format!("{json}\n"));
    } else {
        say(&report(&outcome));
    }
    if outcome.verdict == Verdict::Complete {
        Exit::Ok
    } else {
        Exit::Failure
    }
}

/// The whole input, as long as it keeps within [`MAX_INPUT_BYTES`].
fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let opened: io::Result<Box<dyn Read>> = if stdin {
        Ok(Box::new(io::stdin().lock()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let read = opened.and_then(|source| bounded(source, MAX_INPUT_BYTES));
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(InputError::TooLong { name }),
        Err(error) => Err(InputError::Read { name, error }),
    }
}

/// Everything up to the limit; `None` beyond it, without reading on.
fn bounded(source: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// The outcome for a person.
fn report(outcome: &Outcome) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", headline(outcome));
    let _ = writeln!(out, "  why      {}", printable(&outcome.reason));
    if let Some(position) = &outcome.position {
        place(&mut out, outcome, position);
    }
    let _ = writeln!(out, "  advice   {}: {}", outcome.advice, meaning(outcome.advice));
    let flags: Vec<&str> = outcome.flag_names().collect();
    if !flags.is_empty() {
        let _ = writeln!(out, "  flags    {}", flags.join(", "));
    }
    out
}

fn headline(outcome: &Outcome) -> String {
    let wire = outcome.wire.map(|wire| wire.name().to_owned());
    let tokens = outcome.usage.output.map(|count| format!("{count} tokens out"));
    let text = match outcome.text.len() {
        0 => None,
        bytes => Some(format!("{bytes} bytes of text")),
    };
    let tools = match outcome.tools.len() {
        0 => None,
        1 => Some("1 tool call".to_owned()),
        calls => Some(format!("{calls} tool calls")),
    };
    let facts: Vec<String> = [wire, text, tools, tokens].into_iter().flatten().collect();
    if facts.is_empty() {
        outcome.verdict.to_string()
    } else {
        format!("{}  {}", outcome.verdict, facts.join(", "))
    }
}

/// The line that the position is in, with a caret below it.
fn place(out: &mut String, outcome: &Outcome, position: &Position) {
    let subject = match position.subject {
        Subject::Text => "the text".to_owned(),
        Subject::Tool(at) => format!("the arguments of tool call {}", at + 1),
    };
    let Position {
        byte, line, column, ..
    } = position;
    let _ = writeln!(
        out,
        "  where    {subject}, line {line}, column {column} (byte {byte})"
    );
    let text = outcome.subject(position);
    let (before, after) = text.split_at(position.byte);
    let before = before.rsplit('\n').next().unwrap_or_default();
    let after = after
        .split('\n')
        .next()
        .unwrap_or_default()
        .trim_end_matches('\r');
    let skipped = before.chars().count().saturating_sub(AROUND);
    let mut lead = printable(&before.chars().skip(skipped).collect::<String>());
    if skipped > 0 {
        lead.insert_str(0, "..");
    }
    let mut rest = printable(&after.chars().take(AROUND).collect::<String>());
    if after.chars().nth(AROUND).is_some() {
        rest.push_str("..");
    }
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(lead.chars().count());
    let _ = writeln!(out, "  {gutter} |");
    let _ = writeln!(out, "  {number} | {}", format!("{lead}{rest}").trim_end());
    let _ = writeln!(out, "  {gutter} | {indent}^ {}", printable(&position.what));
}

fn meaning(advice: Advice) -> &'static str {
    match advice {
        Advice::Accept => "the reply is whole as far as this can be told",
        Advice::RetryElsewhere => "don't use it; ask again, another target if there is one",
        Advice::RaiseLimit => "ask again with room for more tokens",
        Advice::AskPerson => "asking again in the same way would not help",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Expect;

    #[test]
    fn the_input_is_bounded() {
        assert_eq!(bounded(&b"abc"[..], 3).unwrap(), Some(b"abc".to_vec()));
        assert_eq!(bounded(&b"abcd"[..], 3).unwrap(), None);
        assert_eq!(
            bounded(io::repeat(b'x'), 1000).unwrap(),
            None,
            "an endless source"
        );
    }

    fn shown(text: &str) -> String {
        report(&validate(
            &Input::text(text, "stop"),
            &Options::expecting(Expect::Json),
        ))
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let long = format!("[{}x{}]", "1,".repeat(500), ",1".repeat(500));
        let lines: Vec<String> = shown(&long).lines().map(str::to_owned).collect();
        let (line, caret) = (&lines[4], &lines[5]);
        assert!(line.len() < 200, "{line}");
        let at = caret.find('^').unwrap();
        assert_eq!(&line[at..=at], "x", "{line}\n{caret}");
    }

    #[test]
    fn a_text_never_drives_the_terminal() {
        let out = shown("[\"\u{1b}[31m");
        assert!(!out.contains('\u{1b}'), "{out}");
    }
}
