//! Speed of the completeness gate, in bytes of input a second: streams of every framing, and each check of a text,
//! beside a bare pass over the same bytes in the same run.
//!
//! The bare pass of streams and JSON is `serde_json` skipping every value, that of texts a search for line ends. The
//! floor is 200 MB/s on one core; ratios tell more than absolute figures, which depend on the machine.

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use endturn::gate::{Expect, Input, Options, validate};
use serde::de::IgnoredAny;

/// Bytes of each input.
const BYTES: usize = 4 << 20;

fn anthropic(piece: &str) -> String {
    let piece = serde_json::to_string(piece).unwrap_or_default();
    let mut out = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"model\":\"b\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
    );
    while out.len() < BYTES {
        let _ = write!(
            out,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":{piece}}}}}\n\n"
        );
    }
    out.push_str("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    out
}

fn chat() -> String {
    let mut out = String::new();
    let head = r#"data: {"id":"c","object":"chat.completion.chunk","created":1795300000,"model":"b","service_tier":"default","system_fingerprint":"fp_b","choices":[{"index":0,"delta":{"#;
    while out.len() < BYTES {
        let _ = write!(
            out,
            "{head}\"content\":\" word\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null,\"obfuscation\":\"zX9\"}}\n\n"
        );
    }
    let _ = write!(
        out,
        "{head}}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n"
    );
    out
}

fn ollama() -> String {
    let mut out = String::new();
    let head = r#"{"model":"b","created_at":"2026-11-21T22:50:00.000000Z","message":{"role":"assistant","content":" word"},"done":"#;
    while out.len() < BYTES {
        let _ = writeln!(out, "{head}false}}");
    }
    let _ = writeln!(out, "{head}true,\"done_reason\":\"stop\"}}");
    out
}

fn body(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap_or_default();
    format!(
        "{{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"b\",\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"stop_reason\":\"end_turn\",\"usage\":{{\"input_tokens\":9,\"output_tokens\":9}}}}"
    )
}

fn repeat(piece: &str) -> String {
    piece.repeat(BYTES / piece.len())
}

fn json() -> String {
    let mut out = String::from("[\n");
    while out.len() < BYTES {
        out.push_str("  {\"name\": \"Ada Lovelace\", \"year\": 1843, \"tags\": [\"engine\", \"notes\"], \"ok\": true},\n");
    }
    out.push_str("  null\n]\n");
    out
}

fn diff() -> String {
    let mut out = String::new();
    while out.len() < BYTES {
        out.push_str("--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -10,6 +10,7 @@ fn main() {\n     let a = 1;\n     let b = 2;\n-    let c = a + b;\n+    let c = a * b;\n+    let d = c;\n     println!(\"{c}\");\n }\n \n");
    }
    out
}

/// Payloads of a stream for the bare pass.
fn payloads(stream: &str) -> Vec<&str> {
    let lines = stream.lines();
    lines
        .map(|line| line.strip_prefix("data: ").unwrap_or(line))
        .filter(|line| line.starts_with('{'))
        .collect()
}

fn streams(criterion: &mut Criterion) {
    let long = "The quick brown fox jumps over the lazy dog and runs on. ".repeat(4);
    for (name, stream) in [
        ("anthropic", anthropic(" word")),
        ("anthropic, 228 bytes a delta", anthropic(&long)),
        ("openai-chat", chat()),
        ("ollama", ollama()),
        ("anthropic, body", body(&repeat(&long))),
    ] {
        let payloads = payloads(&stream);
        let mut group = criterion.benchmark_group(format!("stream: {name}"));
        group.throughput(Throughput::Bytes(stream.len() as u64));
        let options = Options::default();
        let input = Input::capture(&stream);
        assert_eq!(validate(&input, &options).verdict.family(), "complete", "{name}");
        group.bench_function("validate", |bencher| {
            bencher.iter(|| validate(black_box(&input), &options).verdict);
        });
        group.bench_function("bare", |bencher| {
            bencher.iter(|| {
                let whole = |json: &&&str| serde_json::from_str::<IgnoredAny>(black_box(json)).is_ok();
                payloads.iter().filter(whole).count()
            });
        });
        group.finish();
    }
}

fn texts(criterion: &mut Criterion) {
    let rust = include_str!("../src/gate/code/lexer.rs");
    let script = include_str!("../dashboards/status/status.js");
    let python = include_str!("../tests/real/sdks.py");
    let fenced =
        |language: &str, code: &str| format!("Here it is.\n\n```{language}\n{}\n```\n", repeat(code));
    let markdown = include_str!("../docs/validate.md");
    for (name, expect, text) in [
        ("prose", Expect::Prose, repeat(markdown)),
        ("json", Expect::Json, json()),
        ("diff", Expect::Diff, diff()),
        ("code: rust", Expect::Code, fenced("rust", rust)),
        ("code: js", Expect::Code, fenced("js", script)),
        ("code: python", Expect::Code, fenced("python", python)),
    ] {
        let mut group = criterion.benchmark_group(format!("text: {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        let options = Options::expecting(expect);
        let input = Input::text(&text, "end_turn");
        let outcome = validate(&input, &options);
        assert_eq!(outcome.verdict.family(), "complete", "{name}: {}", outcome.reason);
        group.bench_function("validate", |bencher| {
            bencher.iter(|| validate(black_box(&input), &options).verdict);
        });
        group.bench_function("bare", |bencher| {
            bencher.iter(|| match expect {
                Expect::Json => usize::from(serde_json::from_str::<IgnoredAny>(black_box(&text)).is_ok()),
                _ => memchr::memchr_iter(b'\n', black_box(text.as_bytes())).count(),
            });
        });
        group.finish();
    }
}

criterion_group!(benches, streams, texts);
criterion_main!(benches);
