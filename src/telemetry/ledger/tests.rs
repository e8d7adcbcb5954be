use proptest::prelude::*;

use super::*;
use crate::verdict::{FailedAt, Failure, OffScript};

#[expect(clippy::unnecessary_wraps, reason = "phases are optional")]
fn ms(n: u64) -> Option<Duration> {
    Some(Duration::from_millis(n))
}

fn seen(source: Source, verdict: Verdict) -> Observation {
    let mut seen = Observation::new(
        "p/m".parse().unwrap(),
        Timestamp::from_millis(5_000),
        source,
        verdict,
    );
    seen.phases.dns = ms(1);
    seen.phases.connect = ms(9);
    seen.phases.head = ms(40);
    seen.phases.first_token = ms(60);
    seen.phases.first_output = ms(70);
    seen.phases.last_token = ms(160);
    seen.phases.terminal = ms(170);
    seen.phases.end = ms(180);
    seen.usage.input = Some(20);
    seen.usage.output = Some(11);
    seen.cost_usd = 0.001;
    seen
}

fn errored(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

/// Every verdict that there is.
fn verdicts() -> Vec<Verdict> {
    let mut all = vec![
        Verdict::Complete,
        Verdict::Limited,
        Verdict::Refused,
        Verdict::Unknown,
    ];
    all.extend(Truncation::ALL.map(Verdict::Truncated));
    all.extend(OffScript::ALL.map(Verdict::OffScript));
    for class in ErrorClass::ALL {
        let places = [FailedAt::Transport, FailedAt::Status(503), FailedAt::Stream];
        all.extend(places.map(|at| errored(class, at)));
    }
    all
}

/// The counting table: attempt, began, error, truncated, own; then in the percentiles.
#[test]
fn counts_are_those_of_the_table() {
    let rows: [(Source, Verdict, [u64; 5], u64); 11] = [
        (Source::Canary, Verdict::Complete, [1, 1, 0, 0, 0], 1),
        (
            Source::Tap,
            Verdict::Truncated(Truncation::Cut),
            [1, 1, 0, 1, 0],
            0,
        ),
        (
            Source::Long,
            Verdict::Truncated(Truncation::Silent),
            [1, 1, 0, 1, 0],
            0,
        ),
        (
            Source::Report,
            errored(ErrorClass::Overloaded, FailedAt::Stream),
            [1, 1, 1, 0, 0],
            0,
        ),
        (
            Source::Report,
            errored(ErrorClass::Overloaded, FailedAt::Status(529)),
            [1, 0, 1, 0, 0],
            0,
        ),
        (
            Source::Canary,
            errored(ErrorClass::Timeout, FailedAt::Transport),
            [1, 0, 1, 0, 0],
            0,
        ),
        (Source::Canary, Verdict::Limited, [1, 1, 0, 0, 0], 0),
        (
            Source::Canary,
            Verdict::OffScript(OffScript::Text),
            [1, 1, 0, 0, 0],
            0,
        ),
        (
            Source::Canary,
            errored(ErrorClass::Auth, FailedAt::Status(401)),
            [0, 0, 0, 0, 1],
            0,
        ),
        (
            Source::Tap,
            errored(ErrorClass::Cancelled, FailedAt::Stream),
            [0, 0, 0, 0, 1],
            0,
        ),
        (Source::Reach, Verdict::Complete, [0, 0, 0, 0, 0], 0),
    ];
    for (source, verdict, expected, sampled) in rows {
        let ledger = Ledger::default();
        ledger.add(&seen(source, verdict));
        let (_, _, cell) = ledger.cells().pop().unwrap();
        let counts = cell.counts;
        let found = [
            counts.attempts,
            counts.began,
            counts.errors,
            counts.truncated,
            counts.ours,
        ];
        assert_eq!(found, expected, "{source} {verdict}");
        assert_eq!(cell.ttft.count(), sampled, "{source} {verdict}");
        assert_eq!(cell.outcomes.iter().sum::<u64>(), 1, "{source} {verdict}");
    }
}

#[test]
fn the_parts_are_the_whole_for_every_verdict() {
    let ledger = Ledger::default();
    for source in Source::ALL {
        for verdict in verdicts() {
            ledger.add(&seen(source, verdict));
        }
    }
    for (_, source, cell) in ledger.cells() {
        let sum = |parts: &[u64]| parts.iter().sum::<u64>();
        assert_eq!(sum(&cell.outcomes), verdicts().len() as u64, "{source}");
        assert_eq!(sum(&cell.errors), cell.counts.errors, "{source}");
        assert_eq!(sum(&cell.own), cell.counts.ours, "{source}");
        assert_eq!(sum(&cell.truncations), cell.counts.truncated, "{source}");
        if source != Source::Reach {
            let own = cell.outcomes[OUTCOMES.len() - 1];
            assert_eq!(cell.counts.attempts + own, verdicts().len() as u64, "{source}");
        }
    }
}

#[test]
fn an_outcome_has_the_name_of_its_verdict() {
    for verdict in verdicts() {
        let name = OUTCOMES[outcome(verdict)];
        if Counts::of_verdict(verdict).ours > 0 {
            assert_eq!(name, names::OWN);
        } else {
            assert_eq!(name, verdict.family());
        }
    }
}

#[test]
fn phases_are_those_that_were_finished() {
    let whole = seen(Source::Canary, Verdict::Complete).phases;
    assert_eq!(phase_lengths(&whole), [ms(1), ms(9), ms(40), ms(20), ms(110)]);
    let cut = Phases {
        head: ms(40),
        end: ms(50),
        ..Phases::default()
    };
    assert_eq!(phase_lengths(&cut), [None, None, ms(40), None, None]);
    let backwards = Phases {
        head: ms(40),
        first_token: ms(39),
        ..Phases::default()
    };
    assert_eq!(phase_lengths(&backwards)[3], None);
}

#[test]
fn what_is_no_longer_watched_is_forgotten() {
    let ledger = Ledger::default();
    ledger.add(&seen(Source::Canary, Verdict::Complete));
    ledger.retain(|target| target.to_string() == "p/m");
    assert_eq!(ledger.cells().len(), 1);
    ledger.retain(|_| false);
    assert!(ledger.cells().is_empty());
}

proptest! {
    #[test]
    fn joined_cells_are_as_one(picks in prop::collection::vec((0..verdicts().len(), any::<bool>()), 0..40)) {
        let (whole, left, right) = (Ledger::default(), Ledger::default(), Ledger::default());
        for (index, goes_left) in picks {
            let seen = seen(Source::Canary, verdicts()[index]);
            whole.add(&seen);
            if goes_left { left.add(&seen) } else { right.add(&seen) }
        }
        let mut joined = Cell::new();
        for ledger in [left, right] {
            ledger.cells().iter().for_each(|(_, _, cell)| joined.join(cell));
        }
        let expected = whole.cells().pop().map_or_else(Cell::new, |(_, _, cell)| cell);
        prop_assert_eq!(joined.counts, expected.counts);
        prop_assert_eq!(joined.outcomes, expected.outcomes);
        prop_assert_eq!(joined.errors, expected.errors);
        prop_assert_eq!(joined.truncations, expected.truncations);
        prop_assert_eq!(joined.e2e.buckets(), expected.e2e.buckets());
        prop_assert_eq!(joined.input_tokens, expected.input_tokens);
        prop_assert_eq!(joined.last, expected.last);
    }
}
