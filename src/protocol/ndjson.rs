//! Newline-delimited JSON out of bytes in any split: one value a line, blank lines in between mean nothing.

use std::mem;

use memchr::memchr;

use super::frame::{Broken, Frame, Tail};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Incremental framer. Work is linear in the bytes pushed, however they are split.
#[derive(Debug)]
pub(super) struct Framer {
    max_line: usize,
    /// The unfinished line at the end of what was pushed.
    line: Vec<u8>,
    /// The first line is over: a byte order mark stands no more.
    begun: bool,
}

impl Framer {
    pub(super) fn new(max_line: usize) -> Self {
        Self {
            max_line,
            line: Vec::new(),
            begun: false,
        }
    }

    /// Feeds bytes; `sink` gets the lines that they complete, without a copy where a line lies within `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), Broken> {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let head = &rest[..end];
            rest = &rest[end + 1..];
            self.fits(head.len())?;
            if self.line.is_empty() {
                self.emit(head, sink);
            } else {
                let mut line = mem::take(&mut self.line);
                line.extend_from_slice(head);
                self.emit(&line, sink);
                line.clear();
                self.line = line;
            }
        }
        self.fits(rest.len())?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// The body ended: a last line without its line feed is handed over, whole or not.
    pub(super) fn finish(&mut self) -> Tail {
        let line = mem::take(&mut self.line);
        let text = self.text(&line);
        Tail {
            data: (!text.is_empty()).then(|| text.to_vec()),
            ..Tail::default()
        }
    }

    fn fits(&self, more: usize) -> Result<(), Broken> {
        if self.line.len() + more > self.max_line {
            return Err(Broken::TooLong {
                what: "line",
                limit: self.max_line,
            });
        }
        Ok(())
    }

    fn text<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let first = !mem::replace(&mut self.begun, true);
        let line = if first {
            line.strip_prefix(BOM).unwrap_or(line)
        } else {
            line
        };
        line.trim_ascii()
    }

    fn emit(&mut self, line: &[u8], sink: &mut impl FnMut(Frame<'_>)) {
        match self.text(line) {
            [] => {}
            // A page of HTML is told apart from JSON that is merely broken.
            markup @ [b'<', ..] => sink(Frame::Raw(markup)),
            data => sink(Frame::Event { name: b"", data }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Tail) {
        let mut framer = Framer::new(16);
        let mut out = Vec::new();
        for piece in pieces {
            let pushed = framer.push(piece, &mut |frame| {
                out.push(match frame {
                    Frame::Event { data, .. } => String::from_utf8_lossy(data).into_owned(),
                    frame => format!("{frame:?}"),
                });
            });
            assert_eq!(pushed, Ok(()));
        }
        (out, framer.finish())
    }

    #[test]
    fn lines_are_the_same_in_any_split() {
        let rows: [(&str, &[&str], Option<&str>); 6] = [
            ("{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"], None),
            ("{\"a\":1}\r\n\r\n \n{\"b\":2}", &["{\"a\":1}"], Some("{\"b\":2}")),
            ("\u{feff}{}\n\u{feff}{}\n", &["{}", "\u{feff}{}"], None),
            ("\u{feff}{}", &[], Some("{}")),
            ("\n\n", &[], None),
            ("5\n{\"cut", &["5"], Some("{\"cut")),
        ];
        for (body, expected, left) in rows {
            let tail = Tail {
                data: left.map(|left| left.as_bytes().to_vec()),
                ..Tail::default()
            };
            for at in 0..=body.len() {
                let (head, rest) = body.as_bytes().split_at(at);
                let (got, got_tail) = lines(&[head, rest]);
                assert_eq!(got, expected, "{body:?} split at {at}");
                assert_eq!(got_tail, tail, "{body:?} split at {at}");
            }
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_its_limit_and_no_longer() {
        for (length, fits) in [(16, true), (17, false)] {
            let body = format!("{}\n", "x".repeat(length));
            for split in [0, 5, 16, length] {
                let (head, rest) = body.as_bytes().split_at(split);
                let mut framer = Framer::new(16);
                let pushed = framer
                    .push(head, &mut |_| ())
                    .and_then(|()| framer.push(rest, &mut |_| ()));
                assert_eq!(pushed.is_ok(), fits, "{length} bytes split at {split}");
            }
        }
    }
}
