//! Probes: the request over the wire, its timetable and its budget.
//!
//! `endturn probe` and the scheduler run the same [`Prober::run`].

mod anchor;
pub mod budget;
mod canary;
mod classify;
mod client;
mod credential;
mod deadlines;
mod exchange;
mod exits;
#[cfg(test)]
mod fixture;
mod hooks;
mod marks;
pub mod plan;
mod reach;
mod run;
pub mod schedule;
mod scrub;
mod transport;
mod wire;

pub use anchor::{ANCHOR_LIMIT, Anchors, MAX_NAMES};
pub use budget::Budget;
pub use canary::TAIL_CHARS;
pub use client::{ClientError, ReqwestTransport, http_client};
pub use marks::{Marks, Seen};
pub use plan::Plan;
pub use run::{CONNECT_EVERY, ProbeJob, ProbeKind, ProbeReport, Prober};
pub use schedule::Schedule;
pub use transport::{Call, Reply, Transport};

#[cfg(test)]
mod tests;
