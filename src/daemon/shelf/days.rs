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
        let last = ended.map_or(to.as_millis() - 1, Timestamp::as_millis);
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
