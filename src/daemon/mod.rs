//! Assembly: channels between the layers, supervision, shutdown.
//!
//! [`brain`] is the pure machine, `core` the one task that owns it, [`Daemon`] the whole.

mod assemble;
pub mod brain;
mod core;
mod pulse;
mod shelf;

pub use assemble::{Daemon, StartError, StorePlace};
