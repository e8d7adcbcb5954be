//! The published health: wire types of v1 and the hub that hands them out.

pub mod declared;
mod delta;
pub mod evidence;
mod filter;
#[cfg(test)]
pub(crate) mod fixture;
mod frame;
mod hub;
pub mod outcome;
mod packed;
mod pairs;
pub mod record;
pub mod reliability;
pub mod report;
pub mod reports;
pub mod route;
pub mod series;
mod subscription;
pub mod v1;
pub mod validation;
mod wire;

pub use delta::{Delta, IncidentChange, Transition};
pub use filter::{Filter, FilterError, MAX_PATTERNS};
pub use frame::Kind;
pub use hub::{
    Cause, Event, FIGURES_EVERY, Full, HEARTBEAT, Hub, Known, MAX_SUBSCRIBERS, RING_BYTES, RING_EVENTS,
    RING_FEEDS, Snapshot,
};
pub use pairs::{Finding, Pair};
pub use subscription::Subscription;
pub use wire::Time;
