//! What an operator asks of the loop.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Core, News};
use crate::{
    clock::Timestamp,
    daemon::brain::ProbeRefused,
    health::{Declaration, DeclareError, DeclaredKind},
    id::TargetId,
    probe::ProbeKind,
    store::Record,
    verdict::Observation,
};

/// What somebody asks for. Each answer comes once the feed has been told.
#[derive(Debug)]
pub(crate) enum Order {
    /// A declaration.
    Declare(
        Box<Declaration>,
        oneshot::Sender<Result<Arc<Declaration>, DeclareError>>,
    ),
    /// The end of one: its kind and id, and who ends it.
    End(
        DeclaredKind,
        String,
        String,
        oneshot::Sender<Option<Arc<Declaration>>>,
    ),
    /// A probe now.
    Probe(
        TargetId,
        ProbeKind,
        oneshot::Sender<Result<Box<Observation>, ProbeRefused>>,
    ),
}

/// An answer that waits for the feed to be told.
#[derive(Debug)]
pub(super) enum Answer {
    Declared(
        oneshot::Sender<Result<Arc<Declaration>, DeclareError>>,
        Result<Arc<Declaration>, DeclareError>,
    ),
    Ended(
        oneshot::Sender<Option<Arc<Declaration>>>,
        Option<Arc<Declaration>>,
    ),
    Probed(
        oneshot::Sender<Result<Box<Observation>, ProbeRefused>>,
        Result<Box<Observation>, ProbeRefused>,
    ),
}

impl Answer {
    /// Whoever asked may have gone: then nobody needs the answer.
    pub(super) fn give(self) {
        match self {
            Self::Declared(asker, answer) => drop(asker.send(answer)),
            Self::Ended(asker, answer) => drop(asker.send(answer)),
            Self::Probed(asker, answer) => drop(asker.send(answer)),
        }
    }
}

impl Core {
    pub(super) fn take_order(&mut self, order: Order, news: &mut News, now: Timestamp) {
        match order {
            Order::Declare(declaration, asker) => {
                let taken = self.brain.declare(*declaration, now).map(|(taken, acts)| {
                    tracing::info!(
                        kind = taken.what.kind().as_str(), id = taken.id, targets = %taken.targets,
                        from = ?taken.from, until = ?taken.until, by = taken.by, why = taken.why, "declared"
                    );
                    news.add(acts);
                    taken
                });
                news.answers.push(Answer::Declared(asker, taken));
            }
            Order::End(kind, id, by, asker) => {
                let ended = self.brain.undeclare(kind, &id, now).map(|(ended, acts)| {
                    tracing::info!(
                        kind = kind.as_str(), id, targets = %ended.targets, by,
                        "a declaration was ended early"
                    );
                    news.add(acts);
                    ended
                });
                news.answers.push(Answer::Ended(asker, ended));
            }
            Order::Probe(target, kind, asker) => match self.brain.ask(&target, kind, now) {
                Ok(launch) => {
                    self.asked.insert(launch.id, asker);
                    news.launches.push(launch);
                }
                Err(refused) => news.answers.push(Answer::Probed(asker, Err(refused))),
            },
        }
    }

    /// A probe came back that somebody may have asked for.
    pub(super) fn answer_probe(&mut self, id: u64, seen: &Arc<Observation>, news: &mut News) {
        if let Some(asker) = self.asked.remove(&id) {
            let seen = Box::new((**seen).clone());
            news.answers.push(Answer::Probed(asker, Ok(seen)));
        }
    }

    /// Shows and keeps what is declared, if it is another list than before: a promise that was made must outlive us.
    pub(super) fn show_declared(&mut self) {
        let declared = self.brain.declared();
        if declared.version() != self.shown {
            self.shown = declared.version();
            self.declared.set(declared);
            self.writer.send(Record::State(self.brain.save()));
        }
    }
}
