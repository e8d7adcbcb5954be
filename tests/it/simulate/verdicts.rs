//! Our own decoder and judge over the simulator: every healthy stream is complete, every fault what it should be.

use std::{io, time::Duration};

use endturn::{
    protocol::{Decoder, ErrorAt, ErrorClass, Limits, Protocol, decode_body},
    simulate::Cut,
    verdict::{
        Ending, Expectation, Expected, FailedAt, Failure, Fault, Flags, Judgement, OffScript, Timeline,
        Truncation, Verdict, judge,
    },
};

use super::{
    client::{self, ANSWER, Exchange, Running},
    ways::{WAYS, Way},
};

fn expectation(way: &Way, model: &str) -> Expectation {
    Expectation {
        protocol: way.protocol,
        strict_terminal: way.dialect().is_none_or(|dialect| dialect.strict_terminal),
        expected: Some(Expected::words(
            ANSWER.split(' ').map(str::to_owned).collect(),
            vec!["kestrel".to_owned(), "walnut".to_owned()],
        )),
        model: Some(model.to_owned()),
    }
}

/// What the probe would have seen of this exchange.
pub(crate) fn timeline(protocol: Protocol, exchange: &Exchange) -> Timeline {
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
        let mut events = Vec::new();
        if protocol.is_stream(exchange.header("content-type")) {
            let mut decoder = Decoder::new(protocol, Limits::default());
            // In pieces of a socket's size: what a limit does may depend on it.
            for piece in exchange.body.chunks(16 << 10) {
                decoder.push(piece, &mut events);
            }
            decoder.finish(&mut events);
            capped = decoder.is_capped();
        } else {
            events = decode_body(protocol, &exchange.body);
        }
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

async fn verdict(sim: &Running, way: &Way, model: &str) -> Judgement {
    let exchange = sim.send(&way.canary(model)).await;
    judge(&timeline(way.protocol, &exchange), &expectation(way, model))
}

/// Whether replies tell who answers.
fn names_model(protocol: Protocol) -> bool {
    !matches!(protocol, Protocol::Bedrock | Protocol::Cohere)
}

#[tokio::test]
async fn healthy_streams_are_complete() {
    let sim = Running::instant(3).await;
    for way in &WAYS {
        let name = way.name();
        let judgement = verdict(&sim, way, "model-1").await;
        assert_eq!(judgement.verdict, Verdict::Complete, "{name}: {judgement:?}");
        let mut flags = Flags::none();
        flags.insert(Flags::SENTINEL_FOUND);
        assert_eq!(judgement.flags, flags, "{name}: {judgement:?}");
        assert_eq!(judgement.usage.visible(), Some(21), "{name}");
        let served = names_model(way.protocol).then_some("model-1");
        assert_eq!(judgement.served_model.as_deref(), served, "{name}");
    }
    sim.stop().await;
}

fn errored(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

const CUT: Verdict = Verdict::Truncated(Truncation::Cut);

/// Faults that mean the same wherever they strike.
fn everywhere() -> Vec<(&'static str, Verdict)> {
    use ErrorClass as Class;
    vec![
        ("truncate.fin", CUT),
        ("truncate.reset", CUT),
        ("truncate.no_terminal", CUT),
        ("truncate.mid_event", CUT),
        ("truncate.silent", Verdict::Truncated(Truncation::Silent)),
        ("empty", Verdict::Truncated(Truncation::Empty)),
        ("length", Verdict::Limited),
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
    ]
}

/// Faults that every vendor tells in its own way.
fn by_way(way: &Way) -> [(&'static str, Verdict); 4] {
    use ErrorClass as Class;
    let in_stream = |class| errored(class, FailedAt::Stream);
    let auth = match (way.provider, way.protocol) {
        ("gemini" | "xai", _) => 400,
        ("bedrock", _) => 403,
        _ => 401,
    };
    let garbage = match way.protocol {
        Protocol::Bedrock => in_stream(Class::Protocol),
        _ => Verdict::Truncated(Truncation::Garbled),
    };
    let error = match (way.protocol, way.dialect().map(|dialect| dialect.error)) {
        (Protocol::Anthropic | Protocol::Gemini, _) => in_stream(Class::Overloaded),
        // The server swallows its own error: what is left is a cut.
        (_, Some(ErrorAt::Swallowed)) => CUT,
        _ => in_stream(Class::ServerError),
    };
    // Ollama has no word for a refusal: the model says so in its answer.
    let refusal = match way.protocol {
        Protocol::Ollama => Verdict::OffScript(OffScript::Text),
        _ => Verdict::Refused,
    };
    [
        ("auth", errored(Class::Auth, FailedAt::Status(auth))),
        ("garbage", garbage),
        ("error_event", error),
        ("refusal", refusal),
    ]
}

#[tokio::test]
async fn every_fault_gets_its_verdict() {
    let sim = Running::instant(3).await;
    for way in &WAYS {
        for (fault, wanted) in everywhere().into_iter().chain(by_way(way)) {
            let case = format!("{} {fault}", way.name());
            let judgement = verdict(&sim, way, &format!("m!{fault}")).await;
            assert_eq!(judgement.verdict, wanted, "{case}: {judgement:?}");
            let mismatch = judgement.flags.contains(Flags::MODEL_MISMATCH);
            let other = fault == "wrong_model" && names_model(way.protocol);
            assert_eq!(mismatch, other, "{case}");
            let residue = judgement.flags.contains(Flags::RESIDUE);
            let half = fault == format!("truncate.{}", Cut::MidEvent.as_str());
            assert_eq!(residue, half, "{case}");
            let forged = judgement.flags.contains(Flags::FORGED);
            assert_eq!(forged, fault == "truncate.silent", "{case}");
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_silent_cut_is_placed() {
    let sim = Running::instant(3).await;
    for way in &WAYS {
        let judgement = verdict(&sim, way, "m!truncate.silent").await;
        assert_eq!(judgement.cut_after, Some(10), "{}", way.name());
        assert!(judgement.text.ends_with("ten"), "{}", way.name());
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_missing_terminal_event_is_seen() {
    let sim = Running::instant(3).await;
    let fault = r#"{"kind":"truncate","how":"no_terminal","at":1}"#;
    for way in &WAYS {
        let path = format!("/control/faults/{}", way.provider);
        sim.control("PUT", &path, fault).await;
        let judgement = verdict(&sim, way, "m").await;
        let wanted = match way.protocol {
            // A server that needs none is whole without.
            Protocol::OpenaiChat if way.dialect == Some("llamacpp") => Verdict::Complete,
            Protocol::Anthropic | Protocol::OpenaiChat => Verdict::Truncated(Truncation::TerminalMissing),
            _ => CUT,
        };
        assert_eq!(judgement.verdict, wanted, "{}: {judgement:?}", way.name());
    }
    sim.stop().await;
}

/// Not every body is a stream: what comes without one is judged as well.
#[tokio::test]
async fn whole_answers_are_judged() {
    let sim = Running::instant(3).await;
    for way in &WAYS {
        for (fault, wanted) in [
            ("", Verdict::Complete),
            ("!truncate.silent", Verdict::Truncated(Truncation::Silent)),
            ("!truncate.no_terminal", Verdict::Truncated(Truncation::Garbled)),
            ("!length", Verdict::Limited),
            ("!empty", Verdict::Truncated(Truncation::Empty)),
        ] {
            let model = format!("m{fault}");
            let exchange = sim.send(&way.generate(&model, false, None)).await;
            let judgement = judge(&timeline(way.protocol, &exchange), &expectation(way, &model));
            let case = format!("{} {fault}", way.name());
            assert_eq!(judgement.verdict, wanted, "{case}: {judgement:?}");
        }
    }
    sim.stop().await;
}
