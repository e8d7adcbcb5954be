//! Probes: the request over the wire, its timetable and its budget.
//!
//! `endturn probe` and the scheduler run the same [`run`].

pub mod budget;
#[cfg(test)]
mod fixture;
pub mod plan;
mod run;
pub mod schedule;

pub use budget::Budget;
pub use plan::Plan;
pub use run::{ProbeJob, ProbeKind, ProbeReport, run};
pub use schedule::Schedule;
