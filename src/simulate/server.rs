//! The socket side: accept, speak HTTP/1.1, and end a connection as a fault wants it.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    body::Kill, faults::Faults, log::RequestLog, pace::Pace, service::State, status_page::StatusPages,
};
use crate::clock::Clock;

/// Most connections at a time; further ones wait to be accepted.
pub const MAX_CONNECTIONS: usize = 20_000;
/// How long a request's head may take, and an idle connection stays open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest request head in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Rest after an accept that failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the simulator behaves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// The same seed gives each target the same sequence of timings, fault draws and ids.
    pub seed: u64,
    /// Timings.
    pub pace: Pace,
}

/// A bound simulator. [`Simulator::serve`] runs it; the handles work before, during and after.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    local_addr: SocketAddr,
    state: Arc<State>,
}

impl Simulator {
    /// Binds. Fails as binding a socket does.
    pub async fn bind(addr: SocketAddr, options: Options, clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
            state: Arc::new(State::new(options, clock)),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What is wrong; change it at any time.
    pub fn faults(&self) -> Faults {
        self.state.faults.clone()
    }

    /// What was done.
    pub fn log(&self) -> RequestLog {
        self.state.log.clone()
    }

    /// What the official status pages say.
    pub fn status_pages(&self) -> StatusPages {
        self.state.pages.clone()
    }

    /// Serves until `shutdown` is done, then drops every connection, finished or not, and returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "simulator could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (state, stop) = (Arc::clone(&self.state), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(connection(stream, state)).await;
                drop(place);
            });
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let kill = Kill::default();
    let wire = Wire {
        stream,
        kill: kill.clone(),
    };
    let service = service_fn(move |request| {
        let (state, kill) = (Arc::clone(&state), kill.clone());
        async move { state.answer(request, kill).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(wire), service)
        .await;
    if let Err(error) = served {
        // Planned cuts end here too, and so does every reader that leaves early.
        tracing::trace!(%error, "simulated connection ended");
    }
}

/// A socket that closes with RST instead of FIN where its [`Kill`] says so.
struct Wire {
    stream: TcpStream,
    kill: Kill,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.kill.is_reset() {
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kill.is_reset() {
            // A FIN now would go out before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
