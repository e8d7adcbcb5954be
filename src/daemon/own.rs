//! The daemon's own condition, for those who collect figures.

use std::sync::{Arc, PoisonError, RwLock};

use super::post::{ChannelView, Post};
use crate::{
    alert::CircuitState,
    clock::Timestamp,
    config::Config,
    intake::{Intake, MAX_WAITING},
    store::{RecordKind, Writer},
    tap::Tap,
    telemetry::{Exports, Own, OwnChannel, OwnIntake, OwnStore, OwnTap, Owner},
    verdict::Source,
};

/// What it looks at.
pub(super) struct Condition {
    pub(super) started: Timestamp,
    pub(super) writer: Writer,
    pub(super) intake: Intake,
    pub(super) tap: Arc<Tap>,
    pub(super) config: Arc<RwLock<Arc<Config>>>,
    pub(super) exports: Exports,
    pub(super) post: Post,
}

impl Condition {
    /// The configuration in force.
    pub(super) fn in_force(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(&self) -> OwnStore {
        let status = self.writer.status();
        OwnStore {
            failing: status.failing.is_some(),
            set_aside: status.corrupt_set_aside.is_some(),
            migrating: status.migrating,
            queued: status.queued as u64,
            bytes: status.size_bytes,
            dropped: RecordKind::ALL
                .map(|kind| (kind.as_str(), status.dropped.of(kind)))
                .to_vec(),
        }
    }

    fn tap(&self) -> OwnTap {
        let counts = self.tap.counts();
        let unjudged = counts.unjudged;
        OwnTap {
            requests: counts.requests,
            open: counts.open,
            refused: counts.refused,
            untold: counts.untold,
            unjudged: vec![
                ("no_model", unjudged.no_model),
                ("outsize", unjudged.outsize),
                ("coding", unjudged.coding),
                ("unknown", unjudged.unknown),
                ("overrun", unjudged.overrun),
                ("failed", unjudged.failed),
            ],
        }
    }
}

/// How often each source asks, by the timetable: the most frequent kind of canary counts.
fn intervals(config: &Config, own: &mut Own) {
    for provider in &config.providers {
        if let (Some(reach), Some(model)) = (&provider.reach, provider.models.first()) {
            own.intervals.push((model.id.clone(), Source::Reach, reach.every));
        }
        for model in &provider.models {
            for source in [Source::Canary, Source::Long] {
                let canaries = model.canaries().filter(|(kind, _)| kind.source() == source);
                let every = canaries.map(|(_, canary)| canary.every).min();
                own.intervals
                    .extend(every.map(|every| (model.id.clone(), source, every)));
            }
        }
    }
}

fn channel(view: ChannelView) -> OwnChannel {
    let figures = view.figures;
    OwnChannel {
        name: view.name,
        delivered: figures.delivered,
        failed: figures.failed,
        dead: figures.dead,
        pending: figures.pending as u64,
        oldest: figures.oldest,
        open: figures.circuit != CircuitState::Closed,
    }
}

impl Owner for Condition {
    fn own(&self) -> Own {
        let config = self.in_force();
        let mut own = Own {
            started: self.started,
            store: Some(self.store()),
            intake: Some(OwnIntake {
                waiting: self.intake.waiting() as u64,
                places: MAX_WAITING as u64,
                refused: self.intake.refused(),
            }),
            tap: Some(self.tap()),
            budget_usd: config.usd_per_day,
            exports: self.exports.own(),
            channels: self.post.channels().into_iter().map(channel).collect(),
            ..Own::default()
        };
        for provider in &config.providers {
            let limit = provider.usd_per_day.map(|usd| (provider.id.clone(), usd));
            own.provider_budgets_usd.extend(limit);
        }
        intervals(&config, &mut own);
        own
    }
}
