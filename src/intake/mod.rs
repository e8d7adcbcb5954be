//! Real traffic, told by whoever sent it: a report is one reply's outcome. Reading, checking, counting once.
//!
//! [`Intake`] is the way in; behind it all is pure: bytes and time come in, [`Observation`](crate::verdict::Observation)s
//! go out.

mod body;
mod desk;
mod hall;
pub mod otlp;
mod recent;
mod report;
mod sampler;
mod tally;

pub use body::{BodyError, Format, MAX_ITEMS};
pub use desk::{MAX_REPORTERS, Receipt, Rejected, Reporter};
pub use hall::{Busy, COME_AGAIN_S, FORGOTTEN_AFTER, Intake, MAX_REPORTS_ONLY, MAX_WAITING, Queue, Refused};
pub use recent::{REMEMBERED, REMEMBERED_FOR};
pub use report::{
    MAX_ERROR_BYTES, MAX_ID_BYTES, MAX_MS, MAX_REPORTER_BYTES, MAX_STOP_REASON_BYTES, MAX_TOKENS,
    MAX_WORD_BYTES, VERDICTS,
};
pub use sampler::{KEPT_FAILURES, KEPT_OTHERS, Sampler};
pub use tally::{Dimension, Disagreement, MAX_VALUES, OTHERS, Part, UNTOLD, WINDOW, disagreement};
