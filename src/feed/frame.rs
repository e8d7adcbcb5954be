//! Bytes that are built once and handed to everybody: one SSE frame whose data line is the JSON itself.
//!
//! A frame remembers where each target and provider stands in it. So a reader that wants only some of them gets a
//! smaller frame by copying, and a publication copies what did not change from the one before: nothing is
//! serialised twice.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

use super::{filter::Filter, v1::Head};
use crate::id::{ProviderId, TargetId};

/// The name of an SSE event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The whole feed.
    Snapshot,
    /// Targets moved, or their figures changed.
    Health,
    /// An incident opened, changed or closed.
    Incident,
    /// Another model, configuration or tokenizer answers somewhere.
    Change,
    /// Nothing but the time.
    Heartbeat,
}

impl Kind {
    /// The name on the wire and in the event log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Health => "health",
            Self::Incident => "incident",
            Self::Change => "change",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Snapshot,
            Self::Health,
            Self::Incident,
            Self::Change,
            Self::Heartbeat,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// Whose a part is, so that a filter can judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Target(TargetId),
    Provider(ProviderId),
}

impl Key {
    fn passes(&self, filter: &Filter) -> bool {
        match self {
            Self::Target(id) => filter.wants(id),
            Self::Provider(id) => filter.wants_provider(id),
        }
    }
}

#[derive(Debug, Clone)]
struct Part {
    key: Key,
    at: Range<usize>,
}

#[derive(Debug, Clone)]
struct Section {
    name: &'static str,
    many: bool,
    parts: Vec<Part>,
}

/// One built frame.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    bytes: Bytes,
    json: usize,
    head: usize,
    sections: Vec<Section>,
    /// Sections stand even when they are empty: a snapshot says `"targets":[]`.
    whole: bool,
    /// The head alone is news: a reader gets it even when none of the parts is for it.
    always: bool,
}

/// Bytes after the JSON: the end of the data line and the blank line that dispatches the event.
const TAIL: &[u8] = b"\n\n";

impl Frame {
    /// The SSE frame.
    pub(super) fn sse(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The JSON alone.
    pub(super) fn json(&self) -> Bytes {
        self.bytes.slice(self.json..self.bytes.len() - TAIL.len())
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The JSON of one part.
    pub(super) fn part(&self, section: &str, index: usize) -> Option<&[u8]> {
        let section = self.sections.iter().find(|s| s.name == section)?;
        Some(&self.bytes[section.parts.get(index)?.at.clone()])
    }

    /// One part's members behind those of the head, as one object.
    pub(super) fn part_with_head(&self, section: &str, index: usize) -> Option<Bytes> {
        let part = self.part(section, index)?;
        let mut out = Vec::with_capacity(self.head - self.json + part.len());
        out.extend_from_slice(&self.bytes[self.json..self.head]);
        out.push(b',');
        out.extend_from_slice(&part[1..]);
        Some(out.into())
    }

    /// The frame without what the filter doesn't want; `None` when nothing is left of its parts and the head alone
    /// is no news.
    pub(super) fn filtered(&self, filter: &Filter) -> Option<Frame> {
        let mut out = Builder::resume(&self.bytes[..self.head], self.json, self.whole);
        let mut left = false;
        for section in &self.sections {
            let kept: Vec<_> = section.parts.iter().filter(|p| p.key.passes(filter)).collect();
            left |= !kept.is_empty();
            let kept = kept
                .into_iter()
                .map(|part| (part.key.clone(), &self.bytes[part.at.clone()]));
            out.section(section.name, section.many, kept, |bytes, out| {
                out.extend_from_slice(bytes);
            });
        }
        (self.always || left).then(|| out.finish())
    }
}

/// Builds a [`Frame`].
pub(super) struct Builder {
    out: Vec<u8>,
    json: usize,
    head: usize,
    sections: Vec<Section>,
    whole: bool,
    always: bool,
}

impl Builder {
    /// Starts a frame of that kind with the members of the head. `always`: see [`Frame::filtered`].
    pub(super) fn new(kind: Kind, head: &Head, always: bool, capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        let prefix = format!("id: {}\nevent: {}\ndata: ", head.revision, kind.as_str());
        out.extend_from_slice(prefix.as_bytes());
        write_json(&mut out, head);
        out.pop();
        Self {
            json: prefix.len(),
            head: out.len(),
            out,
            sections: Vec::new(),
            whole: kind == Kind::Snapshot,
            always,
        }
    }

    fn resume(start: &[u8], json: usize, whole: bool) -> Self {
        Self {
            out: start.to_vec(),
            json,
            head: start.len(),
            sections: Vec::new(),
            whole,
            always: true,
        }
    }

    /// Adds a member that is a list.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        items: impl Iterator<Item = (Key, T)>,
        write: impl Fn(T, &mut Vec<u8>),
    ) {
        self.section(name, true, items, write);
    }

    /// Adds a member that is one object.
    pub(super) fn object(&mut self, name: &'static str, key: Key, value: &impl Serialize) {
        self.section(name, false, std::iter::once((key, value)), |value, out| {
            write_json(out, value);
        });
    }

    fn section<T>(
        &mut self,
        name: &'static str,
        many: bool,
        items: impl Iterator<Item = (Key, T)>,
        write: impl Fn(T, &mut Vec<u8>),
    ) {
        let mut items = items.peekable();
        if items.peek().is_none() && !self.whole {
            return;
        }
        let mut parts = Vec::new();
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        if many {
            self.out.push(b'[');
        }
        for (key, item) in items {
            if !parts.is_empty() {
                self.out.push(b',');
            }
            let start = self.out.len();
            write(item, &mut self.out);
            parts.push(Part {
                key,
                at: start..self.out.len(),
            });
        }
        if many {
            self.out.push(b']');
        }
        self.sections.push(Section { name, many, parts });
    }

    /// Closes the object and the frame.
    pub(super) fn finish(mut self) -> Frame {
        self.out.push(b'}');
        self.out.extend_from_slice(TAIL);
        self.out.shrink_to_fit();
        Frame {
            bytes: self.out.into(),
            json: self.json,
            head: self.head,
            sections: self.sections,
            whole: self.whole,
            always: self.always,
        }
    }
}

/// Appends `value` as JSON, on one line.
pub(super) fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("wire types have text keys and a Vec takes every byte");
}
