//! The published health: wire types of v1 and the hub that hands them out.

pub mod record;
pub mod v1;
mod wire;

pub use wire::Time;
