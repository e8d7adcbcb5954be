//! Server-sent events out of bytes in any split.
//!
//! The rules are those of the WHATWG standard for event streams, with two differences that `docs/verdicts.md`
//! explains: what is left at the end is handed out instead of dropped, and lines that are no SSE at all are collected,
//! because some providers put a plain JSON error object into the middle of a stream.

use std::mem;

use memchr::memchr2;

use super::frame::{Broken, Frame, Tail};

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Incremental framer. Work is linear in the bytes pushed, however they are split.
#[derive(Debug)]
pub(super) struct Framer {
    max_line: usize,
    /// The unfinished line at the end of what was pushed.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    raw: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    skip_lf: bool,
    /// Bytes of a byte order mark seen; 3 once it is settled.
    bom: usize,
}

enum Field<'a> {
    Blank,
    Comment,
    Data(&'a [u8]),
    Name(&'a [u8]),
    Ignored,
    Other,
}

impl Framer {
    pub(super) fn new(max_line: usize) -> Self {
        Self {
            max_line,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            raw: Vec::new(),
            skip_lf: false,
            bom: 0,
        }
    }

    /// Feeds bytes; `sink` gets the frames that they complete. An event whose lines lie within `bytes` is handed out
    /// without a copy.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), Broken> {
        let mut rest = if self.bom < BOM.len() {
            self.skip_bom(bytes)
        } else {
            bytes
        };
        if self.skip_lf && !rest.is_empty() {
            self.skip_lf = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let mut held: Option<&[u8]> = None;
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let head = &rest[..end];
            let carriage_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if carriage_return {
                self.skip_lf = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            if self.line.len() + head.len() > self.max_line {
                return Err(self.too_long());
            }
            if self.line.is_empty() {
                self.borrowed_line(head, &mut held, sink);
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.keep(held.take());
                self.own_line(&line, sink);
                line.clear();
                self.line = line;
            }
        }
        self.keep(held);
        if self.line.len() + rest.len() > self.max_line {
            return Err(self.too_long());
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    fn too_long(&self) -> Broken {
        Broken::TooLong {
            what: "line",
            limit: self.max_line,
        }
    }

    /// The body ended: hands out what was under way and leaves the framer empty.
    pub(super) fn finish(&mut self) -> Tail {
        let mut tail = Tail::default();
        if (1..BOM.len()).contains(&self.bom) {
            tail.loose = true;
        }
        let line = mem::take(&mut self.line);
        if !line.is_empty() {
            match field(&line) {
                Field::Data(value) => self.append(value),
                Field::Name(value) => self.name = value.to_vec(),
                Field::Other if !self.collect(&line) => tail.loose = true,
                Field::Blank | Field::Comment | Field::Ignored | Field::Other => {}
            }
        }
        tail.data = mem::take(&mut self.has_data).then(|| mem::take(&mut self.data));
        tail.loose |= tail.data.is_none() && !self.name.is_empty();
        tail.name = mem::take(&mut self.name);
        tail.raw = mem::take(&mut self.raw);
        tail
    }

    fn skip_bom<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            if self.bom == BOM.len() {
                return &bytes[at..];
            }
            if *byte != BOM[self.bom] {
                self.line.extend_from_slice(&BOM[..self.bom]);
                self.bom = BOM.len();
                return &bytes[at..];
            }
            self.bom += 1;
        }
        &[]
    }

    /// A line within the pushed bytes. The first data line of an event is held as a slice.
    fn borrowed_line<'a>(
        &mut self,
        line: &'a [u8],
        held: &mut Option<&'a [u8]>,
        sink: &mut impl FnMut(Frame<'_>),
    ) {
        match field(line) {
            Field::Data(value) if held.is_none() && !self.has_data => *held = Some(value),
            Field::Blank if held.is_some() => {
                let data = held.take().unwrap_or_default();
                sink(Frame::Event {
                    name: &self.name,
                    data,
                });
                self.name.clear();
                self.flush_raw(sink);
            }
            Field::Comment => sink(Frame::Comment),
            _ => {
                self.keep(held.take());
                self.own_line(line, sink);
            }
        }
    }

    fn own_line(&mut self, line: &[u8], sink: &mut impl FnMut(Frame<'_>)) {
        match field(line) {
            Field::Blank => {
                if self.has_data {
                    sink(Frame::Event {
                        name: &self.name,
                        data: &self.data,
                    });
                    self.has_data = false;
                    self.data.clear();
                }
                self.name.clear();
                self.flush_raw(sink);
            }
            Field::Comment => sink(Frame::Comment),
            Field::Data(value) => self.append(value),
            Field::Name(value) => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            Field::Ignored => {}
            Field::Other => {
                self.collect(line);
            }
        }
    }

    fn keep(&mut self, held: Option<&[u8]>) {
        if let Some(value) = held {
            self.append(value);
        }
    }

    fn append(&mut self, value: &[u8]) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
    }

    /// Keeps a line that is no field if it begins or continues a document; tells whether it did. Other unknown
    /// fields are ignored, as the standard asks.
    fn collect(&mut self, line: &[u8]) -> bool {
        let text = if self.raw.is_empty() {
            // Old llama.cpp servers write `error: {..}`.
            let text = line.strip_prefix(b"error:").unwrap_or(line).trim_ascii_start();
            if !matches!(text.first(), Some(b'{' | b'[' | b'<')) {
                return false;
            }
            text
        } else {
            self.raw.push(b'\n');
            line
        };
        self.raw.extend_from_slice(text);
        true
    }

    fn flush_raw(&mut self, sink: &mut impl FnMut(Frame<'_>)) {
        if !self.raw.is_empty() {
            sink(Frame::Raw(&self.raw));
            self.raw.clear();
        }
    }
}

fn field(line: &[u8]) -> Field<'_> {
    /// The value after `name` and a colon; `None` if the line is another field.
    fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        let rest = line.strip_prefix(name)?;
        match rest.split_first() {
            None => Some(rest),
            Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
            Some(_) => None,
        }
    }
    match line.first() {
        None => return Field::Blank,
        Some(b':') => return Field::Comment,
        Some(b'd') => value(line, b"data").map(Field::Data),
        Some(b'e') => value(line, b"event").map(Field::Name),
        Some(b'i') => value(line, b"id").map(|_| Field::Ignored),
        Some(b'r') => value(line, b"retry").map(|_| Field::Ignored),
        Some(_) => None,
    }
    .unwrap_or(Field::Other)
}

#[cfg(test)]
#[path = "sse/tests.rs"]
mod tests;
