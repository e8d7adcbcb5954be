//! What the events of one 200 response amount to.

use std::borrow::Cow;

use crate::{
    protocol::{
        Channel, ErrorClass, Note, Protocol, ProviderError, StopReason, StreamEvent, Usage, decode_body,
    },
    verdict::{Flags, Timeline, ToolCall, canary},
};

/// What the frame around one call is reckoned with, in pieces.
const CALL_PIECES: u64 = 10;

/// The sum of a stream.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The first error: what follows it is aftermath.
    pub(super) error: Option<ProviderError>,
    pub(super) stop: Option<StopReason>,
    pub(super) terminal: bool,
    /// What was wrong with the first event that was not valid.
    pub(super) garbled: Option<String>,
    /// Generated tokens of any channel came.
    pub(super) content: bool,
    pub(super) refusal: bool,
    pub(super) tools: Vec<ToolCall>,
    pub(super) text: String,
    /// Offsets into `text` where chunks began.
    pub(super) chunks: Vec<u32>,
    pub(super) usage: Usage,
    pub(super) model: Option<String>,
    pub(super) id: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) flags: Flags,
    /// The protocol sends its counts after the terminal event.
    usage_follows: bool,
}

impl Evidence {
    /// Reads the timeline's events, or its raw body where the response was no stream.
    pub(super) fn gather(timeline: &Timeline, protocol: Protocol) -> Self {
        let mut seen = Self {
            usage_follows: protocol.usage_follows_terminal(),
            ..Self::default()
        };
        if timeline.raw.is_empty() {
            seen.chunks.clone_from(&timeline.chunks);
        }
        for event in events(timeline, protocol).iter() {
            seen.add(event);
        }
        seen
    }

    /// Pieces of what came visibly, to hold token counts against.
    pub(super) fn pieces(&self) -> u64 {
        let calls = self.tools.iter().map(|call| {
            // The frame of a call takes tokens too.
            canary::count_pieces(&call.name) + canary::count_pieces(&call.arguments) + CALL_PIECES
        });
        canary::count_pieces(&self.text) + calls.sum::<u64>()
    }

    fn add(&mut self, event: &StreamEvent) {
        let late = matches!(
            event,
            StreamEvent::Delta { .. } | StreamEvent::Stop(_) | StreamEvent::Meta { .. }
        ) || (matches!(event, StreamEvent::Usage(_)) && !self.usage_follows);
        self.flags
            .set(Flags::LATE_DATA_AFTER_TERMINAL, self.terminal && late);
        match event {
            StreamEvent::Meta { model, response_id } => {
                replace(&mut self.model, model.as_ref());
                replace(&mut self.id, response_id.as_ref());
            }
            StreamEvent::Delta { channel, text } => {
                self.content = true;
                match channel {
                    Channel::Text => self.text.push_str(text),
                    Channel::Refusal => self.refusal = true,
                    Channel::Tool => {
                        if self.tools.is_empty() {
                            self.tools.push(ToolCall::default());
                        }
                        if let Some(call) = self.tools.last_mut() {
                            call.arguments.push_str(text);
                        }
                    }
                    Channel::Reasoning => {}
                }
            }
            StreamEvent::ToolCall { name } => {
                self.content = true;
                self.tools.push(ToolCall {
                    name: name.clone(),
                    arguments: String::new(),
                });
            }
            StreamEvent::Fingerprint(text) => self.fingerprint = Some(text.clone()),
            StreamEvent::Stop(reason) => self.stop = Some(reason.clone()),
            StreamEvent::Usage(usage) => self.usage = *usage,
            StreamEvent::Error(error) => {
                self.error.get_or_insert_with(|| error.clone());
            }
            StreamEvent::Terminal | StreamEvent::TerminalByEnd => self.terminal = true,
            StreamEvent::Garbled { detail } => {
                self.garbled.get_or_insert_with(|| detail.clone());
            }
            StreamEvent::Note(note) => match note {
                Note::Residue => self.flags.insert(Flags::RESIDUE),
                Note::ResidueAccepted => self.flags.insert(Flags::RESIDUE_ACCEPTED),
                Note::SequenceGap => self.flags.insert(Flags::SEQUENCE_GAP),
                Note::MissingEventName => self.flags.insert(Flags::MISSING_EVENT_NAME),
                Note::TextMismatch => self.flags.insert(Flags::TEXT_MISMATCH),
                Note::UnknownEvent => {}
            },
            StreamEvent::KeepAlive => {}
        }
    }
}

fn replace(slot: &mut Option<String>, value: Option<&String>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        *slot = Some(value.clone());
    }
}

fn events(timeline: &Timeline, protocol: Protocol) -> Cow<'_, [StreamEvent]> {
    if timeline.raw.is_empty() || !timeline.events.is_empty() {
        return Cow::Borrowed(&timeline.events);
    }
    if timeline.bytes > timeline.raw.len() as u64 {
        return Cow::Owned(vec![StreamEvent::Error(ProviderError {
            class: ErrorClass::Protocol,
            code: None,
            message: format!(
                "{} bytes came where an event stream was asked for",
                timeline.bytes
            ),
            retry_after: None,
        })]);
    }
    Cow::Owned(decode_body(protocol, &timeline.raw))
}
