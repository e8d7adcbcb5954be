//! Speed of what comes in from other people's programs, in items a second on one core: spans in OTLP beside a bare
//! decode of the same bytes by prost and the official messages.
//!
//! Ours is everything up to the queue before health: read, mapped to targets, judged, and each call counted once. The
//! target is half the speed of the bare decode; ratios tell more than absolute figures, which depend on the machine.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use endturn::{
    clock::Timestamp,
    intake::otlp::{Directory, Encoding, Known, Receiver, Signal},
    verdict::Trust,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

/// Spans of one body: what the SDKs send at once.
const SPANS: usize = 512;

/// The spans of a recorded dialect, over and over, each call with an id of its own and that much of prompt and answer.
fn body(name: &str, content: usize) -> Vec<u8> {
    let path = format!("{}/tests/vectors/otlp/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read(path).expect("a vector");
    let request: ExportTraceServiceRequest = serde_json::from_slice(&json).expect("OTLP");
    let part = request.resource_spans.into_iter().next().expect("a resource");
    let recorded: Vec<Span> = part
        .scope_spans
        .into_iter()
        .flat_map(|scoped| scoped.spans)
        .collect();
    let spans = recorded.iter().cycle().take(SPANS).enumerate().map(|(n, span)| {
        let mut span = span.clone();
        span.trace_id = (n as u128 / recorded.len() as u128 + 1).to_be_bytes().to_vec();
        if content > 0 {
            span.attributes.push(KeyValue {
                key: "gen_ai.input.messages".to_owned(),
                value: Some(AnyValue {
                    value: Some(Value::StringValue("x".repeat(content))),
                }),
                ..KeyValue::default()
            });
        }
        span
    });
    let scoped = ScopeSpans {
        spans: spans.collect(),
        ..ScopeSpans::default()
    };
    let part = ResourceSpans {
        resource: part.resource,
        scope_spans: vec![scoped],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![part],
    }
    .encode_to_vec()
}

fn directory() -> Directory {
    let known = (0..50).map(|n| Known {
        target: format!("provider-{n}/m").parse().expect("an id"),
        preset: "openai-compatible".to_owned(),
        host: Some(format!("host-{n}.example")),
    });
    let openai = Known {
        target: "openai/gpt-5.2".parse().expect("an id"),
        preset: "openai".to_owned(),
        host: Some("api.openai.com".to_owned()),
    };
    Directory::new(known.chain([openai]).collect())
}

fn spans(criterion: &mut Criterion) {
    let directory = Arc::new(directory());
    let now = Timestamp::from_millis(1_781_960_460_000);
    for (name, vector, content) in [
        ("contrib", "contrib", 0),
        ("contrib, 2 KiB of content", "contrib", 2_048),
        ("vercel", "vercel", 0),
    ] {
        let proto = body(vector, content);
        let decoded = ExportTraceServiceRequest::decode(proto.as_slice()).expect("OTLP");
        let json = serde_json::to_vec(&decoded).expect("OTLP");
        let mut group = criterion.benchmark_group(format!("otlp, {name}"));
        group.throughput(Throughput::Elements(SPANS as u64));
        group.bench_function("prost alone", |bencher| {
            bencher.iter(|| ExportTraceServiceRequest::decode(black_box(proto.as_slice())));
        });
        for (what, encoding, bytes) in [
            ("ours, protobuf", Encoding::Protobuf, &proto),
            ("ours, JSON", Encoding::Json, &json),
        ] {
            group.bench_function(what, |bencher| {
                bencher.iter(|| {
                    // One that remembers nothing: or all but the first body would be known already.
                    let receiver = Receiver::default();
                    let kind = (Signal::Traces, encoding);
                    let batch = receiver.read(kind, black_box(bytes), &directory, Trust::Full, now);
                    let batch = batch.expect("OTLP");
                    receiver.take(batch, now, |seen| Ok::<_, ()>(black_box(seen).len()))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, spans);
criterion_main!(benches);
