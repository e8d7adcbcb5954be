//! AWS event stream frames (`application/vnd.amazon.eventstream`) out of bytes in any split.
//!
//! A frame is: total length, headers length, CRC of these two, headers, payload, CRC of all before it; numbers are
//! big-endian, CRCs are CRC-32/ISO-HDLC. Both CRCs are checked. Once one is wrong, where the next frame begins is
//! unknown: nothing after it is read. Source: the format's description in the Amazon Transcribe developer guide and
//! the sources of the vendor's SDKs, November 2026.

use std::mem;

use super::frame::{Broken, Frame, Tail};

/// Most bytes of headers that the format allows.
pub(super) const MAX_HEADER_BYTES: usize = 128 << 10;

/// Most bytes of payload that the format allows.
pub(super) const MAX_PAYLOAD_BYTES: usize = 24 << 20;

/// Both lengths and their CRC.
const PRELUDE_BYTES: usize = 12;

/// A frame without headers and payload.
const EMPTY_FRAME_BYTES: usize = PRELUDE_BYTES + CRC_BYTES;

const CRC_BYTES: usize = 4;

/// Incremental framer. Work is linear in the bytes pushed, however they are split.
#[derive(Debug)]
pub(super) struct Framer {
    max_frame: usize,
    /// The unfinished frame at the end of what was pushed.
    held: Vec<u8>,
    /// Length of that frame, once its prelude is there.
    length: Option<usize>,
    /// A byte was pushed.
    begun: bool,
    /// The body begins as text: it is a document, not a stream, and `held` has all of it.
    document: bool,
}

/// The headers that say what a frame is.
#[derive(Debug, Default)]
struct Headers<'a> {
    message_type: &'a [u8],
    event_type: &'a [u8],
    exception_type: &'a [u8],
    error_code: &'a [u8],
    error_message: &'a [u8],
}

impl Framer {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            held: Vec::new(),
            length: None,
            begun: false,
            document: false,
        }
    }

    /// Feeds bytes; `sink` gets the frames that they complete, without a copy where a frame lies within `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), Broken> {
        if let (false, Some(first)) = (self.begun, bytes.first()) {
            self.begun = true;
            // As a length, any of these would be far above the largest frame.
            self.document = matches!(first, b'{' | b'[' | b'<');
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.document {
                self.held.extend_from_slice(rest);
                return Ok(());
            }
            if self.held.is_empty()
                && let Some(length) = self.frame_length(rest)?
                && rest.len() >= length
            {
                let (frame, after) = rest.split_at(length);
                emit(frame, sink)?;
                rest = after;
                continue;
            }
            let wanted = self.length.unwrap_or(PRELUDE_BYTES);
            let (head, after) = rest.split_at((wanted - self.held.len()).min(rest.len()));
            self.held.extend_from_slice(head);
            rest = after;
            if self.length.is_none() {
                self.length = self.frame_length(&self.held)?;
            }
            if self.length == Some(self.held.len()) {
                self.length = None;
                let mut frame = mem::take(&mut self.held);
                emit(&frame, sink)?;
                frame.clear();
                self.held = frame;
            }
        }
        Ok(())
    }

    /// The body ended: a text is handed over whole, half a frame is only told.
    pub(super) fn finish(&mut self) -> Tail {
        let held = mem::take(&mut self.held);
        if self.document {
            return Tail {
                raw: held.trim_ascii().to_vec(),
                ..Tail::default()
            };
        }
        Tail {
            loose: !held.is_empty(),
            ..Tail::default()
        }
    }

    /// Length of the frame that begins here; `None` while its prelude isn't whole.
    fn frame_length(&self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let Some((prelude, _)) = bytes.split_at_checked(PRELUDE_BYTES) else {
            return Ok(None);
        };
        if crc32fast::hash(&prelude[..8]) != number(&prelude[8..]) {
            return Err(Broken::Malformed("prelude has a wrong CRC"));
        }
        let length = number(&prelude[..4]) as usize;
        let headers = number(&prelude[4..8]) as usize;
        let Some(payload) = length
            .checked_sub(EMPTY_FRAME_BYTES)
            .and_then(|room| room.checked_sub(headers))
        else {
            return Err(Broken::Malformed("length leaves no room for its headers"));
        };
        if headers > MAX_HEADER_BYTES || payload > MAX_PAYLOAD_BYTES {
            return Err(Broken::Malformed("length is above what its format allows"));
        }
        if length > self.max_frame {
            return Err(Broken::TooLong {
                what: "frame",
                limit: self.max_frame,
            });
        }
        Ok(Some(length))
    }
}

/// Reads a whole frame whose prelude was checked.
fn emit(frame: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), Broken> {
    let (body, crc) = frame.split_at(frame.len() - CRC_BYTES);
    if crc32fast::hash(body) != number(crc) {
        return Err(Broken::Malformed("CRC is wrong"));
    }
    let headers = number(&body[4..8]) as usize;
    let (headers, payload) = body[PRELUDE_BYTES..].split_at(headers);
    let headers = Headers::read(headers).ok_or(Broken::Malformed("headers can't be read"))?;
    sink(match headers.message_type {
        b"exception" => Frame::Failure {
            name: headers.exception_type,
            data: payload,
        },
        b"error" => Frame::Failure {
            name: headers.error_code,
            data: headers.error_message,
        },
        _ => Frame::Event {
            name: headers.event_type,
            data: payload,
        },
    });
    Ok(())
}

impl<'a> Headers<'a> {
    /// `None` where a header is cut or of a type that the format doesn't know.
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut headers = Self::default();
        while let Some((&name_length, rest)) = bytes.split_first() {
            let (name, rest) = rest.split_at_checked(name_length.into())?;
            let (&kind, rest) = rest.split_first()?;
            let (length, rest) = match kind {
                // true and false have no value
                0 | 1 => (0, rest),
                2 => (1, rest),
                3 => (2, rest),
                4 => (4, rest),
                // a long, a timestamp
                5 | 8 => (8, rest),
                // bytes, a string
                6 | 7 => {
                    let (length, rest) = rest.split_at_checked(2)?;
                    (usize::from(u16::from_be_bytes([length[0], length[1]])), rest)
                }
                // a UUID
                9 => (16, rest),
                _ => return None,
            };
            let (value, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            if kind == 7 {
                headers.set(name, value);
            }
        }
        Some(headers)
    }

    fn set(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b":message-type" => self.message_type = value,
            b":event-type" => self.event_type = value,
            b":exception-type" => self.exception_type = value,
            b":error-code" => self.error_code = value,
            b":error-message" => self.error_message = value,
            _ => {}
        }
    }
}

/// A big-endian number of four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

#[cfg(test)]
#[path = "eventstream/tests.rs"]
mod tests;
