//! What only the daemon knows of itself, as it is told here.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    id::{ProviderId, TargetId},
    verdict::Source,
};

/// The daemon's own condition. What is unknown is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Own {
    /// When it started.
    pub started: Timestamp,
    /// History.
    pub store: Option<OwnStore>,
    /// Real traffic on its way in.
    pub intake: Option<OwnIntake>,
    /// The tap on our own port.
    pub tap: Option<OwnTap>,
    /// Dollars a day for all probes together.
    pub budget_usd: Option<f64>,
    /// Dollars a day of single providers.
    pub provider_budgets_usd: Vec<(ProviderId, f64)>,
    /// How often the timetable asks whom; several kinds of one source count by the most frequent.
    pub intervals: Vec<(TargetId, Source, Duration)>,
    /// What became of exports, by signal.
    pub exports: Vec<OwnExport>,
    /// Every configured way to people.
    pub channels: Vec<OwnChannel>,
}

/// A way to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnChannel {
    /// Its name.
    pub name: String,
    /// Messages that it took since start.
    pub delivered: u64,
    /// Tries that failed since start.
    pub failed: u64,
    /// Messages given up since start.
    pub dead: u64,
    /// Messages that wait.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// It failed so often that it gets one trial at a time.
    pub open: bool,
}

/// History.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnStore {
    /// Writing fails at present.
    pub failing: bool,
    /// A damaged database was set aside since start.
    pub set_aside: bool,
    /// Rows of an older schema are being moved.
    pub migrating: bool,
    /// Records that wait.
    pub queued: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Records lost for good, by kind.
    pub dropped: Vec<(&'static str, u64)>,
}

/// Real traffic on its way in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnIntake {
    /// Observations that wait.
    pub waiting: u64,
    /// Most that may.
    pub places: u64,
    /// Bodies refused for want of places.
    pub refused: u64,
}

/// The tap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTap {
    /// Requests passed on.
    pub requests: u64,
    /// Requests under way.
    pub open: u64,
    /// Requests that lead nowhere.
    pub refused: u64,
    /// Verdicts without room.
    pub untold: u64,
    /// Replies without a verdict, by why.
    pub unjudged: Vec<(&'static str, u64)>,
}

/// What became of the exports of one signal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnExport {
    /// `metrics`, `traces` or `logs`.
    pub signal: &'static str,
    /// Items that a collector took.
    pub taken: u64,
    /// Items that none got, by why.
    pub lost: Vec<(&'static str, u64)>,
    /// When one last took an export.
    pub last_success: Option<Timestamp>,
}

/// Whoever knows.
pub trait Owner: Send + Sync + 'static {
    /// As of now; must not block.
    fn own(&self) -> Own;
}

/// Somebody who knows nothing: every figure of the daemon's own is absent.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Owner for Nobody {
    fn own(&self) -> Own {
        Own::default()
    }
}
