//! Ground truth: what the simulator did to each request, and when.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Serialize, Serializer};

use crate::clock::Clock;

/// Most requests that are remembered; older ones go.
pub const MAX_ENTRIES: usize = 20_000;

/// One request. Times are monotonic, in microseconds on the wire, of the clock that the simulator was given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up from 1.
    pub seq: u64,
    /// The provider's base path.
    pub provider: &'static str,
    /// What was asked for: `generate`, `models`, `count_tokens`, `status` or `unknown`.
    pub endpoint: &'static str,
    /// The model, where the request names one; fault suffix included.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The fault that struck: `truncate.fin`.
    pub fault: Option<String>,
    /// HTTP status, once a head was sent.
    pub status: Option<u16>,
    /// The request id in the response's header.
    pub request_id: Option<String>,
    /// The request's head was read.
    #[serde(rename = "arrival_us", serialize_with = "micros")]
    pub arrival: Duration,
    /// The response head was handed to the socket.
    #[serde(rename = "head_us", serialize_with = "some_micros")]
    pub head: Option<Duration>,
    /// The first token was.
    #[serde(rename = "first_token_us", serialize_with = "some_micros")]
    pub first_token: Option<Duration>,
    /// The last token was.
    #[serde(rename = "last_token_us", serialize_with = "some_micros")]
    pub last_token: Option<Duration>,
    /// The body ended, was cut, or its reader went away.
    #[serde(rename = "end_us", serialize_with = "some_micros")]
    pub end: Option<Duration>,
    /// Tokens written.
    pub tokens: u64,
    /// Whether everything planned was written. A reader who leaves early makes it false.
    pub played: bool,
}

fn whole_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn micros<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(whole_micros(*span))
}

#[expect(clippy::ref_option, reason = "serde hands over a reference")]
fn some_micros<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    span.map(whole_micros).serialize(to)
}

/// What `GET /control/log` answers.
#[derive(Debug, Clone, Serialize)]
pub struct LogPage {
    /// The clock's reading now, to relate the entries to.
    pub now_us: u64,
    /// Entries that were dropped for room or by `DELETE` so far.
    pub dropped: u64,
    /// Oldest first.
    pub entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// Sequence number of the next entry, less one.
    last: u64,
    dropped: u64,
}

/// Handle on the request log. Clones share it.
#[derive(Debug, Clone)]
pub struct RequestLog {
    ring: Arc<Mutex<Ring>>,
    clock: Clock,
}

impl RequestLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            ring: Arc::default(),
            clock,
        }
    }

    /// Everything remembered, with sequence numbers above `since`.
    pub fn page(&self, since: u64) -> LogPage {
        let now = self.clock.mono();
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        LogPage {
            now_us: whole_micros(now),
            dropped: ring.dropped,
            entries: ring
                .entries
                .iter()
                .filter(|entry| entry.seq > since)
                .cloned()
                .collect(),
        }
    }

    /// Forgets everything; sequence numbers go on.
    pub fn clear(&self) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.dropped += ring.entries.len() as u64;
        ring.entries.clear();
    }

    /// Opens an entry for a request whose head was read at `arrival`.
    pub(crate) fn open(&self, arrival: Duration, provider: &'static str, endpoint: &'static str) -> Ticket {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.entries.len() >= MAX_ENTRIES {
            ring.entries.pop_front();
            ring.dropped += 1;
        }
        ring.last += 1;
        let seq = ring.last;
        ring.entries.push_back(Entry {
            seq,
            provider,
            endpoint,
            model: None,
            stream: false,
            fault: None,
            status: None,
            request_id: None,
            arrival,
            head: None,
            first_token: None,
            last_token: None,
            end: None,
            tokens: 0,
            played: false,
        });
        drop(ring);
        Ticket {
            log: self.clone(),
            seq,
        }
    }
}

/// One open entry; dropping it notes the end.
#[derive(Debug)]
pub(crate) struct Ticket {
    log: RequestLog,
    seq: u64,
}

impl Ticket {
    /// Changes the entry, unless it is forgotten already. The closure gets the time now.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Entry, Duration)) {
        let now = self.log.clock.mono();
        let mut ring = self.log.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.entries.front().map(|entry| entry.seq) else {
            return;
        };
        let place = self
            .seq
            .checked_sub(first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| ring.entries.get_mut(place)) {
            change(entry, now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.note(|entry, now| entry.end = Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn entries_keep_their_times_and_the_ring_its_limit() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let log = RequestLog::new(clock.clone());
        let first = log.open(clock.mono(), "openai", "generate");
        clock.advance(Duration::from_millis(5));
        first.note(|entry, now| entry.first_token = Some(now));
        for _ in 0..MAX_ENTRIES - 1 {
            drop(log.open(clock.mono(), "openai", "models"));
        }
        clock.advance(Duration::from_millis(5));
        drop(first);
        let page = log.page(0);
        assert_eq!((page.entries.len(), page.dropped), (MAX_ENTRIES, 0));
        assert_eq!(page.entries[0].first_token, Some(Duration::from_millis(5)));
        assert_eq!(page.entries[0].end, Some(Duration::from_millis(10)));
        assert_eq!(log.page(MAX_ENTRIES as u64 - 1).entries.len(), 1);
        let late = log.open(clock.mono(), "openai", "models");
        let page = log.page(0);
        assert_eq!((page.entries.len(), page.dropped), (MAX_ENTRIES, 1));
        assert_eq!(page.entries[0].seq, 2);
        log.clear();
        drop(late);
        assert!(log.page(0).entries.is_empty(), "a forgotten entry stays so");
    }
}
