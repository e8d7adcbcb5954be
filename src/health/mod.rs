//! Observations to states, hints, incidents and orders for confirming probes. Pure: every call is handed its time.
//!
//! The statistics follow `docs/detection.md`; [`Engine`] joins the detectors of all streams, the vantage gate and the
//! incidents, and is the only thing that the daemon talks to.

mod engine;
pub mod histogram;
pub mod kernel;
mod machine;
mod save;
mod types;
pub mod wilson;

pub use engine::Engine;
pub use machine::Machine;
pub use types::*;
