//! The formats of status pages, written. Each page has one component, `{provider} API`.

use jiff::fmt::rfc2822;
use serde_json::{Value, json};

use super::{ComponentStatus, PageState};
use crate::clock::Timestamp;

/// A format of a status page. Every provider has its page in each: the path decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Statuspage v2.
    Statuspage,
    /// incident.io's own.
    IncidentIo,
    Google,
    /// UTF-16, big-endian, with its mark.
    Aws,
    Azure,
    /// The newest item tells the state.
    Rss,
    BetterStack,
}

impl Shape {
    /// The shape that a path asks for, by the vendors' own paths.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let (_, page) = path.split_once("status/")?;
        Some(match page {
            "api/v2/summary.json" => Self::Statuspage,
            "api/v1/summary" => Self::IncidentIo,
            "incidents.json" => Self::Google,
            "public/currentevents" => Self::Aws,
            "en-us/status/feed/" => Self::Azure,
            "incidents.rss" | "feed.rss" | "feed.xml" => Self::Rss,
            "index.json" => Self::BetterStack,
            _ => return None,
        })
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Statuspage | Self::IncidentIo | Self::Google | Self::BetterStack => {
                "application/json; charset=utf-8"
            }
            Self::Aws => "application/json;charset=utf-16",
            Self::Azure | Self::Rss => "application/rss+xml; charset=utf-8",
        }
    }

    pub(super) fn write(self, provider: &str, state: &PageState, since: Timestamp) -> Vec<u8> {
        let said = Said {
            component: format!("{provider} API"),
            title: state.title(provider),
            provider,
            state,
            since,
        };
        match self {
            Self::Statuspage => said.statuspage().to_string().into_bytes(),
            Self::IncidentIo => said.incidentio().to_string().into_bytes(),
            Self::Google => said.google().to_string().into_bytes(),
            Self::Aws => utf16(&said.aws().to_string()),
            Self::Azure => said.azure().into_bytes(),
            Self::Rss => said.rss().into_bytes(),
            Self::BetterStack => said.betterstack().to_string().into_bytes(),
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    [0xFE, 0xFF].into_iter().chain(units).collect()
}

impl PageState {
    /// The open incident: the one that was named, else one for a state that is not operational.
    fn title(&self, provider: &str) -> Option<String> {
        let unnamed =
            || (self.status != ComponentStatus::Operational).then(|| format!("Trouble with {provider}"));
        self.incident.clone().or_else(unnamed)
    }
}

/// What is to be written.
struct Said<'a> {
    provider: &'a str,
    component: String,
    state: &'a PageState,
    title: Option<String>,
    since: Timestamp,
}

impl Said<'_> {
    fn since(&self) -> String {
        self.since.to_rfc3339()
    }

    fn statuspage(&self) -> Value {
        let (status, since, page_id) = (self.state.status, self.since(), format!("sim{}", self.provider));
        let (indicator, description) = status.indicator();
        let incidents: Vec<Value> = self
            .state
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
                            "code": format!("{page_id}api"), "name": self.component,
                            "old_status": "operational", "new_status": status.as_str(),
                        }],
                    }],
                })
            })
            .collect();
        json!({
            "page": {
                "id": page_id, "name": self.provider, "url": format!("/{}/status", self.provider),
                "time_zone": "Etc/UTC", "updated_at": since,
            },
            "components": [{
                "id": format!("{page_id}api"), "name": self.component, "status": status.as_str(),
                "created_at": since, "updated_at": since, "position": 1, "description": null, "showcase": true,
                "start_date": null, "group_id": null, "page_id": page_id, "group": false,
                "only_show_if_degraded": false,
            }],
            "incidents": incidents,
            "scheduled_maintenances": [],
            "status": {"indicator": indicator, "description": description},
        })
    }

    fn incidentio(&self) -> Value {
        let worst = match self.state.status {
            ComponentStatus::MajorOutage => "full_outage",
            ComponentStatus::PartialOutage => "partial_outage",
            _ => "degraded_performance",
        };
        let entry = |title: &String, status: &str| {
            json!({
                "id": format!("sim{}", self.provider), "name": title, "status": status,
                "url": format!("/{}/status/incidents/1", self.provider), "last_update_at": self.since(),
                "last_update_message": title, "current_worst_impact": worst,
                "affected_components": [{"id": "1", "name": self.component}],
            })
        };
        let (mut ongoing, mut work) = (Vec::new(), Vec::new());
        match (&self.title, self.state.status) {
            (Some(title), ComponentStatus::UnderMaintenance) => work.push(entry(title, "in_progress")),
            (Some(title), _) => ongoing.push(entry(title, "investigating")),
            (None, _) => {}
        }
        json!({
            "page_title": self.provider, "page_url": format!("/{}/status", self.provider),
            "ongoing_incidents": ongoing, "in_progress_maintenances": work, "scheduled_maintenances": [],
        })
    }

    fn google(&self) -> Value {
        let impact = match self.state.status {
            ComponentStatus::MajorOutage => "SERVICE_OUTAGE",
            ComponentStatus::PartialOutage => "SERVICE_DISRUPTION",
            _ => "SERVICE_INFORMATION",
        };
        let since = self.since();
        let row = |id: &str, title: &str, begin: &str, end: Option<&str>| {
            json!({
                "id": id, "number": id, "begin": begin, "created": begin, "end": end, "modified": since,
                "external_desc": title, "updates": [], "most_recent_update": {}, "status_impact": impact,
                "severity": "medium", "service_key": "sim", "service_name": "Simulated",
                "affected_products": [{"title": self.component, "id": "1"}], "uri": format!("incidents/{id}"),
                "currently_affected_locations": [], "previously_affected_locations": [],
            })
        };
        // The list is a history: what is over stays in it.
        let old = row(
            "1",
            "Long over",
            "2026-01-01T00:00:00+00:00",
            Some("2026-01-01T01:00:00+00:00"),
        );
        match &self.title {
            Some(title) => json!([row("2", title, &since, None), old]),
            None => json!([old]),
        }
    }

    fn aws(&self) -> Value {
        let Some(title) = &self.title else {
            return json!([]);
        };
        let status = match self.state.status {
            ComponentStatus::MajorOutage => "3",
            ComponentStatus::PartialOutage => "2",
            _ => "1",
        };
        let at = self.since.as_millis() / 1_000;
        json!([{
            "arn": format!("arn:aws:health:sim::event/{}/1", self.provider), "service": self.component,
            "service_name": self.component, "region_name": "Simulated", "status": status, "summary": title,
            "date": at.to_string(),
            "event_log": [{"summary": title, "message": title, "status": status, "timestamp": at}],
            "impacted_services": {},
        }])
    }

    fn azure(&self) -> String {
        let item = self
            .title
            .as_ref()
            .map(|title| self.item(title, "investigating", &self.component));
        channel("Azure Status", &item.unwrap_or_default())
    }

    fn rss(&self) -> String {
        let word = match (&self.title, self.state.status) {
            (None, _) => "RESOLVED",
            (_, ComponentStatus::UnderMaintenance) => "IN PROGRESS",
            (_, ComponentStatus::MajorOutage) => "MAJOR OUTAGE",
            (_, ComponentStatus::PartialOutage) => "PARTIAL OUTAGE",
            _ => "INVESTIGATING",
        };
        let title = self.title.as_deref().unwrap_or("Long over");
        channel(&format!("{} status", self.provider), &self.item(title, word, ""))
    }

    fn item(&self, title: &str, word: &str, category: &str) -> String {
        let category = if category.is_empty() {
            String::new()
        } else {
            format!("<category>{}</category>", escaped(category))
        };
        let when = jiff::Timestamp::from_millisecond(self.since.as_millis()).unwrap_or_default();
        let when = rfc2822::DateTimePrinter::new()
            .timestamp_to_string(&when)
            .unwrap_or_default();
        format!(
            "<item><guid>sim-{provider}</guid><title>{title}</title>{category}\
             <description>&lt;strong&gt;{word}&lt;/strong&gt; - simulated</description>\
             <link>/{provider}/status/incidents/1</link><pubDate>{when}</pubDate></item>",
            provider = self.provider,
            title = escaped(title),
        )
    }

    fn betterstack(&self) -> Value {
        let status = match self.state.status {
            ComponentStatus::Operational => "operational",
            ComponentStatus::DegradedPerformance | ComponentStatus::PartialOutage => "degraded",
            ComponentStatus::MajorOutage => "downtime",
            ComponentStatus::UnderMaintenance => "maintenance",
        };
        let mut included = vec![json!({
            "id": "1", "type": "status_page_resource",
            "attributes": {"public_name": self.component, "status": status},
        })];
        if let Some(title) = &self.title {
            included.push(json!({
                "id": "2", "type": "status_report",
                "attributes": {
                    "title": title, "report_type": "manual", "starts_at": self.since(), "ends_at": null,
                    "aggregate_state": status,
                },
            }));
        }
        json!({
            "data": {
                "id": "1", "type": "status_page",
                "attributes": {"company_name": self.provider, "aggregate_state": status},
            },
            "included": included,
        })
    }
}

fn channel(title: &str, items: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel><title>{}</title>\
         <link>/status</link><description>simulated</description>{items}</channel></rss>",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
