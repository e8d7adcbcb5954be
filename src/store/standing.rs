//! Time in each state, one row a day and target.

use rusqlite::{Connection, params};

use super::{
    Reader, StoreError,
    apply::{DAY_MS, run},
    reader::Session,
    roll::Level,
};
use crate::{
    clock::Timestamp,
    health::{Standing, State, StateTimes},
};

/// Adds a stretch to its day.
pub(super) fn write(connection: &Connection, target: i64, standing: &Standing) -> rusqlite::Result<()> {
    let ms = |state| standing.times.of(state).cast_signed();
    run(
        connection,
        "INSERT INTO standings (at, target, operational, degraded, partial, down, unknown, maintenance)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (at, target) DO UPDATE SET operational = operational + excluded.operational,
           degraded = degraded + excluded.degraded, partial = partial + excluded.partial,
           down = down + excluded.down, unknown = unknown + excluded.unknown,
           maintenance = maintenance + excluded.maintenance",
        params![
            Level::Day.bucket(standing.day),
            target,
            ms(State::Operational),
            ms(State::Degraded),
            ms(State::Partial),
            ms(State::Down),
            ms(State::Unknown),
            ms(State::Maintenance),
        ],
    )
}

impl Reader {
    /// How every target stood, in order of day and target, from the day of `from` to the day before that of `to`, or
    /// with it where `to` is no midnight. The running day lacks its last half minute. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn standings(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Standing>, StoreError> {
        self.with(|session| session.standings(from, to))
    }
}

impl Session {
    fn standings(&mut self, from: Timestamp, to: Timestamp) -> Result<Vec<Standing>, StoreError> {
        let range = (
            Level::Day.bucket(from),
            to.as_millis().saturating_add(DAY_MS - 1).div_euclid(DAY_MS),
        );
        let found: Vec<(i64, i64, StateTimes)> = self
            .connection
            .prepare_cached(
                "SELECT at, target, operational, degraded, partial, down, unknown, maintenance
                 FROM standings WHERE at >= ?1 AND at < ?2 ORDER BY at, target",
            )?
            .query_map(params![range.0, range.1], |row| {
                let mut times = StateTimes::default();
                for (index, state) in State::ALL.into_iter().enumerate() {
                    times.add(state, row.get::<_, i64>(2 + index)?.cast_unsigned());
                }
                Ok((row.get(0)?, row.get(1)?, times))
            })?
            .collect::<Result<_, _>>()?;
        found
            .into_iter()
            .map(|(day, target, times)| {
                Ok(Standing {
                    target: self.target(target)?,
                    day: Timestamp::from_millis(day * DAY_MS),
                    times,
                })
            })
            .collect()
    }
}
