//! Days of all targets: what was counted, how each stood, and the incidents that lasted into them.

use std::time::Duration;

use crate::{
    api::page::{Day, DaysOf},
    clock::Timestamp,
    id::TargetId,
    store::{MAX_INCIDENTS, Reader, StoreError},
};

/// An incident that began longer before the first day than this is not looked for.
const LOOK_BACK: Duration = Duration::from_secs(30 * 86_400);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Reads the days from `from` until before `to`. **Blocks.**
pub(super) fn read(reader: &Reader, from: Timestamp, to: Timestamp) -> Result<DaysOf, StoreError> {
    let mut days = DaysOf::default();
    for row in reader.days(from, to)? {
        let day = slot(&mut days, row.target, row.at);
        let counts = row.counts;
        day.attempts = counts.attempts;
        day.failed = counts.errors + counts.truncated;
        day.began = counts.began;
        day.truncated = counts.truncated;
    }
    for row in reader.standings(from, to)? {
        slot(&mut days, row.target, row.day).times = row.times;
    }
    for (target, started, ended) in reader.spans(from.minus(LOOK_BACK), MAX_INCIDENTS as usize)? {
        // The moment of its end is no part of it, unless it has no other.
        let last = ended
            .map_or(to, |at| Timestamp::from_millis(at.as_millis() - 1).max(started))
            .as_millis();
        let mut at = started.max(from).as_millis().div_euclid(DAY_MS) * DAY_MS;
        while at <= last && at < to.as_millis() {
            slot(&mut days, target.clone(), Timestamp::from_millis(at)).incidents += 1;
            at += DAY_MS;
        }
    }
    Ok(days)
}

fn slot(days: &mut DaysOf, target: TargetId, at: Timestamp) -> &mut Day {
    days.entry(target).or_default().entry(at.as_millis()).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        health::{Incident, Reason, ReasonCode, Standing, State, StateTimes},
        store::{Options, Record, Store},
        verdict::{Observation, Source, Truncation, Verdict},
    };

    /// 2026-06-20T13:05:00Z
    const NOW: Timestamp = Timestamp::from_millis(1_781_960_700_000);

    fn incident(id: &str, started: Timestamp, recovered: Option<Timestamp>) -> Record {
        Record::Incident(Incident {
            id: id.to_owned(),
            target: "p/m".parse().unwrap(),
            started,
            detected: started,
            opened: started,
            recovered,
            closed: None,
            worst: State::Down,
            reason: Reason {
                code: ReasonCode::Truncated,
                text: String::new(),
                sources: vec![Source::Canary],
            },
            timeline: Vec::new(),
            lead_s: None,
        })
    }

    #[test]
    fn days_hold_counts_standings_and_the_incidents_that_lasted_into_them() {
        let (writer, reader) = Store::temporary(Options::default(), Clock::manual(NOW)).unwrap();
        let target: TargetId = "p/m".parse().unwrap();
        let midnight =
            |back: i64| Timestamp::from_millis((NOW.as_millis().div_euclid(DAY_MS) - back) * DAY_MS);
        let hours = |back: i64, hours: u64| midnight(back).plus(Duration::from_secs(3_600 * hours));
        for verdict in [
            Verdict::Complete,
            Verdict::Truncated(Truncation::Cut),
            Verdict::Refused,
        ] {
            let seen = Observation::new(target.clone(), hours(0, 2), Source::Canary, verdict);
            writer.send(Record::Observation(seen));
        }
        let mut times = StateTimes::default();
        times.add(State::Down, 60_000);
        writer.send(Record::Standing(Standing {
            target: target.clone(),
            day: midnight(1),
            times,
        }));
        writer.send(incident("over midnight", hours(2, 23), Some(hours(1, 1))));
        writer.send(incident("to its last moment", hours(1, 5), Some(midnight(0))));
        writer.send(incident("open", hours(0, 1), None));
        assert!(writer.flush(Duration::from_secs(10)));

        let days = read(&reader, midnight(2), midnight(-1))
            .unwrap()
            .remove(&target)
            .unwrap();
        let of = |back: i64| days.get(&midnight(back).as_millis()).copied().unwrap_or_default();
        assert_eq!([2, 1, 0].map(|back| of(back).incidents), [1, 2, 1]);
        assert_eq!(of(1).times, times);
        assert_eq!(
            (of(0).attempts, of(0).failed, of(0).began, of(0).truncated),
            (3, 1, 3, 1)
        );
        // Only the days that were asked for.
        let one = read(&reader, midnight(1), midnight(0))
            .unwrap()
            .remove(&target)
            .unwrap();
        assert_eq!(one.keys().copied().collect::<Vec<_>>(), [midnight(1).as_millis()]);
        assert_eq!(one[&midnight(1).as_millis()].incidents, 2);
    }
}
