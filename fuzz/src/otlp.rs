//! What must hold for any telemetry whatever.

use endturn::{
    clock::Timestamp,
    id::TargetId,
    intake::{
        MAX_ERROR_BYTES, MAX_ID_BYTES, MAX_REPORTER_BYTES, MAX_STOP_REASON_BYTES, MAX_TOKENS, MAX_WORD_BYTES,
        otlp::{Batch, Directory, Encoding, Known, MAX_CALLS, Outcome, Receiver, Signal},
    },
    verdict::{Observation, Source, Trust},
};

/// 2026-06-20T13:01:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_781_960_460_000);

fn directory() -> Directory {
    let known = |target: &str, preset: &str, host: &str| Known {
        target: target.parse().expect("an id"),
        preset: preset.to_owned(),
        host: Some(host.to_owned()),
    };
    Directory::new(vec![
        known("openai/gpt-5.2", "openai", "api.openai.com"),
        known("anthropic/claude-haiku-4-5", "anthropic", "api.anthropic.com"),
    ])
}

/// A body of each signal in each encoding: bounded, read alike each time, and of what has a name each thing once. The
/// first byte chooses.
pub fn check_otlp(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let signal = [Signal::Traces, Signal::Logs, Signal::Metrics][usize::from(choice >> 1) % 3];
    let encoding = [Encoding::Protobuf, Encoding::Json][usize::from(choice & 1)];
    let directory = directory();
    let receiver = Receiver::default();
    let read = || receiver.read((signal, encoding), body, &directory, Trust::Corroborate, NOW);
    let (first, again) = match (read(), read()) {
        (Ok(first), Ok(again)) => (first, again),
        (Err(one), Err(other)) => {
            assert_eq!(one, other);
            return;
        }
        _ => panic!("read another way the second time"),
    };
    let (outcome, observations) = take(&receiver, first);
    assert_eq!(outcome.accepted, observations.len());
    assert!(observations.len() <= MAX_CALLS && observations.len() <= body.len() * 32);
    assert_eq!(outcome.rejected == 0, outcome.message.is_empty());
    observations.iter().for_each(check);
    let (twice, _) = take(&receiver, again);
    assert!(
        twice.accepted <= outcome.accepted,
        "more came of it the second time"
    );
    let _ = encoding.reply(signal, outcome.rejected, &outcome.message);
}

fn take(receiver: &Receiver, batch: Batch) -> (Outcome, Vec<Observation>) {
    let taken = receiver.take(batch, NOW, Ok::<_, ()>);
    taken.expect("nobody refuses")
}

fn check(seen: &Observation) {
    assert!(seen.target.to_string().parse::<TargetId>().as_ref() == Ok(&seen.target));
    assert!(seen.source == Source::Report && seen.trust == Trust::Corroborate);
    assert!(seen.at == NOW && seen.started <= NOW);
    for (text, most) in [
        (&seen.stop_reason, MAX_STOP_REASON_BYTES),
        (&seen.served_model, MAX_WORD_BYTES),
        (&seen.fingerprint, MAX_WORD_BYTES),
        (&seen.region, MAX_WORD_BYTES),
        (&seen.reporter, MAX_REPORTER_BYTES),
        (&seen.request_id, MAX_ID_BYTES),
        (&seen.detail, MAX_ERROR_BYTES),
    ] {
        assert!(
            text.as_ref()
                .is_none_or(|text| !text.is_empty() && text.len() <= most)
        );
    }
    for tokens in [seen.usage.input, seen.usage.output, seen.usage.reasoning] {
        assert!(tokens.is_none_or(|tokens| tokens <= MAX_TOKENS));
    }
    if let (Some(first), Some(end)) = (seen.phases.first_token, seen.phases.end) {
        assert!(first <= end);
    }
}
