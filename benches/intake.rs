//! Speed of what comes in from other people's programs, in items a second on one core: spans in OTLP beside a bare
//! decode of the same bytes by prost and the official messages, reports beside `serde_json`.
//!
//! Ours is everything up to the queue before health: read, mapped to targets, judged, and each call counted once. The
//! target is half the speed of the bare decode; ratios tell more than absolute figures, which depend on the machine.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use endturn::{
    clock::{Clock, Timestamp},
    config::{Env, load_text},
    feed::outcome::Outcome,
    intake::{
        Format, Intake,
        otlp::{Directory, Encoding, Known, Receiver, Signal},
    },
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

/// Reports of one body.
const REPORTS: usize = 100;
/// So many bodies that no id is remembered any more, by any of three reporters, when its body comes again.
const BODIES: usize = 400;

fn reports_of(body: usize) -> String {
    let reports = (0..REPORTS).map(|n| {
        let id = body * REPORTS + n;
        let (verdict, stop) = if n % 10 == 0 { ("truncated", "") } else { ("complete", "end_turn") };
        format!(
            r#"{{"id":"req_{id:08}","target":"local/m","at":"2026-06-20T13:00:{:02}.123Z","reporter":"gateway-{}","verdict":"{verdict}","http_status":200,"stop_reason":"{stop}","ttft_ms":412.5,"e2e_ms":1900.25,"input_tokens":120,"output_tokens":640}}"#,
            n % 60,
            n % 3
        )
    });
    format!("[{}]", reports.collect::<Vec<_>>().join(","))
}

fn reports(criterion: &mut Criterion) {
    let text = "[[provider]]\nid = \"local\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [\"m\"]\n";
    let config = load_text("endturn.toml", text, &Env::default())
        .expect("a configuration")
        .config;
    let clock = Clock::manual(Timestamp::from_millis(1_781_960_460_000));
    let (intake, mut queue) = Intake::new(&config, &[], clock);
    let bodies: Vec<String> = (0..BODIES).map(reports_of).collect();
    let mut group = criterion.benchmark_group("reports, arrays of 100");
    group.throughput(Throughput::Elements(REPORTS as u64));
    let mut next = (0..BODIES).cycle();
    let mut body = || bodies[next.next().unwrap_or_default()].as_bytes();
    group.bench_function("serde_json alone", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Vec<Outcome<'_>>>(black_box(body())).map(|all| all.len()));
    });
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            let receipt = intake.reports(black_box(body()), Format::Json, Trust::Full);
            assert_eq!(receipt.map(|receipt| receipt.accepted), Ok(REPORTS));
            // What judges takes them out again: its share is the bench `evidence`.
            std::iter::from_fn(|| queue.take()).count()
        });
    });
    group.finish();
}

criterion_group!(benches, spans, reports);
criterion_main!(benches);
