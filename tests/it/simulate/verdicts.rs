//! Our own decoder and judge over the simulator: every healthy stream is complete, every fault what it should be.

use std::{io, time::Duration};

use endturn::{
    protocol::{Decoder, ErrorClass, Limits, Protocol},
    simulate::Cut,
    verdict::{
        Ending, Expectation, Expected, FailedAt, Failure, Fault, Flags, Judgement, Timeline, Truncation,
        Verdict, judge,
    },
};

use super::SPOKEN;
use super::client::{self, ANSWER, Exchange, Running};

fn expectation(protocol: Protocol, model: &str) -> Expectation {
    Expectation {
        protocol,
        strict_terminal: true,
        expected: Some(Expected::words(
            ANSWER.split(' ').map(str::to_owned).collect(),
            vec!["kestrel".to_owned(), "walnut".to_owned()],
        )),
        model: Some(model.to_owned()),
    }
}

/// What the probe would have seen of this exchange.
fn timeline(protocol: Protocol, exchange: &Exchange) -> Timeline {
    let mut timeline = Timeline {
        status: (exchange.status != 0).then_some(exchange.status),
        bytes: exchange.body.len() as u64,
        headers: exchange
            .head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..Timeline::default()
    };
    let mut capped = false;
    if exchange.status == 200 {
        let mut decoder = Decoder::new(protocol, Limits::default());
        let mut events = Vec::new();
        // In pieces of a socket's size: what a limit does may depend on it.
        for piece in exchange.body.chunks(16 << 10) {
            decoder.push(piece, &mut events);
        }
        decoder.finish(&mut events);
        capped = decoder.is_capped();
        for event in events {
            timeline.event(Duration::from_millis(1), event);
        }
    } else {
        timeline.raw.clone_from(&exchange.body);
    }
    let broken = |detail: io::ErrorKind| {
        Ending::Failed(Fault {
            class: ErrorClass::Reset,
            detail: detail.to_string(),
        })
    };
    let ending = match exchange.ending {
        _ if capped => Ending::Capped,
        client::Ending::Whole => Ending::Clean,
        client::Ending::Fin => broken(io::ErrorKind::UnexpectedEof),
        client::Ending::Reset => broken(io::ErrorKind::ConnectionReset),
    };
    timeline.end(Duration::from_millis(2), ending);
    timeline
}

async fn verdict(sim: &Running, protocol: Protocol, model: &str) -> Judgement {
    let exchange = sim.canary(protocol, model).await;
    judge(&timeline(protocol, &exchange), &expectation(protocol, model))
}

#[tokio::test]
async fn healthy_streams_are_complete() {
    let sim = Running::instant(3).await;
    for protocol in SPOKEN {
        let judgement = verdict(&sim, protocol, "model-1").await;
        assert_eq!(judgement.verdict, Verdict::Complete, "{protocol}: {judgement:?}");
        let mut flags = Flags::none();
        flags.insert(Flags::SENTINEL_FOUND);
        assert_eq!(judgement.flags, flags, "{protocol}");
        assert_eq!(judgement.usage.visible(), Some(21), "{protocol}");
        assert_eq!(judgement.served_model.as_deref(), Some("model-1"));
    }
    sim.stop().await;
}

fn errored(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

#[tokio::test]
async fn every_fault_gets_its_verdict() {
    use ErrorClass as Class;
    let sim = Running::instant(3).await;
    let cut = Verdict::Truncated(Truncation::Cut);
    let rows = [
        ("truncate.fin", cut),
        ("truncate.reset", cut),
        ("truncate.no_terminal", cut),
        ("truncate.mid_event", cut),
        ("truncate.silent", Verdict::Truncated(Truncation::Silent)),
        ("garbage", Verdict::Truncated(Truncation::Garbled)),
        ("empty", Verdict::Truncated(Truncation::Empty)),
        ("length", Verdict::Limited),
        ("refusal", Verdict::Refused),
        ("wrong_model", Verdict::Complete),
        ("slow", Verdict::Complete),
        ("huge_line", errored(Class::Protocol, FailedAt::Stream)),
        ("refuse", errored(Class::Reset, FailedAt::Transport)),
        ("rate_limit", errored(Class::RateLimit, FailedAt::Status(429))),
        ("status.500", errored(Class::ServerError, FailedAt::Status(500))),
        ("status.503", errored(Class::Overloaded, FailedAt::Status(503))),
        ("status.504", errored(Class::Timeout, FailedAt::Status(504))),
        ("status.529", errored(Class::Overloaded, FailedAt::Status(529))),
        ("status.404", errored(Class::ModelNotFound, FailedAt::Status(404))),
    ];
    for protocol in SPOKEN {
        for (fault, wanted) in rows {
            let judgement = verdict(&sim, protocol, &format!("m!{fault}")).await;
            assert_eq!(judgement.verdict, wanted, "{protocol} {fault}: {judgement:?}");
            let mismatch = judgement.flags.contains(Flags::MODEL_MISMATCH);
            assert_eq!(mismatch, fault == "wrong_model", "{protocol} {fault}");
            let residue = judgement.flags.contains(Flags::RESIDUE);
            assert_eq!(
                residue,
                fault == format!("truncate.{}", Cut::MidEvent.as_str()),
                "{protocol} {fault}"
            );
        }
        let auth = verdict(&sim, protocol, "m!auth").await.verdict;
        let status = if protocol == Protocol::Gemini { 400 } else { 401 };
        assert_eq!(auth, errored(Class::Auth, FailedAt::Status(status)), "{protocol}");
        let in_stream = verdict(&sim, protocol, "m!error_event").await.verdict;
        let class = match protocol {
            Protocol::Anthropic | Protocol::Gemini => Class::Overloaded,
            Protocol::OpenaiChat
            | Protocol::OpenaiResponses
            | Protocol::Ollama
            | Protocol::Bedrock
            | Protocol::Cohere => Class::ServerError,
        };
        assert_eq!(in_stream, errored(class, FailedAt::Stream), "{protocol}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_silent_cut_is_placed() {
    let sim = Running::instant(3).await;
    for protocol in SPOKEN {
        let judgement = verdict(&sim, protocol, "m!truncate.silent").await;
        assert_eq!(judgement.cut_after, Some(10), "{protocol}");
        assert!(judgement.text.ends_with("ten"), "{protocol}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_missing_terminal_event_is_seen() {
    let sim = Running::instant(3).await;
    sim.control(
        "PUT",
        "/control/faults/anthropic",
        r#"{"kind":"truncate","how":"no_terminal","at":1}"#,
    )
    .await;
    let judgement = verdict(&sim, Protocol::Anthropic, "m").await;
    assert_eq!(judgement.verdict, Verdict::Truncated(Truncation::TerminalMissing));
    sim.stop().await;
}
