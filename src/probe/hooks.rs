//! The hooks through which the HTTP client shows its phases: resolver, connector and request body.
//!
//! A task-local carries the marks of the request that is being sent. Each hook takes hold of them when it is called,
//! not later: the client may finish opening a connection in a task of its own.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::{Layer, Service};

use super::Marks;

tokio::task_local! {
    /// Marks of the request that this task is sending.
    pub(super) static MARKS: Arc<Marks>;
}

fn current() -> Option<Arc<Marks>> {
    MARKS.try_with(Arc::clone).ok()
}

/// The system's resolver, with its time taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkedResolver;

impl Resolve for MarkedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let marks = current();
        Box::pin(async move {
            if let Some(marks) = &marks {
                marks.dns_started();
            }
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(marks) = &marks {
                marks.dns_ended();
            }
            let addrs: Addrs = Box::new(found.into_iter());
            Ok(addrs)
        })
    }
}

/// Takes the time of the client's connector: resolving, TCP and TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkConnect;

impl<S> Layer<S> for MarkConnect {
    type Service = MarkedConnect<S>;

    fn layer(&self, inner: S) -> MarkedConnect<S> {
        MarkedConnect { inner }
    }
}

/// A connector with its time taken.
#[derive(Debug, Clone)]
pub(super) struct MarkedConnect<S> {
    inner: S,
}

impl<S, R> Service<R> for MarkedConnect<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let marks = current();
        if let Some(marks) = &marks {
            marks.connect_started();
        }
        let connecting = self.inner.call(destination);
        Box::pin(async move {
            let connection = connecting.await?;
            if let Some(marks) = marks {
                marks.connect_ended();
            }
            Ok(connection)
        })
    }
}

/// A request body that notes when the connection takes it: with our small bodies, the moment of sending.
#[derive(Debug)]
pub(super) struct MarkedBody {
    bytes: Option<Bytes>,
    marks: Arc<Marks>,
}

impl MarkedBody {
    /// A body of one piece.
    pub(super) fn new(bytes: Bytes, marks: Arc<Marks>) -> Self {
        Self {
            bytes: Some(bytes),
            marks,
        }
    }
}

impl Body for MarkedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| {
            self.marks.handed();
            Ok(Frame::data(bytes))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
