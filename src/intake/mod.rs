//! Real traffic, told by whoever sent it: a report is one reply's outcome. Reading, checking, counting once.
//!
//! Pure: bytes and time come in, [`Observation`](crate::verdict::Observation)s go out. [`Desk`] is the way in.

mod body;
mod desk;
pub mod otlp;
mod recent;
mod report;
mod sampler;

pub use body::{BodyError, Format, MAX_ITEMS};
pub use desk::{Desk, MAX_REPORTERS, Receipt, Rejected, Reporter, Taken};
pub use recent::{REMEMBERED, REMEMBERED_FOR};
pub use report::{
    MAX_ERROR_BYTES, MAX_ID_BYTES, MAX_MS, MAX_REPORTER_BYTES, MAX_STOP_REASON_BYTES, MAX_TOKENS,
    MAX_WORD_BYTES, VERDICTS,
};
pub use sampler::{KEPT_FAILURES, KEPT_OTHERS, Sampler};
