//! Observations to states, hints, incidents and orders for confirming probes. Pure: every call is handed its time.
//!
//! The statistics follow `docs/detection.md`; [`Engine`] joins the detectors of all streams, the vantage gate and the
//! incidents, and is the only thing that the daemon talks to.

mod base_rate;
mod confirm;
mod deadline;
mod declared;
mod engine;
mod evidence;
mod flags;
mod hint;
pub mod histogram;
mod identity;
mod incident;
pub mod kernel;
mod machine;
mod numbers;
mod provider;
mod recent;
pub mod reliability;
mod save;
mod scope;
mod standing;
mod stream;
mod target;
mod types;
mod vantage;
pub mod wilson;
mod window;

#[cfg(test)]
mod properties;

pub use declared::{
    Declaration, DeclareError, Declared, DeclaredKind, Declares, Forced, InForce, MAX_AHEAD, MAX_BY_BYTES,
    MAX_DECLARATION_ID_BYTES, MAX_DECLARATIONS, MAX_DECLARED, MAX_WHY_BYTES, MIN_DECLARED,
};
pub use engine::Engine;
pub use evidence::{Against, against};
pub use identity::{
    CHANGED_FOR, Change, ChangeKind, DRIFT_RUN, MAX_FINGERPRINTS, MAX_NAME_BYTES, TELL_AGAIN,
};
pub use machine::Machine;
pub use numbers::{DetectorNumbers, Numbers, numbers};
pub use scope::{MAX_SCOPE_PATTERNS, Scope, ScopeError};
pub use standing::{MAX_UNWATCHED, Standing, StandingKeeper, StateTimes};
pub use types::*;
