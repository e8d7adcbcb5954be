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

/// A stream, and its payloads alone.
fn stream(protocol: Protocol) -> (Vec<u8>, Vec<String>) {
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
            Protocol::OpenaiChat => payload(
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
            Protocol::Ollama => {
                let _ = writeln!(
                    out,
                    r#"{{"model":"llama3.2:1b","created_at":"2026-11-21T22:50:00.123456789Z","message":{{"role":"assistant","content":" word{n}"}},"done":false}}"#
                );
            }
            Protocol::Bedrock => {
                let _ = writeln!(
                    out,
                    r#"{{"contentBlockIndex":0,"delta":{{"text":" word{n}"}},"p":"abcdefghijklmnopqrstuvwx"}}"#
                );
            }
            Protocol::Cohere => event(
                &mut out,
                "content-delta",
                &format!(
                    r#"{{"type":"content-delta","index":0,"delta":{{"message":{{"content":{{"text":" word{n}"}}}}}}}}"#
                ),
            ),
        }
    }
    let payloads = out
        .lines()
        .filter_map(|line| {
            line.strip_prefix("data: ")
                .or(line.starts_with('{').then_some(line))
        })
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let body = match protocol {
        Protocol::Bedrock => payloads.iter().flat_map(|payload| frame(payload)).collect(),
        _ => out.into_bytes(),
    };
    (body, payloads)
}

/// A frame as Bedrock sends it: three headers and two checksums around the payload.
fn frame(payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", "contentBlockDelta"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ] {
        headers.push(name.len() as u8);
        headers.extend(name.as_bytes());
        headers.extend([7, 0, value.len() as u8]);
        headers.extend(value.as_bytes());
    }
    let mut frame = Vec::new();
    for number in [headers.len() + payload.len() + 16, headers.len()] {
        frame.extend((number as u32).to_be_bytes());
    }
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
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
        let (body, payloads) = stream(protocol);
        let mut events = Vec::new();
        assert!(decode(protocol, &body, &mut events) >= TOKENS);

        let mut group = criterion.benchmark_group(protocol.as_str());
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::new("decode", "bytes"), |bencher| {
            bencher.iter(|| decode(protocol, black_box(&body), &mut events));
        });
        group.bench_function(BenchmarkId::new("serde_json", "bytes"), |bencher| {
            bencher.iter(|| {
                for payload in &payloads {
                    let _ = black_box(serde_json::from_str::<serde_json::Value>(black_box(
                        payload.as_str(),
                    )));
                }
            });
        });
        group.throughput(Throughput::Elements(TOKENS as u64));
        group.bench_function(BenchmarkId::new("decode", "events"), |bencher| {
            bencher.iter(|| decode(protocol, black_box(&body), &mut events));
        });
        group.finish();
    }
}

criterion_group!(benches, decoding);
criterion_main!(benches);
