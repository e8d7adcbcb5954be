use std::time::Duration;

use super::*;
use crate::{clock::Timestamp, verdict::FailedAt};

const HARD: Duration = Duration::from_secs(30);
const STATUSES: [u16; 16] = [
    200, 302, 400, 401, 402, 403, 404, 408, 424, 429, 498, 500, 503, 522, 529, 599,
];

fn setup(strict_terminal: bool) -> TargetSetup {
    TargetSetup {
        id: "p/m".parse().unwrap(),
        strict_terminal,
        interval: Some(Duration::from_secs(60)),
        long: true,
        long_interval: None,
        first_token_limit: HARD,
        polite: false,
        reports_only: false,
    }
}

fn observed(source: Source, verdict: Verdict) -> Observation {
    Observation::new("p/m".parse().unwrap(), Timestamp::default(), source, verdict)
}

const fn failed(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

fn every_verdict() -> Vec<Verdict> {
    let mut all = vec![
        Verdict::Complete,
        Verdict::Limited,
        Verdict::Refused,
        Verdict::Unknown,
    ];
    all.extend(Truncation::ALL.map(Verdict::Truncated));
    all.extend(OffScript::ALL.map(Verdict::OffScript));
    let places = [FailedAt::Transport, FailedAt::Stream];
    let places = places.into_iter().chain(STATUSES.map(FailedAt::Status));
    for at in places {
        all.extend(ErrorClass::ALL.map(|class| failed(class, at)));
    }
    all
}

#[test]
fn the_table_is_total_and_keeps_its_promises() {
    for verdict in every_verdict() {
        for source in Source::ALL {
            for (strict, with_key) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut o = observed(source, verdict);
                o.with_key = with_key;
                let e = read(&o, &setup(strict), HARD);
                let name = format!("{verdict} from {source}, strict {strict}, key {with_key}: {e:?}");
                if source == Source::Reach {
                    assert!(e.model == Model::Ignored && e.count == Count::None, "{name}");
                }
                if !with_key || matches!(source, Source::Report | Source::Tap) {
                    assert!(!matches!(e.key, Key::Refused), "{name}");
                }
                if let Model::Bad(weight, _) = e.model {
                    assert!([1.0, 0.5].contains(&weight), "{name}");
                    assert_ne!(verdict, Verdict::Complete, "{name}");
                    assert_ne!(e.count, Count::Ours, "{name}");
                }
                if e.edge == Edge::Bad {
                    assert_eq!(e.model, Model::Ignored, "{name}");
                }
                assert_eq!(edge_of(&o) == Edge::Good, e.edge == Edge::Good, "{name}");
            }
        }
    }
}

type Row = (Source, Verdict, Model, Edge, Key, Count);

use ErrorClass as C;
use FailedAt::{Status, Stream, Transport};
use Source::{Canary, Report, Tap};

const NO: Model = Model::Ignored;
const OK: Model = Model::Good;
const EDGE_OK: Edge = Edge::Good;
const EDGE_BAD: Edge = Edge::Bad;
const EDGE_NO: Edge = Edge::Ignored;
const KEY_NO: Key = Key::Ignored;

const fn bad(kind: Kind) -> Model {
    Model::Bad(1.0, kind)
}

const fn half(kind: Kind) -> Model {
    Model::Bad(0.5, kind)
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Canary, Verdict::Complete, OK, EDGE_OK, Key::Works, Count::Complete),
    (Report, Verdict::Complete, OK, EDGE_OK, KEY_NO, Count::Complete),
    (Canary, Verdict::Truncated(Truncation::Cut), bad(Kind::Cut), EDGE_OK, KEY_NO, Count::Truncated),
    (Tap, Verdict::Truncated(Truncation::Silent), bad(Kind::Silent), EDGE_OK, KEY_NO, Count::Truncated),
    (Canary, failed(C::Overloaded, Status(529)), bad(Kind::Overloaded), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::Overloaded, Status(429)), bad(Kind::Overloaded), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::RateLimit, Status(429)), NO, EDGE_OK, Key::Throttled, Count::Ours),
    (Report, failed(C::RateLimit, Status(429)), NO, EDGE_OK, KEY_NO, Count::Ours),
    (Canary, failed(C::Quota, Status(429)), NO, EDGE_OK, Key::Spent, Count::Ours),
    (Canary, failed(C::Quota, Status(402)), NO, EDGE_OK, Key::Spent, Count::Ours),
    (Canary, failed(C::Auth, Status(401)), NO, EDGE_OK, Key::Refused, Count::Ours),
    (Canary, failed(C::Auth, Transport), NO, EDGE_NO, Key::Refused, Count::Ours),
    (Canary, failed(C::Permission, Status(403)), NO, EDGE_OK, Key::Refused, Count::Ours),
    (Canary, failed(C::ModelNotFound, Status(404)), NO, EDGE_OK, KEY_NO, Count::Ours),
    (Canary, failed(C::InvalidRequest, Status(400)), NO, EDGE_OK, KEY_NO, Count::Ours),
    (Canary, failed(C::ContentPolicy, Status(400)), NO, EDGE_OK, KEY_NO, Count::Ours),
    (Canary, failed(C::ServerError, Status(500)), bad(Kind::ServerError), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::ServerError, Status(424)), bad(Kind::ServerError), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::Timeout, Status(522)), bad(Kind::Timeout), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::Timeout, Status(408)), half(Kind::Timeout), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::ServerError, Stream), bad(Kind::ServerError), EDGE_OK, KEY_NO, Count::ErrorInStream),
    (Canary, failed(C::Protocol, Status(200)), bad(Kind::Other), EDGE_OK, KEY_NO, Count::Error),
    (Canary, failed(C::Protocol, Transport), half(Kind::Other), EDGE_NO, KEY_NO, Count::Error),
    (Canary, failed(C::Dns, Transport), NO, EDGE_BAD, KEY_NO, Count::Error),
    (Canary, failed(C::Reset, Transport), NO, EDGE_BAD, KEY_NO, Count::Error),
    (Canary, failed(C::Timeout, Transport), NO, EDGE_BAD, KEY_NO, Count::Error),
    (Report, failed(C::Timeout, Transport), half(Kind::Timeout), EDGE_NO, KEY_NO, Count::Error),
    (Report, failed(C::Cancelled, Transport), NO, EDGE_NO, KEY_NO, Count::Ours),
    (Canary, Verdict::Limited, NO, EDGE_OK, KEY_NO, Count::Began),
    (Report, Verdict::Limited, OK, EDGE_OK, KEY_NO, Count::Began),
    (Canary, Verdict::Refused, NO, EDGE_OK, KEY_NO, Count::Began),
    (Report, Verdict::OffScript(OffScript::ToolUse), OK, EDGE_OK, KEY_NO, Count::Began),
    (Canary, Verdict::OffScript(OffScript::ToolUse), NO, EDGE_OK, KEY_NO, Count::Began),
    (Canary, Verdict::Unknown, NO, EDGE_OK, KEY_NO, Count::Began),
];

#[test]
fn rows_of_the_table() {
    for &(source, verdict, model, edge, key, count) in ROWS {
        let got = read(&observed(source, verdict), &setup(true), HARD);
        let wanted = Evidence {
            model,
            edge,
            key,
            count,
            ask: false,
        };
        assert_eq!(got, wanted, "{verdict} from {source}");
    }
}

#[test]
fn silence_after_the_connection_is_the_models() {
    let mut o = observed(Source::Canary, failed(ErrorClass::Timeout, FailedAt::Transport));
    o.phases.connect = Some(Duration::from_millis(20));
    let e = read(&o, &setup(true), HARD);
    assert_eq!((e.model, e.edge), (Model::Bad(1.0, Kind::Timeout), Edge::Ignored));
}

#[test]
fn a_caller_who_waited_past_the_hard_deadline_saw_a_failure() {
    for (end_ms, first_ms, model) in [
        (29_999, None, Model::Ignored),
        (30_000, None, Model::Bad(1.0, Kind::Timeout)),
        (30_000, Some(500), Model::Ignored),
    ] {
        let mut o = observed(Source::Tap, failed(ErrorClass::Cancelled, FailedAt::Transport));
        o.phases.end = Some(Duration::from_millis(end_ms));
        o.phases.first_token = first_ms.map(Duration::from_millis);
        assert_eq!(read(&o, &setup(true), HARD).model, model, "{end_ms} {first_ms:?}");
    }
}

#[test]
fn a_missing_terminal_event_depends_on_preset_and_sentinel() {
    let missing = Verdict::Truncated(Truncation::TerminalMissing);
    for (source, strict, sentinel, model) in [
        (Source::Canary, true, true, Model::Bad(1.0, Kind::Silent)),
        (Source::Report, true, false, Model::Bad(1.0, Kind::Silent)),
        (Source::Canary, false, true, Model::Good),
        (Source::Canary, false, false, Model::Bad(1.0, Kind::Silent)),
        (Source::Report, false, false, Model::Good),
    ] {
        let mut o = observed(source, missing);
        o.flags.set(Flags::SENTINEL_FOUND, sentinel);
        assert_eq!(
            read(&o, &setup(strict), HARD).model,
            model,
            "{source} {strict} {sentinel}"
        );
    }
}

#[test]
fn reach_judges_edge_and_key_alone() {
    let reach = |status: Option<u16>, verdict, with_key, expected| {
        let mut o = observed(Source::Reach, verdict);
        (o.http_status, o.with_key, o.expected) = (status, with_key, expected);
        let e = read(&o, &setup(true), HARD);
        (e.edge, e.key, e.ask)
    };
    let at = |class, status| failed(class, FailedAt::Status(status));
    for (got, wanted) in [
        (
            reach(Some(200), Verdict::Complete, true, true),
            (Edge::Good, Key::Works, false),
        ),
        (
            reach(Some(401), at(C::Auth, 401), false, true),
            (Edge::Good, Key::Ignored, false),
        ),
        (
            reach(Some(401), at(C::Auth, 401), false, false),
            (Edge::Good, Key::Ignored, false),
        ),
        (
            reach(Some(401), at(C::Auth, 401), true, false),
            (Edge::Good, Key::Refused, false),
        ),
        (
            reach(Some(402), at(C::Quota, 402), true, false),
            (Edge::Good, Key::Spent, false),
        ),
        (
            reach(Some(429), at(C::RateLimit, 429), true, false),
            (Edge::Good, Key::Ignored, false),
        ),
        (
            reach(Some(503), at(C::Overloaded, 503), true, false),
            (Edge::Good, Key::Ignored, true),
        ),
        (
            reach(Some(500), at(C::ServerError, 500), true, false),
            (Edge::Good, Key::Ignored, true),
        ),
        (
            reach(Some(499), at(C::Cancelled, 499), true, false),
            (Edge::Good, Key::Ignored, false),
        ),
        (
            reach(None, failed(C::Dns, FailedAt::Transport), true, false),
            (Edge::Bad, Key::Ignored, false),
        ),
        (
            reach(None, failed(C::Timeout, FailedAt::Transport), true, false),
            (Edge::Bad, Key::Ignored, false),
        ),
        // A request that we could not even build was never sent.
        (
            reach(None, failed(C::InvalidRequest, FailedAt::Transport), true, false),
            (Edge::Ignored, Key::Ignored, false),
        ),
        // Nor one for which we got no token or signature.
        (
            reach(None, failed(C::Auth, FailedAt::Transport), true, false),
            (Edge::Ignored, Key::Refused, false),
        ),
        (
            reach(None, failed(C::Cancelled, FailedAt::Transport), true, false),
            (Edge::Ignored, Key::Ignored, false),
        ),
    ] {
        assert_eq!(got, wanted);
    }
}
