//! Telemetry of other people's programs: spans of model calls and events of coding agents become observations.
//!
//! [`Receiver::read`] turns a body into what it tells, [`Receiver::take`] counts each call of it once. Bodies are read in
//! place and an item at a time; of an item only the attributes that [`facts`] names are ever looked at, so prompts,
//! answers and messages of exceptions stay where they are. What becomes of which dialect: `docs/otlp.md`.

mod agent;
mod dialect;
mod directory;
mod facts;
mod gather;
mod json;
mod judge;
mod memory;
mod protobuf;
mod reply;
mod span;
mod wire;

use std::{
    hash::RandomState,
    sync::{Arc, Mutex, PoisonError},
};

pub use agent::{MAX_ATTEMPTS, MAX_REQUESTS};
pub use directory::{Directory, Known};
pub use gather::{Batch, MAX_CALLS, MAX_ITEMS, MAX_REASONS};
pub use memory::{REMEMBERED, REMEMBERED_FOR};
pub use reply::{Encoding, Signal, metrics_unused};
pub use wire::WireError;

use crate::{
    clock::Timestamp,
    config::Config,
    verdict::{Observation, Trust},
};
use agent::Attempts;
use gather::Gather;
use memory::Memory;

/// Why a body can't be read. Sending it again won't help. Nothing of the body is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// It is no protobuf, or none of OTLP.
    #[error("the body is no OTLP in protobuf: {0}")]
    Protobuf(#[from] WireError),
    /// It is no JSON, or none of OTLP.
    #[error("the body is no OTLP in JSON, see line {line}, column {column} or the items there")]
    Json {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where reading stopped, from 1.
        column: usize,
    },
}

impl From<serde_json::Error> for OtlpError {
    /// Its words may repeat what they complain of.
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// What became of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Observations that came of it.
    pub accepted: usize,
    /// Calls that an earlier body told of.
    pub duplicates: usize,
    /// Spans around or within the one that was counted.
    pub same: usize,
    /// Spans or records that were not taken although they tell of a model call.
    pub rejected: u64,
    /// Why they were not, in one line; empty if none was.
    pub message: String,
}

/// Whoever takes telemetry, with what it remembers of it.
#[derive(Debug, Default)]
pub struct Receiver {
    hash: RandomState,
    known: Mutex<Remembered>,
    directory: Mutex<Option<(Arc<Config>, Arc<Directory>)>>,
}

#[derive(Debug, Default)]
struct Remembered {
    spans: Memory,
    attempts: Attempts,
}

impl Receiver {
    /// The targets of the configuration in force; made anew when it is another one.
    pub fn directory(&self, config: &Arc<Config>) -> Arc<Directory> {
        let mut kept = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref() {
            Some((of, directory)) if Arc::ptr_eq(of, config) => Arc::clone(directory),
            _ => {
                let directory = Arc::new(Directory::of(config));
                *kept = Some((Arc::clone(config), Arc::clone(&directory)));
                directory
            }
        }
    }

    /// What a body tells, received now from somebody of that trust. Changes nothing.
    ///
    /// # Errors
    /// The body can't be read; nothing of it counts.
    pub fn read(
        &self,
        (signal, encoding): (Signal, Encoding),
        body: &[u8],
        directory: &Directory,
        trust: Trust,
        now: Timestamp,
    ) -> Result<Batch, OtlpError> {
        let mut gather = Gather::new(&self.hash, directory, trust, now);
        match (signal, encoding) {
            (Signal::Traces, Encoding::Protobuf) => protobuf::traces(body, &mut gather)?,
            (Signal::Traces, Encoding::Json) => json::traces(body, &mut gather)?,
            (Signal::Logs, Encoding::Protobuf) => protobuf::logs(body, &mut gather)?,
            (Signal::Logs, Encoding::Json) => json::logs(body, &mut gather)?,
            (Signal::Metrics, Encoding::Protobuf) => protobuf::is_message(body)?,
            (Signal::Metrics, Encoding::Json) => json::is_message(body)?,
        }
        Ok(gather.done())
    }

    /// Counts each call once and hands over what is new. What `hand` refuses is not remembered: it may come again.
    ///
    /// # Errors
    /// Those of `hand`, which must not wait.
    pub fn take<T, E>(
        &self,
        batch: Batch,
        now: Timestamp,
        hand: impl FnOnce(Vec<Observation>) -> Result<T, E>,
    ) -> Result<(Outcome, T), E> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let rejected = batch.rejected();
        let message = batch.message();
        let mut admitted = known.spans.admit(batch.calls, &batch.others);
        let mut changes = agent::Changes::new();
        for event in batch.events {
            event.admit(&known.spans, &known.attempts, &mut changes, &mut admitted, now);
        }
        let outcome = Outcome {
            accepted: admitted.observations.len(),
            duplicates: admitted.duplicates,
            same: admitted.same,
            rejected,
            message,
        };
        let (observations, marks) = admitted.marks();
        let handed = hand(observations)?;
        known.spans.remember(marks, now);
        known.attempts.apply(changes, now);
        Ok((outcome, handed))
    }
}

#[cfg(test)]
mod tests;
