//! One decoder for all protocols: framing, then the protocol's own events.

use super::{Limits, Protocol, StreamEvent};

/// Incremental decoder of one streamed reply.
#[derive(Debug)]
pub struct Decoder {
    protocol: Protocol,
    limits: Limits,
}

impl Decoder {
    /// A decoder for one reply.
    pub fn new(protocol: Protocol, limits: Limits) -> Self {
        Self { protocol, limits }
    }

    /// Feeds what was read; appends the events that it completes. Any split gives the same events.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) {
        let _ = (bytes, out, self.protocol, self.limits);
    }

    /// The body ended: residue is accepted or dropped (`wire-protocols.md` 2.2, rule 5).
    pub fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        let _ = out;
    }
}

/// Events of a whole 200 body that is no stream: the provider's error object or its non-streaming answer.
/// Anything else is an error of class `protocol`.
pub fn decode_body(protocol: Protocol, body: &[u8]) -> Vec<StreamEvent> {
    let _ = (protocol, body);
    Vec::new()
}
