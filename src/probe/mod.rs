//! Probes: the request over the wire, its timetable and its budget.
//!
//! `endturn probe` and the scheduler run the same [`run`].

mod run;

pub use run::{ProbeJob, ProbeKind, ProbeReport, run};
