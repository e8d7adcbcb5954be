//! Bytes of a provider's reply to [`StreamEvent`]s. Pure: no I/O, no time.
//!
//! A [`Decoder`] is pushed whatever the socket gave, in any split, and yields the same events. What the events mean
//! for the verdict is decided in [`crate::verdict`], by one judge for all protocols.

mod anthropic;
mod bedrock;
mod cohere;
mod decoder;
mod dialect;
mod emit;
pub mod error_body;
mod events;
mod eventstream;
mod frame;
mod gemini;
mod lenient;
mod ndjson;
mod ollama;
mod openai_chat;
mod openai_responses;
pub mod request;
mod sse;
pub mod stop_reason;
mod tools;
mod types;

pub use decoder::{Decoder, decode_body};
pub use dialect::{DIALECTS, Dialect, ErrorAt, UsageAt, Wire};
pub use events::{EventReader, EventTooLong};
pub use types::*;
