use std::{fmt::Write as _, fs, path::PathBuf, sync::LazyLock};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest,
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{AnyValue, any_value},
    trace::v1::{ResourceSpans, ScopeSpans, Span as OtelSpan},
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::verdict::{FailedAt, Failure, Verdict};

/// What no observation may hold.
const SECRET: &str = "confidential";

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-06-20T13:01:00Z").unwrap()
}

fn directory() -> Directory {
    let known = |target: &str, preset: &str, host: &str| Known {
        target: target.parse().unwrap(),
        preset: preset.to_owned(),
        host: Some(host.to_owned()),
    };
    Directory::new(vec![
        known("openai/gpt-5.2", "openai", "api.openai.com"),
        known("anthropic/claude-haiku-4-5", "anthropic", "api.anthropic.com"),
    ])
}

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/otlp")
}

fn signal_of(name: &str) -> Signal {
    if name.starts_with("claude-code") {
        Signal::Logs
    } else {
        Signal::Traces
    }
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(vectors().join(format!("{name}.json"))).unwrap()
}

/// The same in protobuf, by the official messages.
fn protobuf_of(signal: Signal, json: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Logs => serde_json::from_slice::<ExportLogsServiceRequest>(json)
            .unwrap()
            .encode_to_vec(),
        _ => serde_json::from_slice::<ExportTraceServiceRequest>(json)
            .unwrap()
            .encode_to_vec(),
    }
}

fn take(receiver: &Receiver, batch: Batch) -> (Outcome, Vec<Observation>) {
    receiver.take(batch, now(), Ok::<_, ()>).unwrap()
}

fn read(receiver: &Receiver, signal: Signal, encoding: Encoding, body: &[u8]) -> (Outcome, Vec<Observation>) {
    let batch = receiver
        .read((signal, encoding), body, &directory(), Trust::Full, now())
        .unwrap();
    take(receiver, batch)
}

/// One observation in one line.
fn line(seen: &Observation) -> String {
    let at = match seen.verdict {
        Verdict::Errored(Failure { at, .. }) => match at {
            FailedAt::Transport => " before an answer".to_owned(),
            FailedAt::Status(status) => format!(" with {status}"),
            FailedAt::Stream => " within the reply".to_owned(),
        },
        _ => String::new(),
    };
    let ms = |length: Option<std::time::Duration>| {
        length.map_or("-".to_owned(), |l| format!("{}", l.as_secs_f64() * 1e3))
    };
    let n = |count: Option<u64>| count.map_or("-".to_owned(), |n| n.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let mut line = format!("{} {}{at}", seen.target, seen.verdict);
    write!(
        line,
        " | -{} s, ttft {} e2e {} | {} in {} out {} reasoning | http {} stop {} served {} | {} {} | id {} detail {}",
        now().since(seen.started).as_secs_f64(),
        ms(seen.ttft()),
        ms(seen.e2e()),
        n(seen.usage.input),
        n(seen.usage.output),
        n(seen.usage.reasoning),
        n(seen.http_status.map(u64::from)),
        text(&seen.stop_reason),
        text(&seen.served_model),
        text(&seen.reporter),
        text(&seen.region),
        text(&seen.request_id),
        text(&seen.detail),
    )
    .unwrap();
    line
}

fn told(outcome: &Outcome, observations: &[Observation]) -> String {
    let mut text: String = observations.iter().map(|seen| line(seen) + "\n").collect();
    let Outcome {
        accepted,
        duplicates,
        same,
        rejected,
        message,
    } = outcome;
    writeln!(
        text,
        "= {accepted} accepted, {duplicates} known, {same} the same, {rejected} rejected: {message}"
    )
    .unwrap();
    text
}

/// Every recorded dialect, in both encodings, against what stands beside it. With `ENDTURN_WRITE_VECTORS` set, writes
/// what was found, to be read before it is believed, and the protobuf.
#[test]
fn every_dialect_is_read_as_it_is_written() {
    let mut names: Vec<String> = fs::read_dir(vectors())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 9);
    for name in names {
        let signal = signal_of(&name);
        let json = vector(&name);
        let (outcome, observations) = read(&Receiver::default(), signal, Encoding::Json, &json);
        let found = told(&outcome, &observations);
        let path = vectors().join(format!("{name}.txt"));
        if std::env::var_os("ENDTURN_WRITE_VECTORS").is_some() {
            fs::write(&path, &found).unwrap();
            fs::write(vectors().join(format!("{name}.pb")), protobuf_of(signal, &json)).unwrap();
        }
        assert_eq!(found, fs::read_to_string(path).unwrap(), "{name}");
        assert!(
            !format!("{observations:?} {outcome:?}").contains(SECRET),
            "{name}"
        );
        let bytes = fs::read(vectors().join(format!("{name}.pb"))).unwrap();
        assert_eq!(
            bytes,
            protobuf_of(signal, &json),
            "{name}: other bytes than the official messages make of it"
        );
        let (outcome, observations) = read(&Receiver::default(), signal, Encoding::Protobuf, &bytes);
        assert_eq!(told(&outcome, &observations), found, "{name} in protobuf");
    }
}

/// Spans of every dialect, each with its resource, as the official messages have them.
fn all_spans() -> Vec<OtelSpan> {
    let mut spans = Vec::new();
    for name in [
        "contrib",
        "litellm",
        "nested",
        "openinference",
        "openllmetry",
        "vercel",
    ] {
        let request: ExportTraceServiceRequest = serde_json::from_slice(&vector(name)).unwrap();
        for part in request.resource_spans {
            for scoped in part.scope_spans {
                for mut span in scoped.spans {
                    // A trace of its own, so that ids of several files don't meet.
                    span.trace_id = vec![name.len() as u8; 16];
                    spans.push(span);
                }
            }
        }
    }
    spans
}

fn request(spans: Vec<OtelSpan>) -> ExportTraceServiceRequest {
    let scoped = ScopeSpans {
        spans,
        ..ScopeSpans::default()
    };
    let part = ResourceSpans {
        scope_spans: vec![scoped],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![part],
    }
}

fn lines(encoding: Encoding, body: &[u8]) -> Vec<String> {
    let (_, observations) = read(&Receiver::default(), Signal::Traces, encoding, body);
    let mut lines: Vec<String> = observations.iter().map(line).collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The order of spans never changes what is counted, in neither encoding.
    #[test]
    fn the_order_of_spans_never_changes_what_is_counted(order in Just(all_spans()).prop_shuffle()) {
        let wanted = lines(Encoding::Protobuf, &request(all_spans()).encode_to_vec());
        let shuffled = request(order);
        prop_assert_eq!(&lines(Encoding::Protobuf, &shuffled.encode_to_vec()), &wanted);
        prop_assert_eq!(&lines(Encoding::Json, &serde_json::to_vec(&shuffled).unwrap()), &wanted);
    }

    /// Whatever comes, reading ends with an answer.
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                let receiver = Receiver::default();
                if let Ok(batch) = receiver.read((signal, encoding), &bytes, &directory(), Trust::Full, now()) {
                    take(&receiver, batch);
                }
            }
        }
    }

    /// A body with any byte of it changed, or cut anywhere, neither.
    #[test]
    fn a_body_that_was_damaged_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        for name in ["contrib", "claude-code"] {
            let json = vector(name);
            for (encoding, mut body) in [(Encoding::Protobuf, protobuf_of(signal_of(name), &json)), (Encoding::Json, json)] {
                let at = at.index(body.len());
                body[at] = byte;
                if cut {
                    body.truncate(at);
                }
                let receiver = Receiver::default();
                if let Ok(batch) = receiver.read((signal_of(name), encoding), &body, &directory(), Trust::Full, now()) {
                    let (outcome, observations) = take(&receiver, batch);
                    let all = format!("{outcome:?} {observations:?}");
                    prop_assert!(!all.contains(SECRET), "{}", all);
                }
            }
        }
    }
}

#[test]
fn an_error_repeats_nothing_of_the_body() {
    let receiver = Receiver::default();
    let refused = |encoding, body: &[u8]| {
        receiver
            .read((Signal::Traces, encoding), body, &directory(), Trust::Full, now())
            .unwrap_err()
            .to_string()
    };
    for body in [
        r#"{"resourceSpans":"confidential"}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":3,"attributes":"confidential"}]}]}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"error.type","value":"confidential"}]}]}]}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":3,"startTimeUnixNano":"confidential"}]}]}]}"#,
        "confidential",
        r#" [null,"confidential"]"#,
    ] {
        let words = refused(Encoding::Json, body.as_bytes());
        assert!(words.starts_with("the body is no OTLP in JSON"), "{words}");
        assert!(!words.contains(SECRET), "{words}");
    }
    assert_eq!(
        refused(Encoding::Protobuf, b"confidential"),
        "the body is no OTLP in protobuf: a field has a number or a type that proto3 doesn't have"
    );
}

/// What the specification allows beyond what the exporters send.
#[test]
fn json_is_taken_as_the_specification_has_it() {
    let span = |more: &str| {
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"5B8EFFF798038103D269B633813FC60C",
            "spanId":"eee19b7ec3c1b174","name":"chat","startTimeUnixNano":1781960430000000000,{more}
            "attributes":[{{"key":"gen_ai.operation.name","value":{{"stringValue":"chat"}}}},
            {{"value":{{"stringValue":"open\u0061i"}},"key":"gen_ai.provider.name","unknown":[1]}},
            {{"key":"gen_ai.request.model","value":{{"stringValue":"gpt-5.2"}}}},
            {{"key":"gen_ai.usage.input_tokens","value":{{"intValue":7}}}},
            {{"key":"gen_ai.usage.output_tokens","value":{{"doubleValue":"8"}}}},
            {{"key":"gen_ai.response.finish_reasons","value":{{"arrayValue":{{"values":[{{"stringValue":"stop"}}]}}}}}},
            {{"key":"server.address","value":null}},{{"key":"x"}}]}}]}}],
            "resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"late"}}}}]}}}}]}}"#
        )
    };
    let wanted = [
        "openai/gpt-5.2 complete | -30 s, ttft - e2e - | 7 in 8 out - reasoning | http - stop stop served - | late - | id - detail -",
    ];
    for more in [
        "",
        r#""status":{},"#,
        r#""status":null,"events":null,"parentSpanId":"","traceState":null,"#,
        r#""unknown":{"deep":[[[{"er":1}]]]},"kind":"SPAN_KIND_CLIENT","#,
        r#""events":[{"name":"x","attributes":[{"key":"gen_ai.prompt","value":{"kvlistValue":{"values":[]}}}]}],"#,
    ] {
        assert_eq!(lines(Encoding::Json, span(more).as_bytes()), wanted, "{more}");
    }
    for empty in [
        "{}",
        r#"{"resourceSpans":null}"#,
        r#"{"resourceSpans":[{}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{}]}]}"#,
    ] {
        assert_eq!(lines(Encoding::Json, empty.as_bytes()), [""; 0], "{empty}");
    }
}

fn call(n: u64) -> OtelSpan {
    static CALL: LazyLock<OtelSpan> = LazyLock::new(|| all_spans().swap_remove(0));
    OtelSpan {
        span_id: (n + 1).to_be_bytes().to_vec(),
        ..CALL.clone()
    }
}

#[test]
fn items_and_calls_of_a_body_are_bounded() {
    for (calls, others, accepted, rejected) in [
        (MAX_CALLS, 0, MAX_CALLS, 0),
        (MAX_CALLS + 2, 0, MAX_CALLS, 2),
        (1, MAX_ITEMS - 1, 1, 0),
        (1, MAX_ITEMS, 0, 1),
    ] {
        let plain = OtelSpan {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            ..OtelSpan::default()
        };
        let spans = (0..others)
            .map(|_| plain.clone())
            .chain((0..calls as u64).map(call));
        let body = request(spans.collect()).encode_to_vec();
        let (outcome, observations) = read(&Receiver::default(), Signal::Traces, Encoding::Protobuf, &body);
        assert_eq!(
            (observations.len(), outcome.rejected),
            (accepted, rejected as u64),
            "{calls} {others}"
        );
        let message = if rejected == 0 {
            String::new()
        } else {
            format!("{rejected} more")
        };
        assert_eq!(outcome.message, message);
    }
}

#[test]
fn reasons_are_bounded() {
    let spans = (0..MAX_REASONS as u64 + 3).map(|n| {
        let mut span = call(n);
        for pair in &mut span.attributes {
            if pair.key == "gen_ai.request.model" {
                // Each has another character that no model's name has.
                let odd = char::from_u32(0x4e00 + n as u32).unwrap();
                pair.value = Some(AnyValue {
                    value: Some(any_value::Value::StringValue(odd.to_string())),
                });
            }
        }
        span.attributes.retain(|pair| pair.key != "gen_ai.response.model");
        span
    });
    let body = request(spans.collect()).encode_to_vec();
    let (outcome, _) = read(&Receiver::default(), Signal::Traces, Encoding::Protobuf, &body);
    assert_eq!(outcome.rejected, MAX_REASONS as u64 + 3);
    assert_eq!(outcome.message.matches("1 x model id holds").count(), MAX_REASONS);
    assert!(outcome.message.ends_with("; 3 more"), "{}", outcome.message);
}

#[test]
fn what_is_refused_may_come_again() {
    let receiver = Receiver::default();
    let body = vector("contrib");
    let batch = || {
        let kind = (Signal::Traces, Encoding::Json);
        receiver
            .read(kind, &body, &directory(), Trust::Full, now())
            .unwrap()
    };
    assert_eq!(
        receiver.take(batch(), now(), |_| Err::<(), _>("busy")),
        Err("busy")
    );
    assert_eq!(take(&receiver, batch()).0.accepted, 9);
    let (outcome, observations) = take(&receiver, batch());
    assert_eq!(
        (outcome.accepted, outcome.duplicates, observations.len()),
        (0, 9, 0)
    );
    // Logs as well.
    let logs = vector("claude-code");
    let batch = || {
        let kind = (Signal::Logs, Encoding::Json);
        receiver
            .read(kind, &logs, &directory(), Trust::Full, now())
            .unwrap()
    };
    assert_eq!(
        receiver.take(batch(), now(), |_| Err::<(), _>("busy")),
        Err("busy")
    );
    assert_eq!(take(&receiver, batch()).0.accepted, 14);
    let (outcome, _) = take(&receiver, batch());
    assert_eq!((outcome.accepted, outcome.duplicates, outcome.same), (0, 4, 1));
}

#[test]
fn the_reply_is_what_exporters_read() {
    for (rejected, message) in [(0, ""), (3, "3 x no model"), (0, metrics_unused()), (300, "")] {
        let proto = Encoding::Protobuf.reply(Signal::Traces, rejected, message);
        let read = ExportTraceServiceResponse::decode(proto.as_slice()).unwrap();
        let json = Encoding::Json.reply(Signal::Traces, rejected, message);
        let from_json: ExportTraceServiceResponse = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, from_json);
        match read.partial_success {
            None => assert!(rejected == 0 && message.is_empty()),
            Some(partial) => {
                assert_eq!(
                    (partial.rejected_spans, partial.error_message.as_str()),
                    (rejected.cast_signed(), message)
                );
            }
        }
    }
    let reply = |signal| String::from_utf8(Encoding::Json.reply(signal, 2, "x")).unwrap();
    assert_eq!(
        reply(Signal::Logs),
        r#"{"partialSuccess":{"errorMessage":"x","rejectedLogRecords":2}}"#
    );
    assert_eq!(
        reply(Signal::Metrics),
        r#"{"partialSuccess":{"errorMessage":"x","rejectedDataPoints":2}}"#
    );
    for (kind, wanted) in [
        ("application/json; charset=utf-8", Some(Encoding::Json)),
        ("Application/X-Protobuf", Some(Encoding::Protobuf)),
        ("application/grpc", None),
        ("", None),
    ] {
        assert_eq!(Encoding::of(kind), wanted, "{kind}");
    }
}

#[test]
fn times_are_kept_within_reason() {
    let ns = |ms: i64| (now().as_millis() + ms) as u64 * 1_000_000;
    let day = 86_400_000;
    for (start, end, first_chunk, wanted) in [
        (ns(-2_000), ns(-1_000), 0.4, "-2 s, ttft 400 e2e 1000"),
        (ns(-2_000), ns(-1_000), 1.0, "-2 s, ttft 1000 e2e 1000"),
        (ns(-2_000), ns(-1_000), 1.001, "-2 s, ttft - e2e 1000"),
        (ns(5_000), ns(6_000), 0.4, "-0 s, ttft 400 e2e 1000"),
        (ns(-1_000), ns(-2_000), 0.4, "-1 s, ttft 400 e2e -"),
        (0, ns(-2_000), 0.4, "-0 s, ttft 400 e2e -"),
        (
            ns(-day - 1_000),
            ns(-1_000),
            0.4,
            "-86401 s, ttft 400 e2e 86400000",
        ),
        (ns(-day - 1_001), ns(-1_000), 0.4, "-86401.001 s, ttft 400 e2e -"),
        (u64::MAX, u64::MAX, f64::MAX, "-0 s, ttft - e2e 0"),
    ] {
        let mut span = call(0);
        (span.start_time_unix_nano, span.end_time_unix_nano) = (start, end);
        for pair in &mut span.attributes {
            if pair.key.ends_with("time_to_first_chunk") {
                pair.value = Some(AnyValue {
                    value: Some(any_value::Value::DoubleValue(first_chunk)),
                });
            }
        }
        let found = lines(Encoding::Protobuf, &request(vec![span]).encode_to_vec());
        assert!(found[0].contains(&format!("| {wanted} |")), "{wanted}: {found:?}");
    }
}
