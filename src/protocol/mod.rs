//! Bytes of a provider's reply to [`StreamEvent`]s. Pure: no I/O, no time.
//!
//! A [`Decoder`] is pushed whatever the socket gave, in any split, and yields the same events. What the events mean
//! for the verdict is decided in [`crate::verdict`], by one judge for all protocols.

mod decoder;
pub mod error_body;
pub mod request;
mod types;

pub use decoder::{Decoder, decode_body};
pub use types::*;
