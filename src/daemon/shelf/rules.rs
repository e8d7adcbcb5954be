//! The configuration as far as it decides what is said.

use crate::{
    api::page::{Asked, Rules},
    config::{Config, Model, Provider},
};

/// What is asked of whom, and what is kept.
pub(super) fn of(config: &Config) -> Rules {
    let keep = config.store.keep;
    Rules {
        asked: config
            .providers
            .iter()
            .flat_map(|provider| provider.models.iter().map(move |model| asked(provider, model)))
            .collect(),
        anchors: config.anchors.len(),
        official_every: config.official.every,
        keep: [
            ("Raw observations", Some(keep.raw)),
            ("Minutes", Some(keep.minute)),
            ("Hours", Some(keep.hour)),
            ("Days", keep.day),
        ],
        max_bytes: config.store.max_bytes,
    }
}

fn asked(provider: &Provider, model: &Model) -> Asked {
    let canaries = model
        .canaries()
        .map(|(kind, canary)| (kind.as_str(), canary.every));
    let reach = provider.reach.as_ref().map(|reach| ("reach", reach.every));
    let limits = provider.limits_of(model);
    Asked {
        target: model.id.clone(),
        probes: canaries.chain(reach).collect(),
        limits: [limits.connect, limits.first_token, limits.gap, limits.total],
        strict: provider.strict_terminal,
    }
}
