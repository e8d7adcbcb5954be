//! Reading the index and running a body through decoder, timeline and judge, as a probe does.

#![expect(clippy::unwrap_used, reason = "a broken index should fail the test loudly")]

use std::{fs, path::Path, time::Duration};

use super::binary;
use endturn::{
    protocol::{Decoder, Limits, Protocol, StreamEvent, Wire},
    verdict::{Ending, Expectation, Expected, Judgement, Timeline, Verdict, judge},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The columns of an index, in their order.
pub(crate) const HEAD: &str = "path\tprotocol\thttp_status\tcontent_type\texpected_verdict\tsub_verdict\terror_class\tstop_reason\ttext\tusage\tmodel\tresponse_id\tresponse_headers";

/// One row of an index, with its file.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) path: String,
    /// A protocol or dialect by name.
    pub(crate) wire: String,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) verdict: String,
    pub(crate) sub_verdict: String,
    pub(crate) class: String,
    pub(crate) stop: String,
    pub(crate) text: String,
    pub(crate) usage: String,
    pub(crate) model: String,
    pub(crate) id: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn rows(directory: &Path) -> Vec<Row> {
    let index = directory.join("index.tsv");
    let index = fs::read_to_string(&index).unwrap_or_else(|e| panic!("{}: {e}", index.display()));
    let mut lines = index.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let values: Vec<&str> = line.split('\t').collect();
            let cell = |name: &str| {
                let at = names.iter().position(|n| *n == name).unwrap();
                values.get(at).copied().unwrap_or("").to_owned()
            };
            let headers: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&cell("response_headers")).unwrap_or_default();
            Row {
                body: fs::read(directory.join(cell("path"))).unwrap(),
                status: cell("http_status").parse().unwrap(),
                headers: headers
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                    .collect(),
                path: cell("path"),
                wire: cell("protocol"),
                content_type: cell("content_type"),
                verdict: cell("expected_verdict"),
                sub_verdict: cell("sub_verdict"),
                class: cell("error_class"),
                stop: cell("stop_reason"),
                text: cell("text"),
                usage: cell("usage"),
                model: cell("model"),
                id: cell("response_id"),
            }
        })
        .collect()
}

impl Row {
    /// Who reads it.
    pub(crate) fn protocol(&self) -> Protocol {
        self.wire.parse::<Wire>().unwrap().protocol
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.status == 200 && self.protocol().is_stream(Some(&self.content_type))
    }

    /// The flag that the row names where others name a kind, if it is set.
    fn flag(&self, got: &Judgement) -> String {
        let set = got
            .flags
            .names()
            .any(|name| name.eq_ignore_ascii_case(&self.sub_verdict));
        if set {
            self.sub_verdict.clone()
        } else {
            String::new()
        }
    }

    /// Bytes after which the terminal event's payload is whole: what is cut later was a reply that had ended.
    pub(crate) fn terminal_bytes(&self) -> usize {
        let body = self.body.trim_ascii_end();
        match self.protocol() {
            Protocol::Bedrock => {
                let mut end = 0;
                for frame in binary::frames(&self.body).0 {
                    end += frame.len();
                    if frame.windows(11).any(|name| name == b"messageStop") {
                        return end;
                    }
                }
                self.body.len()
            }
            // `[DONE]` may follow the terminal event.
            Protocol::Cohere => body
                .iter()
                .rposition(|byte| *byte == b'}')
                .map_or(body.len(), |at| at + 1),
            _ => body.len(),
        }
    }

    /// Where the judgement differs from the row.
    pub(crate) fn differences(&self, got: &Judgement) -> Vec<String> {
        let (verdict, sub, class) = match got.verdict {
            Verdict::Truncated(kind) => ("TRUNCATED", kind.as_str().to_uppercase(), ""),
            Verdict::Errored(failure) => ("ERRORED", String::new(), failure.class.as_str()),
            other => (other.family(), self.flag(got), ""),
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        // "stop (native end_turn)" tells what a gateway added; ours shows it where it matters.
        let stop = got
            .stop_reason
            .as_ref()
            .map(|stop| stop.raw.clone())
            .unwrap_or_default();
        let expected_stop = match self.stop.split_once(" (native") {
            Some((plain, _)) if !stop.contains(" (native") => plain,
            _ => &self.stop,
        };
        let mut rows = vec![
            ("verdict", verdict.to_uppercase(), self.verdict.clone()),
            ("sub-verdict", sub, self.sub_verdict.clone()),
            ("class", class.to_owned(), self.class.clone()),
            ("stop reason", stop, expected_stop.to_owned()),
            ("text", got.text.clone(), self.text.clone()),
        ];
        if self.is_stream() {
            rows.push(("model", text(&got.served_model), self.model.clone()));
            rows.push(("id", text(&got.response_id), self.id.clone()));
            let usage = expected_usage(&self.usage);
            let seen = (
                got.usage.input,
                got.usage.output,
                got.usage.reasoning.filter(|n| *n > 0),
            );
            rows.push(("usage", format!("{seen:?}"), format!("{usage:?}")));
        }
        rows.into_iter()
            .filter(|(_, got, expected)| got != expected)
            .map(|(what, got, expected)| format!("{what} is {got:?}, not {expected:?}"))
            .collect()
    }
}

/// `in=36 out=64 reasoning=64`; Gemini's `thoughts` come on top of its `out`.
fn expected_usage(text: &str) -> (Option<u64>, Option<u64>, Option<u64>) {
    let figure = |name: &str| {
        let word = text.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.map(|value| value.parse::<u64>().unwrap())
    };
    let thoughts = figure("thoughts=");
    let output = match (figure("out="), thoughts) {
        // A blocked prompt counts its input alone: an absent count is none generated.
        (None, None) if figure("in=").is_some() => Some(0),
        (out, None) => out,
        (out, Some(thoughts)) => Some(out.unwrap_or(0) + thoughts),
    };
    (figure("in="), output, figure("reasoning=").or(thoughts))
}

pub(crate) fn expectation(protocol: Protocol) -> Expectation {
    let words = "one two three four five six seven eight nine ten eleven twelve kestrel";
    Expectation {
        protocol,
        strict_terminal: true,
        expected: Some(Expected::words(
            words.split(' ').map(str::to_owned).collect(),
            ["kestrel", "amber", "walnut"].map(str::to_owned).to_vec(),
        )),
        model: None,
    }
}

/// All events of a body fed in these pieces.
pub(crate) fn feed(protocol: Protocol, pieces: &[&[u8]]) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new(protocol, Limits::default());
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events);
    }
    decoder.finish(&mut events);
    events
}

/// The timeline that a probe would have kept.
pub(crate) fn timeline(protocol: Protocol, pieces: &[&[u8]], ending: Ending) -> Timeline {
    let mut decoder = Decoder::new(protocol, Limits::default());
    let mut timeline = Timeline {
        status: Some(200),
        ..Timeline::default()
    };
    let mut events = Vec::new();
    let mut at = Duration::from_millis(100);
    for piece in pieces {
        at += Duration::from_millis(1);
        timeline.bytes += piece.len() as u64;
        decoder.push(piece, &mut events);
        events.drain(..).for_each(|event| timeline.event(at, event));
    }
    decoder.finish(&mut events);
    events.drain(..).for_each(|event| timeline.event(at, event));
    timeline.end(at, ending);
    timeline
}

pub(crate) fn judge_row(row: &Row, protocol: Protocol, pieces: &[&[u8]]) -> Judgement {
    let timeline = if row.is_stream() {
        timeline(protocol, pieces, Ending::Clean)
    } else {
        let mut plain = Timeline {
            status: Some(row.status),
            headers: row.headers.clone(),
            raw: pieces.concat(),
            bytes: row.body.len() as u64,
            ..Timeline::default()
        };
        plain.end(Duration::from_millis(100), Ending::Clean);
        plain
    };
    judge(&timeline, &expectation(protocol))
}

/// Byte by byte, and eight random splits that depend on `seed` alone.
pub(crate) fn splits<'a>(body: &'a [u8], seed: &str) -> Vec<Vec<&'a [u8]>> {
    let mut all = vec![body.chunks(1).collect::<Vec<_>>()];
    let seed = seed
        .bytes()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for longest in [2, 3, 7, 20, 64, 200, 500, 1500] {
        let mut pieces = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.random_range(1..=longest).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        all.push(pieces);
    }
    all
}
