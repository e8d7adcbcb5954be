//! What was spent on probes, by day.

use super::{Reader, StoreError, apply::DAY_MS};
use crate::{clock::Timestamp, id::TargetId};

impl Reader {
    /// Dollars spent on probes in the UTC day of `day`, per target in the order of their names. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn spent_today(&self, day: Timestamp) -> Result<Vec<(TargetId, f64)>, StoreError> {
        self.with(|session| {
            let raws: Vec<(i64, f64)> = session
                .connection
                .prepare_cached("SELECT target, usd FROM spend WHERE day = ?1")?
                .query_map([day.as_millis().div_euclid(DAY_MS)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<_, _>>()?;
            let mut spent = raws
                .into_iter()
                .map(|(target, usd)| Ok((session.target(target)?, usd)))
                .collect::<Result<Vec<_>, StoreError>>()?;
            spent.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(spent)
        })
    }
}
