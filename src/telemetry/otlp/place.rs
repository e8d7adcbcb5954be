//! Where each provider is, and what the conventions call it.

use std::collections::HashMap;

use crate::{config::Config, id::ProviderId, telemetry::names::otlp};

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `gen_ai.provider.name`.
    pub(super) name: String,
    /// `server.address` and `server.port`; `None` for what only reports tell of.
    pub(super) server: Option<(String, i64)>,
}

/// Every provider of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::telemetry) struct Places(HashMap<ProviderId, Place>);

impl Places {
    pub(in crate::telemetry) fn of(config: &Config) -> Self {
        let place = |provider: &crate::config::Provider| Place {
            name: otlp::provider(&provider.preset).to_owned(),
            server: provider
                .base_url
                .host_str()
                .zip(provider.base_url.port_or_known_default())
                .map(|(host, port)| (host.trim_matches(['[', ']']).to_owned(), i64::from(port))),
        };
        let all = config.providers.iter();
        Self(
            all.map(|provider| (provider.id.clone(), place(provider)))
                .collect(),
        )
    }

    /// That provider; one that nobody configured is called as reports call it.
    pub(super) fn find(&self, provider: &ProviderId) -> Place {
        self.0.get(provider).cloned().unwrap_or_else(|| Place {
            name: otlp::provider(provider.as_str()).to_owned(),
            server: None,
        })
    }
}
