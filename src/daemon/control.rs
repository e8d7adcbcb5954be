//! The door of the API to what an operator may change.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{
    brain::ProbeRefused,
    core::{Handle, Input, Order},
};
use crate::{
    api::{Control, ControlError, ReloadError, Reloaded},
    health::{Declaration, DeclareError, DeclaredKind},
    id::TargetId,
    probe::ProbeKind,
    store::Writer,
    verdict::Observation,
};

/// Somebody wants the configuration read anew; the answer goes back by this.
pub type ReloadAsked = oneshot::Sender<Result<Reloaded, ReloadError>>;

/// Who reads configurations, once somebody does.
pub(super) type Reader = Arc<OnceLock<mpsc::Sender<ReloadAsked>>>;

/// Orders go to the loop, and to whoever reads configurations.
pub(super) struct Desk {
    pub(super) inputs: mpsc::Sender<Input>,
    reader: Reader,
    writer: Writer,
}

/// How long an answer about a declaration may wait for the store.
const KEEP: Duration = Duration::from_secs(2);

/// What is told where the loop has ended.
fn ending() -> ControlError {
    ControlError::Unavailable("the daemon is ending".to_owned())
}

impl Desk {
    pub(super) fn new(handle: &Handle, reader: &Reader, writer: &Writer) -> Self {
        Self {
            inputs: handle.inputs.clone(),
            reader: Arc::clone(reader),
            writer: writer.clone(),
        }
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, ControlError> {
        let (asker, answer) = oneshot::channel();
        let sent = self.inputs.send(Input::Order(order(asker))).await;
        sent.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())
    }

    /// Waits a little for what was promised to be on disk: who was told that it is declared will rely on it. Where the store
    /// fails it is in force all the same, and kept as soon as the store takes it.
    async fn kept(&self) {
        let writer = self.writer.clone();
        let kept = tokio::task::spawn_blocking(move || writer.flush(KEEP));
        if !kept.await.unwrap_or(false) {
            tracing::warn!("what was declared is in force and not yet kept: the store is late");
        }
    }
}

impl Control for Desk {
    fn declare(&self, wanted: Declaration) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>> {
        Box::pin(async move {
            let taken = self.ask(|asker| Order::Declare(Box::new(wanted), asker)).await?;
            let taken = taken.map_err(|error| match error {
                DeclareError::TooMany => ControlError::Conflict(error.to_string()),
                _ => ControlError::Unfit(error.to_string()),
            })?;
            self.kept().await;
            Ok(taken)
        })
    }

    fn end(
        &self,
        kind: DeclaredKind,
        id: String,
        by: String,
    ) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>> {
        Box::pin(async move {
            let ended = self.ask(|asker| Order::End(kind, id.clone(), by, asker)).await?;
            let none = || ControlError::Unknown(format!("no {kind} {id:?} is declared, or it is over"));
            let ended = ended.ok_or_else(none)?;
            self.kept().await;
            Ok(ended)
        })
    }

    fn probe(&self, target: TargetId, kind: ProbeKind) -> BoxFuture<'_, Result<Observation, ControlError>> {
        Box::pin(async move {
            let seen = self.ask(|asker| Order::Probe(target, kind, asker)).await?;
            let seen = seen.map_err(|refused| {
                let why = refused.to_string();
                match refused {
                    ProbeRefused::Unknown(_) => ControlError::Unknown(why),
                    ProbeRefused::NoSuch(..) => ControlError::Unfit(why),
                    ProbeRefused::UnderWay(_) => ControlError::Conflict(why),
                    ProbeRefused::TooMany => ControlError::Unavailable(why),
                    ProbeRefused::Spent(spent) => ControlError::Spent {
                        why,
                        until: spent.until,
                    },
                }
            })?;
            Ok(*seen)
        })
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ReloadError>> {
        Box::pin(async move {
            let gone = |why: &str| ReloadError::Unavailable(why.to_owned());
            let reader = self.reader.get();
            let reader =
                reader.ok_or_else(|| gone("this process was started without a configuration to read"))?;
            let (asker, answer) = oneshot::channel();
            reader
                .try_send(asker)
                .map_err(|_| gone("the configuration is being read already"))?;
            answer.await.map_err(|_| gone("the daemon is ending"))?
        })
    }
}
