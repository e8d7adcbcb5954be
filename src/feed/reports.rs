//! What came of reports, and who sends them.

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// What became of the reports of one body. Each is judged alone: one that is wrong spoils no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// Taken in.
    pub accepted: usize,
    /// Known already by their id.
    pub duplicates: usize,
    /// Wrong, or of a target that there is no room for; in the order of the body.
    pub rejected: Vec<Rejected>,
}

/// A report that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejected {
    /// Its place in the body, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Everybody who reported since start, most reports first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reporters {
    /// Each with its figures.
    pub reporters: Vec<Reporter>,
    /// Observations that wait to be judged at this moment.
    pub waiting: usize,
}

/// One reporter's figures since start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reporter {
    /// Its name; `anonymous` for whoever gave none.
    pub name: String,
    /// Taken in.
    pub accepted: u64,
    /// Sent twice.
    pub duplicates: u64,
    /// Wrong. Those are booked on `anonymous`: where a report is wrong, its name may be too.
    pub rejected: u64,
    /// Truncated or errored, among those taken in.
    pub failed: u64,
    /// When it was last heard.
    pub last_at: Time,
}
