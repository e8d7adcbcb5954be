//! Each provider's official status page, in the Statuspage v2 shape.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;

/// Longest incident name in bytes.
const MAX_NAME_BYTES: usize = 200;

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageState {
    /// The component's status, in Statuspage's words.
    pub status: ComponentStatus,
    /// Name of an unresolved incident, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// Statuspage's component states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    /// All well.
    Operational,
    /// Slow or flaky.
    DegradedPerformance,
    /// Down for some.
    PartialOutage,
    /// Down.
    MajorOutage,
    /// Announced work.
    UnderMaintenance,
}

impl ComponentStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::DegradedPerformance => "degraded_performance",
            Self::PartialOutage => "partial_outage",
            Self::MajorOutage => "major_outage",
            Self::UnderMaintenance => "under_maintenance",
        }
    }

    /// The page's indicator and its description.
    const fn indicator(self) -> (&'static str, &'static str) {
        match self {
            Self::Operational => ("none", "All Systems Operational"),
            Self::DegradedPerformance => ("minor", "Partially Degraded Service"),
            Self::PartialOutage => ("major", "Partial System Outage"),
            Self::MajorOutage => ("critical", "Major Service Outage"),
            Self::UnderMaintenance => ("maintenance", "Service Under Maintenance"),
        }
    }
}

/// Handle on the pages. Clones share them; a page that nobody set is operational.
#[derive(Debug, Clone, Default)]
pub struct StatusPages(Arc<RwLock<BTreeMap<&'static str, (PageState, Timestamp)>>>);

impl StatusPages {
    /// Sets a provider's page. `false` when the incident's name is longer than 200 bytes.
    pub fn set(&self, provider: &'static str, state: PageState, now: Timestamp) -> bool {
        if state
            .incident
            .as_ref()
            .is_some_and(|name| name.len() > MAX_NAME_BYTES)
        {
            return false;
        }
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(provider, (state, now));
        true
    }

    /// Makes a provider's page operational again.
    pub fn clear(&self, provider: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(provider);
    }

    /// `summary.json`.
    pub(crate) fn summary(&self, provider: &str, now: Timestamp) -> Value {
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (state, since) = pages.get(provider).cloned().unwrap_or((
            PageState {
                status: ComponentStatus::Operational,
                incident: None,
            },
            now,
        ));
        let since = since.to_rfc3339();
        let (indicator, description) = state.status.indicator();
        let page_id = format!("sim{provider}");
        let component = format!("{provider} API");
        let incidents: Vec<Value> = state
            .incident
            .iter()
            .map(|name| {
                json!({
                    "id": format!("{page_id}incident"), "name": name, "status": "investigating",
                    "created_at": since, "updated_at": since, "started_at": since, "monitoring_at": null,
                    "resolved_at": null, "impact": if indicator == "none" { "minor" } else { indicator },
                    "shortlink": null, "page_id": page_id, "components": [],
                    "incident_updates": [{
                        "id": format!("{page_id}update"), "status": "investigating", "body": name,
                        "created_at": since, "display_at": since,
                        "affected_components": [{
                            "code": format!("{page_id}api"), "name": component,
                            "old_status": "operational", "new_status": state.status.as_str(),
                        }],
                    }],
                })
            })
            .collect();
        json!({
            "page": {
                "id": page_id, "name": provider, "url": format!("/{provider}/status"),
                "time_zone": "Etc/UTC", "updated_at": since,
            },
            "components": [{
                "id": format!("{page_id}api"), "name": component, "status": state.status.as_str(),
                "created_at": since, "updated_at": since, "position": 1, "description": null, "showcase": true,
                "start_date": null, "group_id": null, "page_id": page_id, "group": false,
                "only_show_if_degraded": false,
            }],
            "incidents": incidents,
            "scheduled_maintenances": [],
            "status": {"indicator": indicator, "description": description},
        })
    }
}
