//! Reports that wait for the daemon, bounded. Pure.

use std::collections::VecDeque;

/// Most reports that wait; beyond it the oldest goes, for the newest tell most.
pub const MAX_SPOOLED: usize = 20_000;
/// Most bytes that wait.
pub const MAX_SPOOL_BYTES: usize = 16 << 20;

/// Lines in order of time.
#[derive(Debug, Default)]
pub(super) struct Spool {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: u64,
}

impl Spool {
    /// Adds the newest.
    pub(super) fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        self.bound();
    }

    /// Takes the oldest: at most so many lines and, beyond the first line, so many bytes.
    pub(super) fn take(&mut self, lines: usize, bytes: usize) -> Vec<String> {
        let mut taken = Vec::new();
        let mut size = 0;
        while taken.len() < lines
            && let Some(line) = self.lines.front()
            && (taken.is_empty() || size + line.len() <= bytes)
        {
            size += line.len();
            taken.extend(self.lines.pop_front());
        }
        self.bytes -= size;
        taken
    }

    /// Gives back what could not be sent.
    pub(super) fn put_back(&mut self, lines: Vec<String>) {
        for line in lines.into_iter().rev() {
            self.bytes += line.len();
            self.lines.push_front(line);
        }
        self.bound();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many went unsent.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn bound(&mut self) {
        while self.lines.len() > MAX_SPOOLED || self.bytes > MAX_SPOOL_BYTES {
            let Some(line) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= line.len();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(n: usize) -> Spool {
        let mut spool = Spool::default();
        for n in 0..n {
            spool.push(n.to_string());
        }
        spool
    }

    #[test]
    fn the_oldest_goes_first_in_either_way() {
        let mut spool = spool(5);
        assert_eq!(spool.take(2, 100), ["0", "1"]);
        spool.put_back(vec!["0".to_owned(), "1".to_owned()]);
        assert_eq!(spool.take(100, 3), ["0", "1", "2"]);
        assert_eq!(spool.take(100, 0), ["3"]);
        assert_eq!((spool.len(), spool.bytes, spool.dropped()), (1, 1, 0));
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut spool = spool(MAX_SPOOLED);
        assert_eq!((spool.len(), spool.dropped()), (MAX_SPOOLED, 0));
        let taken = spool.take(1, 100);
        spool.push("new".to_owned());
        spool.put_back(taken);
        assert_eq!((spool.len(), spool.dropped()), (MAX_SPOOLED, 1));
        assert_eq!(spool.take(1, 100), ["1"]);
    }

    #[test]
    fn so_many_bytes_wait_and_no_more() {
        let mut spool = Spool::default();
        let line = "x".repeat(1 << 20);
        for _ in 0..MAX_SPOOL_BYTES >> 20 {
            spool.push(line.clone());
        }
        assert_eq!(spool.dropped(), 0);
        spool.push("x".to_owned());
        assert_eq!((spool.dropped(), spool.len()), (1, MAX_SPOOL_BYTES >> 20));
    }
}
