//! The documents, member by member as Statuspage's v2 writes them. Words are those of Statuspage, not ours.

use serde::Serialize;
use utoipa::ToSchema;

use crate::feed::Time;

/// What the page is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusPage {
    /// Stable for a vantage.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// Our own status page.
    pub(super) url: String,
    /// `Etc/UTC`.
    pub(super) time_zone: &'static str,
    /// When anything last changed.
    pub(super) updated_at: Time,
}

/// All components in one word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusOverall {
    /// The worst of all components.
    pub(super) indicator: Indicator,
    /// For people; tells of how many nothing is known.
    pub(super) description: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Indicator {
    None,
    Maintenance,
    Minor,
    Major,
    Critical,
}

/// How a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum ComponentStatus {
    Operational,
    UnderMaintenance,
    DegradedPerformance,
    PartialOutage,
    MajorOutage,
}

/// A target, or a provider as the group of its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusComponent {
    /// Stable for a target or provider.
    pub(super) id: String,
    /// The target's or provider's id.
    pub(super) name: String,
    /// As it was last known.
    pub(super) status: ComponentStatus,
    /// As `updated_at`: nobody wrote down when a target was configured.
    pub(super) created_at: Time,
    /// Since when it is so.
    pub(super) updated_at: Time,
    /// Counts from 1 in configured order, a group before its members.
    pub(super) position: usize,
    /// Why it is not well, or that nothing is known.
    #[schema(required = true)]
    pub(super) description: Option<String>,
    /// True.
    pub(super) showcase: bool,
    /// Null.
    #[schema(required = true)]
    pub(super) start_date: Option<String>,
    /// Which group it belongs to; null for a group.
    #[schema(required = true)]
    pub(super) group_id: Option<String>,
    /// The page's id.
    pub(super) page_id: String,
    /// Whether it is a group.
    pub(super) group: bool,
    /// False.
    pub(super) only_show_if_degraded: bool,
    /// Of a group: ids of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) components: Option<Vec<String>>,
}

/// How far an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum Stage {
    /// It goes on.
    Investigating,
    /// It seems over.
    Monitoring,
    /// It is over.
    Resolved,
    /// Declared work, to begin.
    Scheduled,
    /// Declared work, under way.
    InProgress,
}

/// A component as an update speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusAffected {
    /// The component's id.
    pub(super) code: String,
    /// The component's name.
    pub(super) name: String,
    /// Before.
    pub(super) old_status: ComponentStatus,
    /// From then on.
    pub(super) new_status: ComponentStatus,
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusUpdate {
    /// Stable.
    pub(super) id: String,
    /// How far it was.
    pub(super) status: Stage,
    /// What happened. May hold foreign text: escape it.
    pub(super) body: String,
    /// Whose.
    pub(super) incident_id: String,
    /// When.
    pub(super) created_at: Time,
    /// When.
    pub(super) updated_at: Time,
    /// When.
    pub(super) display_at: Time,
    /// Its component.
    pub(super) affected_components: Vec<StatusAffected>,
}

/// An incident, or work that was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct StatusIncident {
    /// The incident's own id.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// How far it is.
    pub(super) status: Stage,
    /// When it was opened.
    pub(super) created_at: Time,
    /// When it last changed.
    pub(super) updated_at: Time,
    /// When it seemed over.
    #[schema(required = true)]
    pub(super) monitoring_at: Option<Time>,
    /// When it was over.
    #[schema(required = true)]
    pub(super) resolved_at: Option<Time>,
    /// How bad it was at its worst.
    pub(super) impact: Indicator,
    /// Where to read more.
    pub(super) shortlink: String,
    /// First evidence.
    pub(super) started_at: Time,
    /// The page's id.
    pub(super) page_id: String,
    /// The timeline, newest first.
    pub(super) incident_updates: Vec<StatusUpdate>,
    /// Its component, while it is configured.
    pub(super) components: Vec<StatusComponent>,
    /// Of declared work: when it was to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheduled_for: Option<Time>,
    /// Of declared work: when it is to end, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheduled_until: Option<Time>,
}

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct StatusSummary {
    pub(super) page: StatusPage,
    pub(super) components: Vec<StatusComponent>,
    /// Those that are not over.
    pub(super) incidents: Vec<StatusIncident>,
    /// Those that are not over.
    pub(super) scheduled_maintenances: Vec<StatusIncident>,
    pub(super) status: StatusOverall,
}

/// `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct StatusAlone {
    pub(super) page: StatusPage,
    pub(super) status: StatusOverall,
}

/// `components.json`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct StatusComponents {
    pub(super) page: StatusPage,
    pub(super) components: Vec<StatusComponent>,
}

/// `incidents.json` and `incidents/unresolved.json`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct StatusIncidents {
    pub(super) page: StatusPage,
    pub(super) incidents: Vec<StatusIncident>,
}

/// `scheduled-maintenances.json` and what is below it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct StatusMaintenances {
    pub(super) page: StatusPage,
    pub(super) scheduled_maintenances: Vec<StatusIncident>,
}
