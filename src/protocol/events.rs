//! Server-sent events of a feed such as our own: names and payloads, in any split of the bytes, within a bound.

use super::{frame::Frame, sse::Framer};

/// An event holds more bytes than its reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {0} bytes")]
pub struct EventTooLong(pub usize);

/// Reads events out of bytes. The `id` field is not told: our events carry their revision in the payload.
#[derive(Debug)]
pub struct EventReader {
    framer: Framer,
    limit: usize,
    /// Bytes since the last event, at most: those of the push that completed it count whole.
    held: usize,
}

impl EventReader {
    /// A reader of events of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            framer: Framer::new(limit),
            limit,
            held: 0,
        }
    }

    /// Feeds bytes; `event` gets name (empty where none was given) and payload of each event that they complete.
    /// After an error the reader is of no use any more.
    pub fn push(&mut self, bytes: &[u8], mut event: impl FnMut(&[u8], &[u8])) -> Result<(), EventTooLong> {
        let mut any = false;
        let pushed = self.framer.push(bytes, &mut |frame| {
            if let Frame::Event { name, data } = frame {
                any = true;
                event(name, data);
            }
        });
        self.held = if any { 0 } else { self.held + bytes.len() };
        if pushed.is_err() || self.held > self.limit {
            return Err(EventTooLong(self.limit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(limit: usize, chunks: &[&[u8]]) -> Result<Vec<(String, String)>, EventTooLong> {
        let mut reader = EventReader::new(limit);
        let mut seen = Vec::new();
        for chunk in chunks {
            reader.push(chunk, |name, data| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                seen.push((text(name), text(data)));
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn events_come_whole_however_they_are_split() {
        let body = b"retry: 3000\n\nid: 7\nevent: health\ndata: {\"a\":1}\n\n: alive\n\ndata: x\ndata: y\r\n\r\nid: 8\n";
        let expected = vec![
            ("health".to_owned(), "{\"a\":1}".to_owned()),
            (String::new(), "x\ny".to_owned()),
        ];
        assert_eq!(read(100, &[body]), Ok(expected.clone()));
        for cut in 0..body.len() {
            assert_eq!(
                read(100, &[&body[..cut], &body[cut..]]),
                Ok(expected.clone()),
                "{cut}"
            );
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(100, &bytes), Ok(expected));
    }

    #[test]
    fn an_event_that_never_ends_stops_at_the_limit() {
        assert!(read(16, &[b"data: 0123456789"]).is_ok());
        assert_eq!(read(16, &[b"data: 0123456789a"]), Err(EventTooLong(16)));
        // Short lines that make up one long event.
        assert_eq!(
            read(16, &[b"data: a\n", b"data: b\n", b"data: c\n"]),
            Err(EventTooLong(16))
        );
        // Events that end leave room for the next one.
        assert!(read(16, &[&b"data: a\n\n"[..]; 20]).is_ok());
    }
}
