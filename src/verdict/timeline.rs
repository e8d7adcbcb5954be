//! What was seen of one exchange, with offsets.

use std::time::Duration;

use super::Phases;
use crate::protocol::{Channel, ErrorClass, StreamEvent};

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
    /// Events in order. Deltas of one channel that follow each other are joined, repeated keep-alives and usages kept
    /// once; of reasoning, at most [`Timeline::HIDDEN_BYTES`] at a stretch.
    pub events: Vec<StreamEvent>,
    /// Where each chunk of visible text began, as a byte offset into the whole visible text; at most
    /// [`Timeline::CHUNK_MARKS`].
    pub chunks: Vec<u32>,
    /// Bytes of visible text so far.
    pub text_bytes: u64,
    /// Body bytes read.
    pub bytes: u64,
    /// How it ended; `None` while it runs.
    pub ending: Option<Ending>,
}

impl Timeline {
    /// Bytes of a non-stream body that are kept.
    pub const RAW_BYTES: usize = 64 << 10;

    /// Bytes of consecutive reasoning that are kept.
    pub const HIDDEN_BYTES: usize = 4 << 10;
    /// Chunk boundaries that are kept.
    pub const CHUNK_MARKS: usize = 4096;

    /// Notes an event that was completed by bytes read at `at`, and moves the marks that it touches.
    pub fn event(&mut self, at: Duration, event: StreamEvent) {
        let phases = &mut self.phases;
        match &event {
            StreamEvent::Delta { channel, text } => {
                if text.is_empty() {
                    return;
                }
                phases.first_token.get_or_insert(at);
                if let Some(last) = phases.last_token {
                    let gap = at.saturating_sub(last);
                    phases.gap_max = Some(phases.gap_max.map_or(gap, |widest| widest.max(gap)));
                }
                phases.last_token = Some(at);
                if matches!(channel, Channel::Text | Channel::Refusal) {
                    phases.first_output.get_or_insert(at);
                }
                if *channel == Channel::Text {
                    if self.chunks.len() < Self::CHUNK_MARKS {
                        self.chunks
                            .push(u32::try_from(self.text_bytes).unwrap_or(u32::MAX));
                    }
                    self.text_bytes += text.len() as u64;
                }
            }
            StreamEvent::ToolCall { .. } => {
                phases.first_token.get_or_insert(at);
                phases.last_token = Some(at);
            }
            StreamEvent::Stop(_) => phases.stop = Some(at),
            StreamEvent::Terminal => {
                phases.terminal.get_or_insert(at);
            }
            StreamEvent::TerminalByEnd => phases.terminal = phases.stop.max(phases.last_token),
            _ => {}
        }
        self.keep(event);
    }

    /// Appends the event, or joins it with the last one of its kind.
    fn keep(&mut self, event: StreamEvent) {
        match (self.events.last_mut(), event) {
            (
                Some(StreamEvent::Delta {
                    channel: last,
                    text: so_far,
                }),
                StreamEvent::Delta { channel, text },
            ) if *last == channel => {
                if channel == Channel::Reasoning {
                    let room = Self::HIDDEN_BYTES.saturating_sub(so_far.len());
                    so_far.push_str(&text[..text.floor_char_boundary(room)]);
                } else {
                    so_far.push_str(&text);
                }
            }
            (Some(StreamEvent::KeepAlive), StreamEvent::KeepAlive) => {}
            (Some(StreamEvent::Usage(last)), StreamEvent::Usage(usage)) => *last = usage,
            (_, StreamEvent::Delta { channel, mut text }) => {
                if channel == Channel::Reasoning {
                    text.truncate(text.floor_char_boundary(Self::HIDDEN_BYTES));
                }
                self.events.push(StreamEvent::Delta { channel, text });
            }
            (_, event) => self.events.push(event),
        }
    }

    /// Notes the end.
    pub fn end(&mut self, at: Duration, ending: Ending) {
        self.phases.end = Some(at);
        self.ending = Some(ending);
    }
}

#[cfg(test)]
mod tests;
