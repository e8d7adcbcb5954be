//! Local copies of routes, each kept by a long poll of `/v1/routes/{name}`.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    follow::Patience,
    keep::{Shared, State},
    known::{Receipt, left},
};
use crate::{
    clock::Clock,
    config::Secret,
    feed::{
        route::{OneRoute, Route},
        v1::Head,
    },
    link::innermost,
};

/// How long a poll waits for news. A heartbeat makes news every 5 s.
const WAIT: Duration = Duration::from_secs(10);
/// How much later the answer may come.
const GRACE: Duration = Duration::from_secs(2);
/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A route as it came last.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    head: Head,
    pub(super) route: Arc<Route>,
    received: Receipt,
}

impl Kept {
    /// How long it may still be believed.
    pub(super) fn left(&self, clock: &Clock) -> Option<Duration> {
        left(&self.head, self.received, clock)
    }

    /// Whether an answer tells more: the same one again renews nothing.
    fn is_before(&self, head: &Head) -> bool {
        self.head.instance != head.instance || self.head.revision < head.revision
    }
}

/// What is known of one route that was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Copy {
    pub(super) kept: Option<Arc<Kept>>,
    /// Why the last poll failed.
    pub(super) trouble: Option<Arc<str>>,
}

/// Whom to ask.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    pub(super) token: Option<Secret>,
}

/// Keeps the copy of `name` until the client closes.
pub(super) async fn keep(
    shared: Arc<Shared>,
    name: String,
    asked: Asked,
    patience: Patience,
    closing: CancellationToken,
) {
    let mut failures = 0;
    let polling = async {
        loop {
            let known = shared
                .state
                .borrow()
                .route(&name)
                .and_then(|copy| copy.kept.clone());
            let polled = tokio::time::timeout(WAIT + GRACE, poll(&asked, &name, known.as_deref())).await;
            let polled = polled.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let polled = polled.and_then(|answer| {
                if known.is_none_or(|known| known.is_before(&answer.head)) {
                    Ok(answer)
                } else {
                    Err("the daemon has no news".to_owned())
                }
            });
            match polled {
                Ok(answer) => {
                    failures = 0;
                    let kept = Kept {
                        head: answer.head,
                        route: Arc::new(answer.route),
                        received: Receipt::now(&shared.clock),
                    };
                    shared.state.send_modify(|state: &mut State| {
                        let copy = state.routes.entry(name.clone()).or_default();
                        copy.kept = Some(Arc::new(kept));
                        copy.trouble = None;
                    });
                }
                Err(why) => {
                    failures += 1;
                    shared.quietly(|state| {
                        state.routes.entry(name.clone()).or_default().trouble = Some(why.into());
                    });
                    tokio::time::sleep(patience.after(failures)).await;
                }
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = polling => {}
    }
}

/// Asks once: at once without a copy, else as soon as there are news.
async fn poll(asked: &Asked, name: &str, known: Option<&Kept>) -> Result<OneRoute, String> {
    let mut url = format!("{}/v1/routes/{name}", asked.base);
    if let Some(Kept { head, .. }) = known {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("since", &head.revision.to_string());
        query.append_pair("wait", &format!("{}s", WAIT.as_secs()));
        query.append_pair("instance", &head.instance);
        url = format!("{url}?{}", query.finish());
    }
    let mut request = asked.http.get(url);
    if let Some(token) = &asked.token {
        request = request.bearer_auth(token.expose());
    }
    let mut response = request
        .send()
        .await
        .map_err(|error| innermost(&error.without_url()))?;
    let status = response.status();
    if !status.is_success() {
        return Err(match status.as_u16() {
            404 => "the daemon has no such route".to_owned(),
            status => format!("HTTP {status}"),
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| innermost(&error.without_url()))?
    {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("an answer of more than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| format!("the route can't be read: {error}"))
}
