//! The demo's bookkeeping: which fault began when, who saw it first, when the feed said so. Pure.

use std::{collections::HashMap, time::Duration};

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    clock::Timestamp,
    feed::v1::TargetHealth,
    health::{ReasonCode, State},
    id::TargetId,
    protocol::ErrorClass,
    verdict::{Observation, Verdict},
};

/// One fault on one target and what became of it.
#[derive(Debug, Clone)]
struct Fault {
    target: TargetId,
    expected: ReasonCode,
    onset: Timestamp,
    until: Option<Timestamp>,
    evidence: Option<Timestamp>,
    decided: Option<Timestamp>,
    told: Option<Timestamp>,
    state: State,
}

impl Fault {
    fn is_shown_by(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Truncated(_) => self.expected == ReasonCode::Truncated,
            Verdict::Errored(failure) => {
                self.expected == ReasonCode::Overloaded && failure.class == ErrorClass::Overloaded
            }
            _ => false,
        }
    }
}

/// What happened so far in one play of the script.
#[derive(Debug)]
pub(crate) struct Book {
    start: Timestamp,
    faults: Vec<Fault>,
    recoveries: Vec<(TargetId, Timestamp, Option<Timestamp>)>,
    states: HashMap<TargetId, State>,
    false_alarms: Vec<String>,
}

impl Book {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            start,
            faults: Vec::new(),
            recoveries: Vec::new(),
            states: HashMap::new(),
            false_alarms: Vec::new(),
        }
    }

    /// Time since the start of the script.
    pub(crate) fn since_start(&self, at: Timestamp) -> Duration {
        at.since(self.start)
    }

    /// A fault came into force; the one before it on that target is over.
    pub(crate) fn fault(&mut self, target: &TargetId, expected: ReasonCode, at: Timestamp) {
        self.close(target, at);
        self.faults.push(Fault {
            target: target.clone(),
            expected,
            onset: at,
            until: None,
            evidence: None,
            decided: None,
            told: None,
            state: State::Operational,
        });
    }

    /// The faults of a target are over: from here on it is to recover.
    pub(crate) fn clear(&mut self, target: &TargetId, at: Timestamp) {
        self.close(target, at);
        self.recoveries.push((target.clone(), at, None));
    }

    fn close(&mut self, target: &TargetId, at: Timestamp) {
        for fault in self.faults.iter_mut().filter(|fault| &fault.target == target) {
            fault.until.get_or_insert(at);
        }
    }

    fn in_force(&mut self, target: &TargetId) -> Option<&mut Fault> {
        self.faults
            .iter_mut()
            .find(|fault| &fault.target == target && fault.until.is_none())
    }

    /// The daemon judged a reply.
    pub(crate) fn observed(&mut self, observation: &Observation) {
        if let Some(fault) = self.in_force(&observation.target)
            && fault.is_shown_by(observation.verdict)
            && observation.at >= fault.onset
        {
            fault.evidence.get_or_insert(observation.at);
        }
    }

    /// A subscriber of the feed read this of a target, and when that was decided, where the event says. A line for the
    /// terminal, if it is news.
    pub(crate) fn told(
        &mut self,
        target: &TargetHealth,
        decided: Option<Timestamp>,
        at: Timestamp,
    ) -> Option<String> {
        let before = self.states.insert(target.id.clone(), target.state);
        let mut delays = String::new();
        if target.state.is_impaired() {
            let start = self.start;
            if let Some(fault) = self.in_force(&target.id) {
                if fault.told.is_none() && fault.expected.as_str() == target.reason.code {
                    fault.told = Some(at);
                    fault.decided = decided;
                    fault.state = target.state;
                    delays = fault.delays();
                }
            } else if !before.is_some_and(State::is_impaired) {
                let line = format!(
                    "{} {} at {:.1} s",
                    target.id,
                    target.state,
                    at.since(start).as_secs_f64()
                );
                self.false_alarms.push(line);
            }
        } else if target.state == State::Operational {
            for (who, cleared, back) in &mut self.recoveries {
                if who == &target.id && back.is_none() {
                    *back = Some(at);
                    delays = format!(", {} after the fault ended", seconds(at.since(*cleared)));
                }
            }
        }
        let before = before.map_or("", State::as_str);
        if before == target.state.as_str() && delays.is_empty() {
            return None;
        }
        let arrow = if before.is_empty() || before == target.state.as_str() {
            String::new()
        } else {
            format!("{before} -> ")
        };
        Some(format!(
            "{}  {arrow}{}: {}{delays}",
            target.id, target.state, target.reason.text
        ))
    }

    /// What is missing for a full success; empty is good.
    pub(crate) fn failures(&self) -> Vec<String> {
        let missed = self.faults.iter().filter(|fault| fault.told.is_none());
        let missed =
            missed.map(|fault| format!("{} on {} was not told", fault.expected.as_str(), fault.target));
        let lost = self.recoveries.iter().filter(|(_, _, back)| back.is_none());
        let lost = lost.map(|(target, _, _)| format!("{target} did not recover"));
        let nothing = self.faults.is_empty().then(|| "no fault was played".to_owned());
        let accused = self
            .false_alarms
            .iter()
            .map(|alarm| format!("false alarm: {alarm}"));
        missed.chain(lost).chain(accused).chain(nothing).collect()
    }

    /// The summary.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "TARGET",
            "FAULT",
            "ONSET",
            "FIRST\nEVIDENCE",
            "FEED",
            "ONSET TO\nEVIDENCE",
            "EVIDENCE TO\nDECISION",
            "DECISION\nTO FEED",
            "STATE",
        ]);
        let at =
            |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| seconds(self.since_start(time)));
        for fault in &self.faults {
            table.add_row([
                fault.target.to_string(),
                fault.expected.as_str().to_owned(),
                at(Some(fault.onset)),
                at(fault.evidence),
                at(fault.told),
                span(Some(fault.onset), fault.evidence),
                span(fault.evidence, fault.decided),
                millis(fault.decided, fault.told),
                if fault.told.is_some() {
                    fault.state.to_string()
                } else {
                    "not told".to_owned()
                },
            ]);
        }
        for (target, cleared, back) in &self.recoveries {
            table.add_row([
                target.to_string(),
                "recovery".to_owned(),
                at(Some(*cleared)),
                "-".to_owned(),
                at(*back),
                "-".to_owned(),
                span(Some(*cleared), *back),
                "-".to_owned(),
                if back.is_some() {
                    State::Operational.to_string()
                } else {
                    "not told".to_owned()
                },
            ]);
        }
        for column in 2..8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{table}\nfalse alarms: {}\n", self.false_alarms.len())
    }
}

impl Fault {
    fn delays(&self) -> String {
        format!(
            ", onset to evidence {}, evidence to decision {}, decision to feed {}",
            span(Some(self.onset), self.evidence),
            span(self.evidence, self.decided),
            millis(self.decided, self.told)
        )
    }
}

fn span(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => seconds(to.since(from)),
        _ => "-".to_owned(),
    }
}

/// Our own part of the way, to the millisecond.
fn millis(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    match from.zip(to).map(|(from, to)| to.since(from).as_millis()) {
        Some(0) => "< 1 ms".to_owned(),
        Some(ms) => format!("{ms} ms"),
        None => "-".to_owned(),
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feed::v1::{Health, Identity, StoreStatus},
        health::{Figures, Hint, InForce, Network, Reason, Routing, TargetView, View},
        verdict::{FailedAt, Failure, Source, Truncation},
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn id() -> TargetId {
        "sim/a".parse().expect("an id")
    }

    fn says(state: State, code: ReasonCode) -> TargetHealth {
        let reason = Reason {
            code,
            text: "why".to_owned(),
            sources: vec![Source::Canary],
        };
        let view = View {
            at: at(0),
            network: Network::Online,
            targets: vec![TargetView {
                id: id(),
                state,
                since: at(0),
                reason,
                routing: Routing {
                    hint: Hint::Allow,
                    weight: Some(1.0),
                    retry_at: None,
                },
                figures: Figures::default(),
                soft_deadline: Duration::from_secs(10),
                last_complete_at: None,
                last_seen_at: None,
                served_model: None,
                via: None,
                flags: Vec::new(),
                incident: None,
                spent_usd_today: 0.0,
                official: None,
                declared: InForce::default(),
            }],
            providers: Vec::new(),
        };
        let identity = Identity {
            instance: "i".to_owned(),
            vantage: "v".to_owned(),
        };
        Health::new(&identity, 1, &view, &StoreStatus::default())
            .targets
            .remove(0)
    }

    fn saw(ms: i64, verdict: Verdict) -> Observation {
        Observation::new(id(), at(ms), Source::Canary, verdict)
    }

    const CUT: Verdict = Verdict::Truncated(Truncation::Cut);
    const BUSY: Verdict = Verdict::Errored(Failure {
        class: ErrorClass::Overloaded,
        at: FailedAt::Status(529),
    });

    fn played() -> Book {
        let mut book = Book::new(at(0));
        assert!(
            book.told(
                &says(State::Operational, ReasonCode::Healthy),
                Some(at(500)),
                at(500)
            )
            .is_some()
        );
        book.fault(&id(), ReasonCode::Truncated, at(10_000));
        book.observed(&saw(10_400, CUT));
        book.observed(&saw(10_500, CUT));
        book
    }

    #[test]
    fn a_full_play_has_no_failures_and_its_delays() {
        let mut book = played();
        let line = book
            .told(
                &says(State::Partial, ReasonCode::Truncated),
                Some(at(11_000)),
                at(11_000),
            )
            .expect("news");
        assert!(
            line.ends_with(
                "onset to evidence 0.400 s, evidence to decision 0.600 s, decision to feed < 1 ms"
            ),
            "{line}"
        );
        book.fault(&id(), ReasonCode::Overloaded, at(30_000));
        book.observed(&saw(30_300, BUSY));
        assert!(
            book.told(
                &says(State::Down, ReasonCode::Overloaded),
                Some(at(31_000)),
                at(31_000)
            )
            .is_some()
        );
        book.clear(&id(), at(50_000));
        assert!(
            book.told(
                &says(State::Operational, ReasonCode::Healthy),
                Some(at(60_000)),
                at(60_000)
            )
            .is_some()
        );
        assert_eq!(book.failures(), Vec::<String>::new());
        assert!(book.table().contains("false alarms: 0"), "{}", book.table());
    }

    #[test]
    fn what_is_missing_is_a_failure() {
        let mut book = played();
        assert_eq!(book.failures(), ["truncated on sim/a was not told"]);
        // Another reason than the fault's doesn't count.
        book.told(
            &says(State::Partial, ReasonCode::Slow),
            Some(at(11_000)),
            at(11_000),
        );
        assert_eq!(book.failures(), ["truncated on sim/a was not told"]);
        book.told(
            &says(State::Partial, ReasonCode::Truncated),
            Some(at(12_000)),
            at(12_000),
        );
        book.clear(&id(), at(50_000));
        assert_eq!(book.failures(), ["sim/a did not recover"]);
    }

    #[test]
    fn an_alarm_without_a_fault_is_false_and_lingering_is_not() {
        let mut book = Book::new(at(0));
        book.told(
            &says(State::Operational, ReasonCode::Healthy),
            Some(at(500)),
            at(500),
        );
        book.told(
            &says(State::Degraded, ReasonCode::Slow),
            Some(at(2_000)),
            at(2_000),
        );
        assert_eq!(book.failures()[0], "false alarm: sim/a degraded at 2.0 s");
        let mut book = played();
        book.told(
            &says(State::Partial, ReasonCode::Truncated),
            Some(at(11_000)),
            at(11_000),
        );
        book.clear(&id(), at(30_000));
        book.told(
            &says(State::Degraded, ReasonCode::Truncated),
            Some(at(31_000)),
            at(31_000),
        );
        book.told(
            &says(State::Operational, ReasonCode::Healthy),
            Some(at(40_000)),
            at(40_000),
        );
        assert_eq!(book.failures(), Vec::<String>::new());
        book.told(
            &says(State::Degraded, ReasonCode::Truncated),
            Some(at(41_000)),
            at(41_000),
        );
        assert_eq!(book.failures().len(), 1);
    }

    #[test]
    fn a_play_without_faults_proves_nothing() {
        assert_eq!(Book::new(at(0)).failures(), ["no fault was played"]);
    }
}
