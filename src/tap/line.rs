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
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    runtime::Handle,
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

/// How long, and for how many bytes, a connection that we ended is still read. A client that is told in the middle of its
/// sending would otherwise get a reset instead of what it was told: the kernel sends one for bytes that nobody read.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 32 << 20);

/// A client's socket that ends as its [`Line`] says.
#[derive(Debug)]
pub struct Wire {
    /// There until the end.
    stream: Option<TcpStream>,
    line: Line,
    /// The peer has ended its half, or broken it.
    left: bool,
    /// We have ended ours.
    ended: bool,
}

async fn linger(mut stream: TcpStream) {
    let (time, mut bytes) = LINGER;
    let mut rest = [0; 16 << 10];
    let read = async {
        while let Ok(read @ 1..) = stream.read(&mut rest).await
            && read < bytes
        {
            bytes -= read;
        }
    };
    // Whoever goes on for longer gets the reset.
    let _ = tokio::time::timeout(time, read).await;
}

impl Wire {
    /// The socket and its line.
    pub fn new(stream: TcpStream) -> (Self, Line) {
        let line = Line::default();
        let wire = Self {
            stream: Some(stream),
            line: line.clone(),
            left: false,
            ended: false,
        };
        (wire, line)
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("taken by drop only"))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        if self.line.is_reset() {
            // Fails only on a socket that is gone already.
            let _ = stream.set_zero_linger();
        } else if self.ended
            && !self.left
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(linger(stream));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = buf.filled().len();
        let room = buf.remaining() > 0;
        let read = self.stream().poll_read(cx, buf);
        self.left |= match &read {
            Poll::Ready(Ok(())) => room && buf.filled().len() == had,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    /// The library calls this when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(cx);
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
        self.ended = true;
        self.stream().poll_shutdown(cx)
    }
}
