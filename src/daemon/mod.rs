//! Assembly: channels between the layers, supervision, shutdown.
//!
//! [`brain`] is the pure machine, `core` the one task that owns it, [`Daemon`] the whole;
//! [`annotate`] holds the vendors' own words, which health never sees.

mod alarms;
pub mod annotate;
mod assemble;
mod bell;
pub mod brain;
mod carriers;
mod control;
mod core;
mod front;
mod heart;
mod mcp;
mod own;
mod post;
mod pulse;
mod shelf;
mod sockets;
pub mod systemd;
mod unsent;
mod watch;

pub use assemble::{Daemon, StartError, StorePlace};
pub(crate) use carriers::carriers;
pub use control::ReloadAsked;
pub use sockets::Sockets;
