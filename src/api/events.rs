//! `/v1/events`: the feed as server-sent events.

use std::{collections::VecDeque, convert::Infallible, pin::Pin, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::time::Interval;
use tokio_util::sync::WaitForCancellationFutureOwned;
use utoipa::IntoParams;

use super::{ApiState, guard::Leave, history::KeptEvent, openapi::schemas, problem::Problem, query};
use crate::feed::{Delta, Filter, Kind, Known, Subscription};

/// How long a client waits before it connects again, in milliseconds.
pub const RETRY_MS: u32 = 3000;
/// How often a comment proves that the connection lives.
pub const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// Most kept events that are told again to a reader who comes back; with more it gets only the snapshot.
pub const MAX_REPLAY: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Only these targets.
    #[param(value_type = Option<schemas::Patterns>)]
    targets: Option<String>,
    /// At which instance the last event was seen.
    instance: Option<String>,
    /// The revision of the last event that was seen, as the header `Last-Event-ID` says it.
    last_event_id: Option<String>,
}

/// The feed as server-sent events.
///
/// `id` is the revision. The data of `snapshot` is a `Health`, that of `health`, `incident`, `change` and `heartbeat` a
/// `Delta`. The stream ends with the daemon, and when another configuration no longer lets its reader in.
#[utoipa::path(get, path = "/v1/events", tag = "now",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last revision that was seen")),
    responses(
        (status = 200, description = "An event stream", body = String, content_type = "text/event-stream",
            example = json!("retry: 3000\n\nid: 18231\nevent: snapshot\ndata: {..}\n\n")),
        schemas::Unavailable,
    ))]
pub(super) async fn follow(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let EventsQuery {
        targets,
        instance,
        last_event_id,
    } = query::query(request.uri())?;
    let filter = query::targets(targets.as_deref())?;
    let last = request
        .headers()
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .or(last_event_id.as_deref());
    let start = start(&api, last, instance.as_deref(), filter.as_ref()).await;
    let subscription = api
        .hub
        .subscribe(start.after, filter)
        .map_err(|full| Problem::unavailable(full.to_string(), 5))?;
    let mut comments = tokio::time::interval(COMMENT_EVERY);
    comments.reset();
    let mut first = start.replay;
    first.push_front(Bytes::from(format!("retry: {RETRY_MS}\n\n")));
    let reader = Reader {
        leave: api.guard.leave(&request)?,
        first,
        subscription,
        comments,
        closing: Box::pin(api.closing.clone().cancelled_owned()),
    };
    let frames = stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where a reader's stream begins.
#[derive(Debug, Default)]
struct Start {
    /// Told first.
    replay: VecDeque<Bytes>,
    /// Then everything after this revision; `None`: a snapshot, then everything after it.
    after: Option<u64>,
}

/// Finds the place of the last id that a reader has. Recent ones go on without a gap; for older ones the event log
/// tells of transitions and incidents again, and a snapshot settles the rest; anything else gets the snapshot.
async fn start(api: &ApiState, last: Option<&str>, instance: Option<&str>, filter: Option<&Filter>) -> Start {
    let Some(revision) = last.and_then(|text| text.trim().parse::<u64>().ok()) else {
        return Start::default();
    };
    match api.hub.known(revision, instance) {
        Known::Current | Known::Recent => Start {
            replay: VecDeque::new(),
            after: Some(revision),
        },
        Known::Never => Start::default(),
        Known::Older => {
            let kept = api
                .read(move |history| history.events_after(revision, MAX_REPLAY + 1))
                .await;
            let newest = api.hub.snapshot().revision();
            let kept = kept
                .ok()
                .filter(|kept| kept.len() <= MAX_REPLAY)
                .unwrap_or_default();
            Start {
                replay: kept
                    .iter()
                    .filter(|event| event.revision <= newest)
                    .filter_map(|event| retold(event, filter))
                    .collect(),
                after: None,
            }
        }
    }
}

/// A kept event as a frame; `None` when it holds nothing for this reader or is none of ours.
fn retold(event: &KeptEvent, filter: Option<&Filter>) -> Option<Bytes> {
    let kind = Kind::parse(&event.kind)?;
    let cut;
    let json = match filter {
        None => event.json.as_str(),
        Some(filter) => {
            let mut delta: Delta = serde_json::from_str(&event.json).ok()?;
            if !delta.retain(filter) {
                return None;
            }
            cut = serde_json::to_string(&delta).ok()?;
            &cut
        }
    };
    if json.contains(['\n', '\r']) {
        return None;
    }
    Some(Bytes::from(format!(
        "id: {}\nevent: {}\ndata: {json}\n\n",
        event.revision,
        kind.as_str()
    )))
}

struct Reader {
    leave: Leave,
    first: VecDeque<Bytes>,
    subscription: Subscription,
    comments: Interval,
    /// One registration for the stream's whole life: a new one per event would queue all readers at one lock.
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Reader {
    /// The next bytes to write; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let frame = self.frame().await?;
        // Every reload publishes a revision, so that whoever is shut out by one is shut out at once.
        self.leave.holds().then_some(frame)
    }

    async fn frame(&mut self) -> Option<Bytes> {
        if let Some(frame) = self.first.pop_front() {
            return Some(frame);
        }
        tokio::select! {
            biased;
            () = &mut self.closing => None,
            frame = self.subscription.next() => frame,
            _ = self.comments.tick() => Some(Bytes::from_static(b": alive\n\n")),
        }
    }
}
