//! Assembly: channels between the layers, supervision, shutdown.
//!
//! [`brain`] is the pure machine, `core` the one task that owns it, [`Daemon`] the whole;
//! [`annotate`] holds the vendors' own words, which health never sees.

pub mod annotate;
mod assemble;
pub mod brain;
mod control;
mod core;
mod heart;
mod mcp;
mod own;
mod pulse;
mod shelf;
mod sockets;
pub mod systemd;
mod watch;

pub use assemble::{Daemon, StartError, StorePlace};
pub use control::ReloadAsked;
pub use sockets::Sockets;
