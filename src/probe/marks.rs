//! What the transport notes on the way to an open connection.
//!
//! The HTTP client shows its insides only through hooks (resolver, connector, body). They write here; the exchange
//! reads, and is woken when a mark moves, because its deadlines depend on them.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{clock::Clock, verdict::Connection};

/// Marks of one request, as readings of [`Clock::mono`].
#[derive(Debug)]
pub struct Marks {
    clock: Clock,
    moved: Notify,
    seen: Mutex<Seen>,
    proxy: OnceLock<String>,
}

/// The readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Name resolution began.
    pub dns_start: Option<Duration>,
    /// Name resolution gave addresses.
    pub dns_end: Option<Duration>,
    /// The connector was asked for a connection.
    pub connect_start: Option<Duration>,
    /// The connection is open, a proxy's tunnel and TLS included.
    pub connect_end: Option<Duration>,
    /// The open connection took the request.
    pub handed: Option<Duration>,
}

impl Seen {
    /// Whether a new connection is being opened and the request waits for it.
    pub const fn connecting(&self) -> bool {
        self.connect_start.is_some() && self.connect_end.is_none() && self.handed.is_none()
    }

    /// When the request was handed to an open connection. `None` while that is not known: a reused connection takes
    /// a request without a body unseen.
    pub fn zero(&self) -> Option<Duration> {
        self.handed.or(self.connect_end)
    }

    /// Over which kind of connection the request went. An own attempt to connect that ended after another
    /// connection had taken the request doesn't count.
    pub fn connection(&self) -> Connection {
        let opened = match (self.connect_end, self.handed) {
            (Some(open), Some(handed)) => open <= handed,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => self.connect_start.is_some(),
        };
        if opened {
            Connection::Fresh
        } else {
            Connection::Reused
        }
    }

    /// Length of name resolution.
    pub fn dns(&self) -> Option<Duration> {
        self.dns_end?.checked_sub(self.dns_start?)
    }

    /// Length of TCP connect and TLS handshake, name resolution apart; through a proxy, of all that lies between.
    pub fn connect(&self) -> Option<Duration> {
        let start = self.dns_end.or(self.connect_start)?;
        self.connect_end?.checked_sub(start)
    }
}

impl Marks {
    /// No marks yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            moved: Notify::new(),
            seen: Mutex::default(),
            proxy: OnceLock::new(),
        }
    }

    /// The request goes by the proxy of that name, `host:port`: names and connections are then the proxy's, until its
    /// tunnel is open.
    pub fn goes_by(&self, proxy: String) {
        let _ = self.proxy.set(proxy);
    }

    /// The proxy that it goes by.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.get().map(String::as_str)
    }

    /// The marks so far.
    pub fn seen(&self) -> Seen {
        *self.lock()
    }

    /// Waits until a mark has moved since the last call. One waiter.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Name resolution begins.
    pub fn dns_started(&self) {
        self.mark(|seen, now| seen.dns_start = Some(now));
    }

    /// Name resolution gave addresses.
    pub fn dns_ended(&self) {
        self.mark(|seen, now| seen.dns_end = Some(now));
    }

    /// A new connection is being opened.
    pub fn connect_started(&self) {
        self.mark(|seen, now| seen.connect_start = Some(now));
    }

    /// The new connection is open.
    pub fn connect_ended(&self) {
        self.mark(|seen, now| seen.connect_end = Some(now));
    }

    /// An open connection took the request. The first time counts.
    pub fn handed(&self) {
        self.mark(|seen, now| {
            seen.handed.get_or_insert(now);
        });
    }

    fn mark(&self, set: impl FnOnce(&mut Seen, Duration)) {
        let now = self.clock.mono();
        set(&mut self.lock(), now);
        self.moved.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // A reading is whole even if another holder panicked.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn marks_tell_fresh_from_reused_and_where_zero_is() {
        let table = [
            // Reused: nobody asked the connector.
            (
                Seen {
                    handed: Some(ms(3)),
                    ..Seen::default()
                },
                Connection::Reused,
                Some(ms(3)),
                false,
            ),
            // Fresh, a request with a body.
            (
                Seen {
                    connect_start: Some(ms(1)),
                    connect_end: Some(ms(9)),
                    handed: Some(ms(10)),
                    ..Seen::default()
                },
                Connection::Fresh,
                Some(ms(10)),
                false,
            ),
            // Fresh, a request without a body.
            (
                Seen {
                    connect_start: Some(ms(1)),
                    connect_end: Some(ms(9)),
                    ..Seen::default()
                },
                Connection::Fresh,
                Some(ms(9)),
                false,
            ),
            // We began to connect, but another probe's connection came free first.
            (
                Seen {
                    connect_start: Some(ms(1)),
                    connect_end: Some(ms(9)),
                    handed: Some(ms(4)),
                    ..Seen::default()
                },
                Connection::Reused,
                Some(ms(4)),
                false,
            ),
            (
                Seen {
                    connect_start: Some(ms(1)),
                    ..Seen::default()
                },
                Connection::Fresh,
                None,
                true,
            ),
            (Seen::default(), Connection::Reused, None, false),
        ];
        for (seen, connection, zero, connecting) in table {
            assert_eq!(seen.connection(), connection, "{seen:?}");
            assert_eq!(seen.zero(), zero, "{seen:?}");
            assert_eq!(seen.connecting(), connecting, "{seen:?}");
        }
    }

    #[test]
    fn connecting_is_told_apart_from_resolving() {
        let seen = Seen {
            dns_start: Some(ms(1)),
            dns_end: Some(ms(5)),
            connect_start: Some(ms(1)),
            connect_end: Some(ms(12)),
            handed: None,
        };
        assert_eq!((seen.dns(), seen.connect()), (Some(ms(4)), Some(ms(7))));
        let literal = Seen {
            dns_start: None,
            dns_end: None,
            ..seen
        };
        assert_eq!((literal.dns(), literal.connect()), (None, Some(ms(11))));
    }
}
