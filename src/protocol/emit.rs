//! What all decoders share in writing events.

use super::{Channel, Note, StreamEvent};

/// What a decoder has said already, so that it doesn't repeat itself with every chunk.
#[derive(Debug, Default)]
pub(super) struct Said {
    model: String,
    id: String,
    fingerprint: String,
    notes: u8,
}

impl Said {
    /// Emits who answers, if it is news.
    pub(super) fn meta(&mut self, model: Option<&str>, id: Option<&str>, out: &mut Vec<StreamEvent>) {
        let model = model.filter(|model| *model != self.model);
        let id = id.filter(|id| *id != self.id);
        if model.is_none() && id.is_none() {
            return;
        }
        if let Some(model) = model {
            model.clone_into(&mut self.model);
        }
        if let Some(id) = id {
            id.clone_into(&mut self.id);
        }
        out.push(StreamEvent::Meta {
            model: model.map(str::to_owned),
            response_id: id.map(str::to_owned),
        });
    }

    /// Emits the configuration that served, if it is news.
    pub(super) fn fingerprint(&mut self, fingerprint: Option<&str>, out: &mut Vec<StreamEvent>) {
        if let Some(fingerprint) = fingerprint.filter(|text| !text.is_empty() && *text != self.fingerprint) {
            fingerprint.clone_into(&mut self.fingerprint);
            out.push(StreamEvent::Fingerprint(fingerprint.to_owned()));
        }
    }

    /// Emits a note, once per stream and kind.
    pub(super) fn note(&mut self, note: Note, out: &mut Vec<StreamEvent>) {
        let bit = 1 << note as u8;
        if self.notes & bit == 0 {
            self.notes |= bit;
            out.push(StreamEvent::Note(note));
        }
    }
}

/// Emits generated text unless it is empty.
pub(super) fn delta<'a>(
    channel: Channel,
    text: impl Into<Option<std::borrow::Cow<'a, str>>>,
    out: &mut Vec<StreamEvent>,
) {
    if let Some(text) = text.into().filter(|text| !text.is_empty()) {
        out.push(StreamEvent::Delta {
            channel,
            text: text.into_owned(),
        });
    }
}
