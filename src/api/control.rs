//! The door to what an operator may change.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    clock::Timestamp,
    health::{Declaration, DeclaredKind},
    id::TargetId,
    probe::ProbeKind,
    verdict::Observation,
};

/// Why an operator's wish is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It makes no sense as it was said.
    #[error("{0}")]
    Unfit(String),
    /// It can't be done beside what is under way.
    #[error("{0}")]
    Conflict(String),
    /// The money is spent.
    #[error("{why}")]
    Spent {
        /// Whose.
        why: String,
        /// When there is some again.
        until: Timestamp,
    },
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// A configuration that was read anew and is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// Targets that it configures.
    pub targets: usize,
    /// What somebody should know though it is in force.
    pub warnings: Vec<String>,
    /// Sections that differ and take a restart.
    pub restart: Vec<&'static str>,
}

/// Why a configuration was not taken: the old one stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadError {
    /// It is wrong.
    Wrong {
        /// Every finding, with line, caret and help, as `endturn check` prints it.
        text: String,
        /// The same as `endturn check --json` prints it.
        findings: serde_json::Value,
    },
    /// Nothing can be read now, or ever by this process.
    Unavailable(String),
}

/// Who does what an operator asks for. Every answer comes once it is done and told on the feed.
pub trait Control: Send + Sync + 'static {
    /// Takes a declaration.
    fn declare(&self, wanted: Declaration) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>>;

    /// Ends a declaration early.
    fn end(
        &self,
        kind: DeclaredKind,
        id: String,
        by: String,
    ) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>>;

    /// Sends a probe now and waits for what comes of it.
    fn probe(&self, target: TargetId, kind: ProbeKind) -> BoxFuture<'_, Result<Observation, ControlError>>;

    /// Reads the configuration anew.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ReloadError>>;
}

/// Nobody: every wish is answered with 503.
#[derive(Debug)]
pub(super) struct NoControl;

impl NoControl {
    fn none<T: Send + 'static>() -> BoxFuture<'static, Result<T, ControlError>> {
        Box::pin(async { Err(ControlError::Unavailable(NOBODY.to_owned())) })
    }
}

/// What is told where nobody is behind the door.
const NOBODY: &str = "this server takes no orders";

impl Control for NoControl {
    fn declare(&self, _: Declaration) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>> {
        Self::none()
    }

    fn end(
        &self,
        _: DeclaredKind,
        _: String,
        _: String,
    ) -> BoxFuture<'_, Result<Arc<Declaration>, ControlError>> {
        Self::none()
    }

    fn probe(&self, _: TargetId, _: ProbeKind) -> BoxFuture<'_, Result<Observation, ControlError>> {
        Self::none()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ReloadError>> {
        Box::pin(async { Err(ReloadError::Unavailable(NOBODY.to_owned())) })
    }
}
