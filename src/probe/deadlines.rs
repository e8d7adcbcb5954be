//! Which deadline comes next, phase by phase. One timer serves them all.

use std::{pin::Pin, time::Duration};

use tokio::time::Sleep;

use super::Seen;
use crate::{clock::Clock, config::ProbeLimits, health::Deadlines};

/// How long we read on after the terminal event, for late data and an unclean end.
pub(super) const AFTER_TERMINAL: Duration = Duration::from_secs(1);

/// How long we read on after an error event, or in the body of an error response.
pub(super) const AFTER_ERROR: Duration = Duration::from_secs(2);

/// A deadline that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Soft deadline of the first token. Not an end.
    Slow,
    /// No open connection.
    Connect,
    /// No response head.
    Head,
    /// No first token.
    FirstToken,
    /// No byte, or no content, since the last.
    Gap,
    /// The whole exchange.
    Total,
    /// What came after the last event that matters was waited for long enough.
    Linger,
}

/// The state that deadlines depend on. All times are readings of [`Clock::mono`].
#[derive(Debug, Clone)]
pub(super) struct Watch {
    limits: ProbeLimits,
    /// Soft and hard deadline of the first token; `None`: no token is awaited.
    token: Option<Deadlines>,
    start: Duration,
    seen: Seen,
    slow_told: bool,
    head: bool,
    last_byte: Duration,
    last_content: Option<Duration>,
    linger_until: Option<Duration>,
}

impl Watch {
    /// A request that is about to be sent.
    pub(super) fn new(limits: ProbeLimits, token: Option<Deadlines>, start: Duration) -> Self {
        Self {
            limits,
            token,
            start,
            seen: Seen::default(),
            slow_told: false,
            head: false,
            last_byte: start,
            last_content: None,
            linger_until: None,
        }
    }

    /// The transport's marks moved.
    pub(super) fn marks(&mut self, seen: Seen) {
        self.seen = seen;
    }

    /// When the request was given to the transport.
    pub(super) fn start(&self) -> Duration {
        self.start
    }

    /// Zero of all offsets: the request handed to an open connection.
    pub(super) fn zero(&self) -> Duration {
        self.seen.zero().unwrap_or(self.start)
    }

    /// The name is being resolved.
    pub(super) fn resolving(&self) -> bool {
        self.seen.dns_start.is_some() && self.seen.dns_end.is_none()
    }

    /// The response head came.
    pub(super) fn head(&mut self, at: Duration) {
        self.head = true;
        self.last_byte = at;
    }

    /// Bytes came.
    pub(super) fn bytes(&mut self, at: Duration) {
        self.last_byte = at;
    }

    /// Generated tokens came.
    pub(super) fn content(&mut self, at: Duration) {
        self.last_content = Some(at);
    }

    /// `on_slow` was called; it is not called again.
    pub(super) fn slow_told(&mut self) {
        self.slow_told = true;
    }

    /// No token is awaited any more: the answer is an error or no stream.
    pub(super) fn no_token(&mut self) {
        self.token = None;
    }

    /// From now on only stragglers are awaited, at most for `span`. An earlier end stays.
    pub(super) fn linger(&mut self, at: Duration, span: Duration) {
        let until = at + span;
        self.linger_until = Some(self.linger_until.map_or(until, |old| old.min(until)));
    }

    /// The next deadline and what it means. Of equal ones the more telling comes first.
    pub(super) fn next(&self) -> (Duration, Expired) {
        let total = (self.start + self.limits.total, Expired::Total);
        [Some(self.phase()), self.slow(), self.first_token()]
            .into_iter()
            .flatten()
            .fold(
                total,
                |first, other| if other.0 <= first.0 { other } else { first },
            )
    }

    fn phase(&self) -> (Duration, Expired) {
        if let Some(until) = self.linger_until {
            (until, Expired::Linger)
        } else if self.head {
            let silence = self.last_byte + self.limits.gap;
            let content = self.last_content.map(|at| at + self.limits.content_gap);
            (content.map_or(silence, |at| at.min(silence)), Expired::Gap)
        } else if self.seen.connecting() {
            (self.start + self.limits.connect, Expired::Connect)
        } else {
            (self.zero() + self.limits.head, Expired::Head)
        }
    }

    /// Token deadlines run from zero, so not while connecting, and end with the first token.
    fn awaited(&self) -> Option<Deadlines> {
        let idle = self.last_content.is_some() || self.linger_until.is_some() || self.seen.connecting();
        self.token.filter(|_| !idle)
    }

    fn slow(&self) -> Option<(Duration, Expired)> {
        let token = self.awaited().filter(|_| !self.slow_told)?;
        Some((self.zero() + token.soft, Expired::Slow))
    }

    fn first_token(&self) -> Option<(Duration, Expired)> {
        let token = self.awaited()?;
        let limit = token.hard.min(self.limits.first_token);
        Some((self.zero() + limit, Expired::FirstToken))
    }
}

/// One timer, armed again only when it must fire earlier or has fired: most deadlines move away with every chunk.
#[derive(Debug)]
pub(super) struct Alarm {
    clock: Clock,
    sleep: Pin<Box<Sleep>>,
    due: Duration,
    /// The timer has fired for this reading, so at least this much time has passed, whatever a manual clock says.
    passed: Duration,
}

impl Alarm {
    /// An alarm for that reading of the clock.
    pub(super) fn new(clock: &Clock, due: Duration) -> Self {
        let wait = due.saturating_sub(clock.mono());
        Self {
            clock: clock.clone(),
            sleep: Box::pin(tokio::time::sleep(wait)),
            due,
            passed: Duration::ZERO,
        }
    }

    /// The time as the clock or the timer proves it.
    pub(super) fn now(&self) -> Duration {
        self.clock.mono().max(self.passed)
    }

    /// Makes sure that [`Alarm::fired`] resolves at `due` or before.
    pub(super) fn arm(&mut self, due: Duration) {
        if due < self.due || self.passed >= self.due {
            self.sleep.set(tokio::time::sleep(due.saturating_sub(self.now())));
            self.due = due;
        }
    }

    /// Resolves when the armed time has come.
    pub(super) async fn fired(&mut self) {
        self.sleep.as_mut().await;
        self.passed = self.passed.max(self.due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn limits() -> ProbeLimits {
        ProbeLimits {
            connect: ms(50),
            head: ms(300),
            first_token: ms(400),
            gap: ms(100),
            content_gap: ms(250),
            total: ms(1000),
            ..ProbeLimits::default()
        }
    }

    const fn deadlines(soft: u64, hard: u64) -> Deadlines {
        Deadlines {
            soft: Duration::from_millis(soft),
            hard: Duration::from_millis(hard),
        }
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let mut watch = Watch::new(limits(), Some(deadlines(80, 200)), ms(1000));
        watch.marks(Seen {
            connect_start: Some(ms(1000)),
            ..Seen::default()
        });
        assert_eq!(watch.next(), (ms(1050), Expired::Connect));
        watch.marks(Seen {
            connect_start: Some(ms(1000)),
            connect_end: Some(ms(1040)),
            ..Seen::default()
        });
        assert_eq!(
            watch.next(),
            (ms(1120), Expired::Slow),
            "counts from the open connection"
        );
        watch.slow_told();
        assert_eq!(watch.next(), (ms(1240), Expired::FirstToken));
        watch.head(ms(1130));
        assert_eq!(watch.next(), (ms(1230), Expired::Gap));
        watch.bytes(ms(1200));
        assert_eq!(
            watch.next(),
            (ms(1240), Expired::FirstToken),
            "a keep-alive is no token"
        );
        watch.content(ms(1210));
        watch.bytes(ms(1400));
        assert_eq!(
            watch.next(),
            (ms(1460), Expired::Gap),
            "a keep-alive is no content"
        );
        watch.content(ms(1950));
        watch.bytes(ms(1950));
        assert_eq!(watch.next(), (ms(2000), Expired::Total));
        watch.linger(ms(1960), ms(10));
        watch.linger(ms(1965), ms(10));
        assert_eq!(watch.next(), (ms(1970), Expired::Linger), "the first end stays");
    }

    #[test]
    fn the_first_token_limit_of_the_target_holds_too() {
        let mut watch = Watch::new(limits(), Some(deadlines(80, 5000)), ms(0));
        watch.slow_told();
        watch.head(ms(390));
        assert_eq!(watch.next(), (ms(400), Expired::FirstToken));
    }

    #[test]
    fn a_reach_probe_awaits_no_token() {
        let watch = Watch::new(limits(), None, ms(0));
        assert_eq!(watch.next(), (ms(300), Expired::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn the_alarm_proves_time_to_a_clock_that_stands_still() {
        let clock = Clock::manual(crate::clock::Timestamp::from_millis(0));
        let mut alarm = Alarm::new(&clock, ms(30));
        alarm.arm(ms(500));
        alarm.fired().await;
        assert_eq!(alarm.now(), ms(30), "a later deadline leaves the timer alone");
        alarm.arm(ms(500));
        alarm.fired().await;
        assert_eq!(alarm.now(), ms(500));
        alarm.arm(ms(900));
        alarm.arm(ms(600));
        alarm.fired().await;
        assert_eq!(alarm.now(), ms(600));
    }
}
