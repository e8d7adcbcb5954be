//! What the operator says, checked as a whole before anything starts.
//!
//! TOML becomes [`Config`] with every error collected, each with line, caret and help. Presets under `probes/` fill
//! in what a provider's entry leaves out.

mod secret;
mod types;

pub use secret::Secret;
pub use types::*;
