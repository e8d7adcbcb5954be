//! What the API asks about alerts, answered by the post and the loop.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{
    alarms::Shown,
    core::{Ack, Input},
    post::{ChannelView, DeskError, Post, Which},
};
use crate::{
    alert::{Alarm, Message, Outcome},
    api::{Alerting, AlertingError, ChannelStatus, DeadLetter, ResendOrder, TestResult},
    feed::Time,
    store::Letter,
};

/// Longest wait for the loop to take note.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// The door for the API.
pub(super) struct Bell {
    pub(super) post: Post,
    pub(super) shown: Shown,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl From<DeskError> for AlertingError {
    fn from(error: DeskError) -> Self {
        let text = error.to_string();
        match error {
            DeskError::NoChannel(_) | DeskError::NoLetter(_) => Self::Unknown(text),
            DeskError::NotDead { .. } => Self::Refused(text),
            DeskError::Unavailable(_) => Self::Unavailable(text),
        }
    }
}

fn status(view: ChannelView) -> ChannelStatus {
    let figures = view.figures;
    let (at, why) = figures.last_error.unzip();
    ChannelStatus {
        name: view.name,
        r#type: view.kind.to_owned(),
        circuit: figures.circuit.as_str().to_owned(),
        pending: figures.pending,
        more: view.more,
        oldest_at: figures.oldest.map(Time),
        next_try_at: figures.next_try_at.map(Time),
        failures: figures.failures,
        last_success_at: figures.last_success_at.map(Time),
        last_error_at: at.map(Time),
        last_error: why,
        delivered: figures.delivered,
        failed: figures.failed,
        dead: figures.dead,
    }
}

fn dead_letter(row: Letter) -> DeadLetter {
    let message: Option<Message> = serde_json::from_str(&row.json).ok();
    DeadLetter {
        title: message.map_or_else(String::new, |message| message.title),
        key: row.key,
        channel: row.channel,
        alarm: row.alarm,
        kind: row.kind,
        queued_at: Time(row.queued_at),
        given_up_at: Time(row.done_at.unwrap_or(row.queued_at)),
        tries: row.tries,
        error: row.last_error,
    }
}

/// Runs what waits for the disk on a thread of its own.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AlertingError> + Send + 'static,
) -> Result<T, AlertingError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(AlertingError::Unavailable(error.to_string())))
}

impl Alerting for Bell {
    fn alarms(&self) -> Vec<Alarm> {
        self.shown.now()
    }

    fn channels(&self) -> Vec<ChannelStatus> {
        self.post.channels().into_iter().map(status).collect()
    }

    fn dead(&self, limit: usize) -> BoxFuture<'_, Result<Vec<DeadLetter>, AlertingError>> {
        let post = self.post.clone();
        Box::pin(beside(move || {
            let rows = post.dead(limit).map_err(DeskError::from)?;
            Ok(rows.into_iter().map(dead_letter).collect())
        }))
    }

    fn ack<'a>(&'a self, incident: &'a str, by: &'a str) -> BoxFuture<'a, Result<(), AlertingError>> {
        let (done, told) = oneshot::channel();
        let ack = Box::new(Ack {
            what: incident.to_owned(),
            by: by.to_owned(),
            done,
        });
        Box::pin(async move {
            let ending = || AlertingError::Unavailable("the daemon ends".to_owned());
            let asked = async {
                self.inputs.send(Input::Ack(ack)).await.map_err(|_| ending())?;
                told.await.map_err(|_| ending())
            };
            let late = |_| AlertingError::Unavailable("the daemon took no note in time".to_owned());
            let told = tokio::time::timeout(ACK_TIMEOUT, asked).await.map_err(late)??;
            told.map_err(|error| match error {
                crate::alert::AckError::Unknown(_) => AlertingError::Unknown(error.to_string()),
                crate::alert::AckError::Nobody => AlertingError::Refused(error.to_string()),
            })
        })
    }

    fn resend(&self, order: ResendOrder) -> BoxFuture<'_, Result<usize, AlertingError>> {
        let which = match (order.key, order.channel) {
            (Some(key), _) => Which::Key(key),
            (None, channel) => Which::Channel(channel.unwrap_or_default()),
        };
        let post = self.post.clone();
        Box::pin(beside(move || Ok(post.resend(&which)?)))
    }

    fn test<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<TestResult, AlertingError>> {
        Box::pin(async move {
            let tested = self.post.test(channel).await?;
            let (delivered, error) = match tested.outcome {
                Outcome::Delivered => (true, None),
                Outcome::Later { why, .. } | Outcome::Refused { why } => (false, Some(why)),
            };
            Ok(TestResult {
                channel: channel.to_owned(),
                delivered,
                error,
                took_ms: u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
                key: tested.key,
            })
        })
    }
}
