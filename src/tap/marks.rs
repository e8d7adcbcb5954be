//! When a request passed which point on its way to the provider.

use std::{sync::OnceLock, time::Duration};

use crate::{
    clock::{Clock, Timestamp},
    verdict::Connection,
};

/// Points of one request, as readings of [`Clock::mono`].
#[derive(Debug)]
pub(super) struct Marks {
    clock: Clock,
    arrived: Duration,
    connect_start: OnceLock<Duration>,
    connect_end: OnceLock<Duration>,
    handed: OnceLock<Duration>,
}

impl Marks {
    /// A request that arrived now.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            arrived: clock.mono(),
            clock,
            connect_start: OnceLock::new(),
            connect_end: OnceLock::new(),
            handed: OnceLock::new(),
        }
    }

    /// A connection is being opened for it.
    pub(super) fn connecting(&self) {
        let _ = self.connect_start.set(self.clock.mono());
    }

    /// That connection is open.
    pub(super) fn connected(&self) {
        let _ = self.connect_end.set(self.clock.mono());
    }

    /// An open connection took it. The first time counts.
    pub(super) fn handed(&self) {
        self.handed.get_or_init(|| self.clock.mono());
    }

    /// What offsets count from: the request handed to an open connection.
    pub(super) fn zero(&self) -> Duration {
        let handed = self.handed.get().or(self.connect_end.get());
        *handed.unwrap_or(&self.arrived)
    }

    /// Over which kind of connection it went, where that is known; one that came free while ours was being opened
    /// counts as reused.
    pub(super) fn connection(&self) -> Option<Connection> {
        let handed = self.handed.get()?;
        Some(match self.connect_end.get() {
            Some(open) if open <= handed => Connection::Fresh,
            _ => Connection::Reused,
        })
    }

    /// Length of opening the connection: name resolution, TCP and TLS.
    pub(super) fn connect(&self) -> Option<Duration> {
        self.connect_end.get()?.checked_sub(*self.connect_start.get()?)
    }

    /// The time of a reading that lies in the past.
    pub(super) fn at(&self, reading: Duration) -> Timestamp {
        let ago = self.clock.mono().saturating_sub(reading);
        self.clock.now().minus(ago)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_handing_over_and_connecting_stands_apart() {
        let ms = Duration::from_millis;
        let clock = Clock::manual(Timestamp::from_millis(5));
        let marks = Marks::new(clock.clone());
        assert_eq!(
            (marks.zero(), marks.connection(), marks.connect()),
            (ms(5), None, None)
        );
        clock.advance(ms(1));
        marks.connecting();
        clock.advance(ms(7));
        marks.connected();
        assert_eq!(marks.zero(), ms(13));
        clock.advance(ms(2));
        marks.handed();
        clock.advance(ms(2));
        marks.handed();
        assert_eq!(marks.zero(), ms(15));
        assert_eq!(marks.connection(), Some(Connection::Fresh));
        assert_eq!(marks.connect(), Some(ms(7)));
    }

    #[test]
    fn a_connection_that_came_free_meanwhile_is_a_reused_one() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let marks = Marks::new(clock.clone());
        marks.connecting();
        clock.advance(Duration::from_millis(1));
        marks.handed();
        clock.advance(Duration::from_millis(1));
        marks.connected();
        assert_eq!(marks.connection(), Some(Connection::Reused));
        let kept = Marks::new(clock);
        kept.handed();
        assert_eq!(kept.connection(), Some(Connection::Reused));
    }
}
