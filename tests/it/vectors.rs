//! Recorded streams: every row of `tests/vectors/streams/index.tsv`, in every split, must give the row's verdict.
//!
//! `ENDTURN_STREAM_VECTORS` names a further directory of the same form.

mod properties;
mod support;

use std::path::Path;

use endturn::protocol::Protocol;
use support::{Row, feed, judge_row, rows, splits};

/// Protocols of the index that endturn doesn't speak.
const NOT_SPOKEN: [&str; 4] = ["bedrock", "cohere", "ollama", "protocol"];

/// Protocols of the index that are dialects of `OpenAI` Chat Completions.
const CHAT_DIALECTS: [&str; 10] = [
    "azure-openai",
    "deepseek",
    "groq",
    "litellm",
    "llamacpp",
    "mistral",
    "ollama-openai",
    "openrouter",
    "vllm",
    "xai",
];

#[test]
fn stream_vectors() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/streams");
    let (own, rest) = speak(rows(&directory));
    assert_eq!(own.len(), 50, "rows of the four protocols");
    let (skipped, strange): (Vec<_>, Vec<_>) = rest
        .iter()
        .partition(|row| NOT_SPOKEN.contains(&row.protocol.as_str()));
    assert_eq!(skipped.len(), 25, "rows of protocols that are not spoken");
    let dialects: Vec<_> = strange
        .iter()
        .filter(|row| CHAT_DIALECTS.contains(&row.protocol.as_str()))
        .collect();
    assert_eq!(
        dialects.len(),
        strange.len(),
        "every protocol is known to this test"
    );
    check_all(&own);
    check_all(
        &dialects
            .into_iter()
            .map(|row| (Protocol::OpenaiChat, (**row).clone()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn further_stream_vectors() {
    let Some(directory) = std::env::var_os("ENDTURN_STREAM_VECTORS") else {
        return;
    };
    let (own, rest) = speak(rows(Path::new(&directory)));
    println!(
        "{} rows checked, {} of other protocols skipped",
        own.len(),
        rest.len()
    );
    assert!(
        !own.is_empty(),
        "no row of a known protocol in {}",
        directory.display()
    );
    check_all(&own);
}

fn speak(rows: Vec<Row>) -> (Vec<(Protocol, Row)>, Vec<Row>) {
    let (mut own, mut rest) = (Vec::new(), Vec::new());
    for row in rows {
        match row.protocol.parse() {
            Ok(protocol) if !NOT_SPOKEN.contains(&row.protocol.as_str()) => own.push((protocol, row)),
            _ => rest.push(row),
        }
    }
    (own, rest)
}

fn check_all(rows: &[(Protocol, Row)]) {
    let mut wrong = Vec::new();
    for (protocol, row) in rows {
        let whole = judge_row(row, *protocol, &[row.body.as_slice()]);
        wrong.extend(
            row.differences(&whole)
                .into_iter()
                .map(|what| format!("{}: {what}", row.path)),
        );
        for split in splits(&row.body, &row.path) {
            let again = judge_row(row, *protocol, &split);
            if again != whole {
                wrong.push(format!("{}: another split gave {again:?}", row.path));
            }
            assert_eq!(
                feed(*protocol, &split),
                feed(*protocol, &[row.body.as_slice()]),
                "events of {}",
                row.path
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
