//! Decoding speed per protocol, in bytes and in events, beside `serde_json` alone on the same payloads.
//!
//! A stream is a reply of 500 tokens as its vendor sends it, in reads of 1,400 bytes as from a socket. The bare loop
//! parses each payload into a `serde_json::Value` and does nothing else: the ratio of the two times is the figure to
//! watch, absolute ones depend on the machine.

use std::{fmt::Write, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use endturn::protocol::{Decoder, Limits, Protocol, StreamEvent};

const TOKENS: usize = 500;
const READ_BYTES: usize = 1400;

fn stream(protocol: Protocol) -> String {
    let mut out = String::new();
    for n in 0..TOKENS {
        match protocol {
            Protocol::Anthropic => event(
                &mut out,
                "content_block_delta",
                &format!(
                    r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word{n}"}}}}"#
                ),
            ),
            Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => payload(
                &mut out,
                "\n",
                &format!(
                    r#"{{"id":"chatcmpl-B1","object":"chat.completion.chunk","created":1795300000,"model":"gpt-5.6-mini","service_tier":"default","system_fingerprint":"fp_b","choices":[{{"index":0,"delta":{{"content":" word{n}"}},"logprobs":null,"finish_reason":null}}],"usage":null,"obfuscation":"zX9"}}"#
                ),
            ),
            Protocol::OpenaiResponses => event(
                &mut out,
                "response.output_text.delta",
                &format!(
                    r#"{{"type":"response.output_text.delta","sequence_number":{n},"item_id":"msg_b","output_index":0,"content_index":0,"delta":" word{n}","logprobs":[],"obfuscation":"q"}}"#
                ),
            ),
            Protocol::Gemini => payload(
                &mut out,
                "\r\n",
                &format!(
                    r#"{{"candidates":[{{"content":{{"parts":[{{"text":" word{n}"}}],"role":"model"}},"index":0}}],"usageMetadata":{{"promptTokenCount":33,"candidatesTokenCount":{n},"totalTokenCount":99,"promptTokensDetails":[{{"modality":"TEXT","tokenCount":33}}]}},"modelVersion":"gemini-3.5-flash","responseId":"B1"}}"#
                ),
            ),
        }
    }
    out
}

fn event(out: &mut String, name: &str, data: &str) {
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

fn payload(out: &mut String, end: &str, data: &str) {
    let _ = write!(out, "data: {data}{end}{end}");
}

fn decode(protocol: Protocol, body: &[u8], events: &mut Vec<StreamEvent>) -> usize {
    let mut decoder = Decoder::new(protocol, Limits::default());
    let mut count = 0;
    for read in body.chunks(READ_BYTES) {
        decoder.push(read, events);
        count += events.len();
        events.clear();
    }
    decoder.finish(events);
    count + events.drain(..).len()
}

fn decoding(criterion: &mut Criterion) {
    for protocol in Protocol::ALL {
        let body = stream(protocol);
        let payloads: Vec<&str> = body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        let mut events = Vec::new();
        assert!(decode(protocol, body.as_bytes(), &mut events) >= TOKENS);

        let mut group = criterion.benchmark_group(protocol.as_str());
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::new("decode", "bytes"), |bencher| {
            bencher.iter(|| decode(protocol, black_box(body.as_bytes()), &mut events));
        });
        group.bench_function(BenchmarkId::new("serde_json", "bytes"), |bencher| {
            bencher.iter(|| {
                for payload in &payloads {
                    let _ = black_box(serde_json::from_str::<serde_json::Value>(black_box(payload)));
                }
            });
        });
        group.throughput(Throughput::Elements(TOKENS as u64));
        group.bench_function(BenchmarkId::new("decode", "events"), |bencher| {
            bencher.iter(|| decode(protocol, black_box(body.as_bytes()), &mut events));
        });
        group.finish();
    }
}

criterion_group!(benches, decoding);
criterion_main!(benches);
