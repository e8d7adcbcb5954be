//! What the log is told of providers that nothing gets out to: a proxy of ours stops it, or it can't be put into words.

use std::collections::BTreeSet;

use crate::{
    id::ProviderId,
    protocol::ErrorClass,
    verdict::{FailedAt, Failure, Observation, Verdict},
};

/// Remembers who they are, so that each is told once, and once when it is over.
#[derive(Debug, Default)]
pub(super) struct Unsent(BTreeSet<ProviderId>);

impl Unsent {
    /// Takes a probe's outcome.
    pub(super) fn note(&mut self, seen: &Observation) {
        let provider = seen.target.provider();
        match seen.verdict {
            Verdict::Errored(Failure {
                class: ErrorClass::InvalidRequest,
                at: FailedAt::Transport,
            }) => {
                if self.0.insert(provider.clone()) {
                    let why = seen.detail.as_deref().unwrap_or_default();
                    tracing::warn!(%provider, why, "nothing gets out to the provider, and nothing is known about it");
                }
            }
            // Neither did this, for want of a credential or by our own doing.
            Verdict::Errored(Failure {
                class: ErrorClass::Auth | ErrorClass::Cancelled,
                at: FailedAt::Transport,
            }) => {}
            _ => {
                if self.0.remove(provider) {
                    tracing::info!(%provider, "requests get out to the provider again");
                }
            }
        }
    }
}
