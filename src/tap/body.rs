//! The two bodies of an exchange, as they pass.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    counts::Counts,
    desk::Desk,
    line::Line,
    recorder::Recorder,
    scan::Scan,
    shared::Shared,
    upstream::{Turn, body_fault, is_reset},
};
use crate::verdict::Ending;

/// How long the model of a request is looked for that no provider could be reached for.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A request's body on its way to the provider. Its model is read along. Cheap to clone: the clones are one body.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<Sending>>);

struct Sending {
    inner: Incoming,
    shared: Arc<Shared>,
    scan: Option<Scan>,
}

impl Upload {
    /// `look`: the model is to be found in it.
    pub(super) fn new(inner: Incoming, shared: Arc<Shared>, look: bool) -> Self {
        Self(Arc::new(Mutex::new(Sending {
            inner,
            shared,
            scan: look.then(Scan::new),
        })))
    }

    /// Reads on until the model is known, for a request that nobody took.
    pub(super) async fn look_for_model(mut self) {
        let looks = |upload: &Self| upload.lock().scan.is_some();
        let search = async { while looks(&self) && matches!(self.frame().await, Some(Ok(_))) {} };
        // What did not come by then leaves the request without a verdict.
        let _ = tokio::time::timeout(LOOK_LIMIT, search).await;
    }

    fn lock(&self) -> MutexGuard<'_, Sending> {
        // Whole between its calls, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(scan), Some(data)) = (&mut self.scan, frame.data_ref())
                    && let Some(model) = scan.push(data)
                {
                    self.shared.found(model);
                    self.scan = None;
                }
            }
            Some(Err(_)) => self.shared.break_upload(),
            None => {}
        }
        Poll::Ready(frame)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut sending = self.lock();
        // An open connection asks for it: that is when it takes the request.
        sending.shared.marks.handed();
        sending.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().inner.size_hint()
    }
}

/// An answer's body: the provider's as it passes, or words of our own.
pub struct Reply(Kind);

enum Kind {
    Passing(Box<Download>),
    Own(Option<Bytes>),
}

impl Reply {
    /// Words of our own.
    pub(super) fn own(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Own(Some(bytes.into()).filter(|bytes| !bytes.is_empty())))
    }

    /// The provider's.
    pub(super) fn passing(download: Download) -> Self {
        Self(Kind::Passing(Box::new(download)))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Kind::Passing(download) => download.poll(cx),
            Kind::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Passing(download) => download.broken.is_none() && download.inner.is_end_stream(),
            Kind::Own(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Passing(download) => download.inner.size_hint(),
            Kind::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

/// A reply's body on its way to the client.
pub(super) struct Download {
    inner: Incoming,
    recorder: Option<Recorder>,
    line: Line,
    /// It broke, and what came before it has yet to leave.
    broken: Option<(hyper::Error, u64)>,
    exchange: Exchange,
    #[expect(dead_code, reason = "held for its drop")]
    turn: Turn,
}

/// An exchange under way, counted until it is dropped.
pub(super) struct Exchange {
    desk: Arc<Desk>,
    pub(super) shared: Arc<Shared>,
}

impl Exchange {
    pub(super) fn new(desk: Arc<Desk>, shared: Arc<Shared>) -> Self {
        Counts::add(&desk.counts.requests);
        Counts::add(&desk.counts.open);
        Self { desk, shared }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let open = &self.desk.counts.open;
        open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Download {
    pub(super) fn new(
        inner: Incoming,
        mut recorder: Option<Recorder>,
        line: Line,
        exchange: Exchange,
        turn: Turn,
    ) -> Self {
        if inner.is_end_stream()
            && let Some(recorder) = &mut recorder
        {
            recorder.end(exchange.desk.clock.mono(), Ending::Clean);
        }
        Self {
            inner,
            recorder,
            line,
            broken: None,
            exchange,
            turn,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.broken.is_none() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            if let Some(recorder) = &mut self.recorder {
                let now = self.exchange.desk.clock.mono();
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    recorder.piece(now, data);
                }
                match &frame {
                    // The server library may not ask again once the announced length has passed.
                    Some(Ok(_)) if !self.inner.is_end_stream() => {}
                    Some(Ok(_)) | None => recorder.end(now, Ending::Clean),
                    Some(Err(_)) if self.exchange.shared.upload_broke() => {
                        recorder.end(now, Ending::Cancelled);
                    }
                    Some(Err(error)) => recorder.end(now, Ending::Failed(body_fault(error))),
                }
            }
            match frame {
                Some(Err(error)) => self.broken = Some((error, self.line.flushes())),
                frame => return Poll::Ready(frame),
            }
        }
        let since = self.broken.as_ref().map_or(0, |(_, since)| *since);
        ready!(self.line.poll_flushed(since, cx));
        match self.broken.take() {
            Some((error, _)) => {
                if is_reset(&error) {
                    self.line.reset();
                }
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Ready(None),
        }
    }
}
