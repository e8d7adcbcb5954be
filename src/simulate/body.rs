//! Plays a script as a response body.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    log::Ticket,
    script::{End, Script, Step},
};

/// The moment that offsets of a script count from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start(Instant);

impl Start {
    /// Now, as the runtime's timer sees it: a sleep of no length is due at its making.
    pub(crate) fn now() -> Self {
        Self(sleep(Duration::ZERO).deadline())
    }

    /// Waits until `due` after the start; at once when that is past.
    pub(crate) fn wait(self, due: Duration) -> Sleep {
        tokio::time::sleep_until(self.at(due))
    }

    fn at(self, due: Duration) -> Instant {
        self.0 + due
    }
}

/// How a connection is to be ended: set by a body that fails on purpose, read by the socket as it closes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kill(Arc<AtomicBool>);

impl Kill {
    /// Reset instead of close.
    pub(crate) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether a reset is wanted.
    pub(crate) fn is_reset(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A response body: a script in play, or bytes that are there already.
pub(crate) enum Reply {
    /// Fixed bytes; the ticket ends the log entry when the response is gone.
    Fixed(
        Option<Bytes>,
        #[expect(dead_code, reason = "held for its drop")] Option<Ticket>,
    ),
    /// Timed steps.
    Play(Box<Play>),
}

impl Reply {
    /// Fixed bytes; the ticket, if there is one, ends with them.
    pub(crate) fn fixed(bytes: Bytes, ticket: Option<Ticket>) -> Self {
        Self::Fixed(Some(bytes).filter(|bytes| !bytes.is_empty()), ticket)
    }
}

/// A script in play.
pub(crate) struct Play {
    script: Script,
    start: Start,
    timer: Pin<Box<Sleep>>,
    next: Option<Step>,
    ticket: Ticket,
    kill: Kill,
    flushed: bool,
    remaining: Option<u64>,
}

impl Play {
    pub(crate) fn new(mut script: Script, start: Start, ticket: Ticket, kill: Kill) -> Self {
        let next = script.steps.pop_front();
        let due = next.as_ref().map_or(Duration::ZERO, |step| step.due);
        Self {
            remaining: script.content_length.map(|length| length as u64),
            timer: Box::pin(start.wait(due)),
            script,
            start,
            next,
            ticket,
            kill,
            flushed: false,
        }
    }

    fn advance(&mut self) {
        self.next = self.script.steps.pop_front();
        if self.next.is_none()
            && let End::Endless(endless) = &mut self.script.end
        {
            self.next = Some(endless.next_step());
        }
        if let Some(step) = &self.next {
            self.timer.as_mut().reset(self.start.at(step.due));
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(step) = &self.next else {
            return self.poll_end(cx);
        };
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let (bytes, tokens) = (step.bytes.clone(), u64::from(step.tokens));
        if tokens > 0 {
            self.ticket.note(|entry, now| {
                entry.first_token.get_or_insert(now);
                entry.last_token = Some(now);
                entry.tokens += tokens;
            });
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(bytes.len() as u64);
        }
        self.advance();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let error = match &self.script.end {
            End::Clean | End::Endless(_) => {
                self.ticket.note(|entry, _| entry.played = true);
                return Poll::Ready(None);
            }
            End::Fin => io::ErrorKind::UnexpectedEof,
            End::Reset => io::ErrorKind::ConnectionReset,
        };
        // A failed body drops what hyper has buffered: one turn of the loop first, in which it is flushed.
        if !self.flushed {
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if error == io::ErrorKind::ConnectionReset {
            self.kill.reset();
        }
        self.ticket.note(|entry, _| entry.played = true);
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Fixed(bytes, _) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Play(play) => play.poll_step(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Fixed(None, _))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Fixed(bytes, _) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Play(play) => play
                .remaining
                .map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact),
        }
    }
}
