//! The socket to a client, and how it is to end.
//!
//! An HTTP library ends a broken answer by closing, and throws away what it had not yet written. A client that was
//! connected to its provider would have had those bytes first, and then a reset where the provider reset.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What the answers on a connection and its socket tell each other. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Line(Arc<Ends>);

#[derive(Debug, Default)]
struct Ends {
    reset: AtomicBool,
    /// How often everything written so far had left for the kernel.
    flushed: AtomicU64,
    waiting: AtomicWaker,
}

impl Line {
    /// The connection is to end with a reset.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
    }

    fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Acquire)
    }

    /// A mark to wait from.
    pub(super) fn flushes(&self) -> u64 {
        self.0.flushed.load(Ordering::Acquire)
    }

    /// Ready once everything written has left since that mark. One waiter.
    pub(super) fn poll_flushed(&self, since: u64, cx: &Context<'_>) -> Poll<()> {
        self.0.waiting.register(cx.waker());
        if self.flushes() > since {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn flush(&self) {
        self.0.flushed.fetch_add(1, Ordering::AcqRel);
        self.0.waiting.wake();
    }
}

/// A client's socket that ends as its [`Line`] says.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    line: Line,
}

impl Wire {
    /// The socket and its line.
    pub fn new(stream: TcpStream) -> (Self, Line) {
        let line = Line::default();
        let wire = Self {
            stream,
            line: line.clone(),
        };
        (wire, line)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.line.is_reset() {
            // Fails only on a socket that is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The library calls this when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.line.flush();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.is_reset() {
            // A FIN now would go out before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
