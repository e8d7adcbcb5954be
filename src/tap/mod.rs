//! The tap: a pass-through between a client and its provider that measures real traffic on the wire
//! (`docs/tap.md`).
//!
//! It forwards to the base URLs of the configured providers and to nothing else, with the client's own credential.
//! Bytes pass as they are, both ways, at once; a copy of each reply goes through the decoder and the judge of the
//! probes and becomes an [`Observation`](crate::verdict::Observation). Judging is beside the bytes: whatever fails
//! there, they flow. Nothing is sent twice, nothing is kept, and how a provider ends is how its client sees it end.

mod body;
mod counts;
mod desk;
mod door;
mod generation;
mod headers;
mod inflate;
mod judge;
mod line;
mod marks;
mod pass;
mod place;
mod recorder;
mod scan;
mod serve;
mod shared;
mod status;
mod upstream;
mod upstreams;

pub use body::Reply;
pub use counts::{CountsView, UnjudgedView, VerdictsView};
pub use desk::Sink;
pub use door::Door;
pub use judge::{LIMITS, MAX_DOCUMENT_BYTES};
pub use line::{Line, Wire};
pub use pass::{Cut, Tap};
pub use place::Refusal;
pub use recorder::MAX_QUEUED_BYTES;
pub use scan::MAX_SCAN_BYTES;
pub use serve::{DRAIN, HEAD_TIMEOUT, Limits, MAX_CONNECTIONS, listen, serve};
pub use status::status;
pub use upstream::{CONNECT_LIMIT, ClientError};

pub use crate::link::{BACKOFF_MAX, MAX_RETRY_AFTER, MAX_SPOOL_BYTES, MAX_SPOOLED, Shipper, ShipperView};
