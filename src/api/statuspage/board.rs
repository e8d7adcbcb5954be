//! From the feed and its incidents to the words of Statuspage. Pure.
//!
//! Statuspage has no word for "nobody knows". A component of which nothing is known keeps what was last known of it, as
//! a page written by people would, and says so in its description and in that of the whole.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::shape::{
    ComponentStatus, Indicator, Stage, StatusAffected, StatusComponent, StatusIncident, StatusOverall,
    StatusPage, StatusUpdate,
};
use crate::{
    clock::Timestamp,
    feed::{
        Time,
        declared::{Declarations, Declared},
        v1::{Health, TargetHealth},
    },
    health::{DeclaredKind, Incident, Scope, State},
    id::TargetId,
};

/// Digits of an id of ours, as many as Statuspage's have.
const ID_DIGITS: usize = 12;

/// A page in the making.
pub(super) struct Board<'a> {
    /// What is so now.
    pub(super) health: &'a Health,
    /// Incidents that are not over, newest first.
    pub(super) open: &'a [Incident],
    /// What is declared, and is still to begin.
    pub(super) declared: &'a Declarations,
    /// `http://HOST`.
    pub(super) origin: &'a str,
}

/// Stable, and of the same form as Statuspage's.
fn id(kind: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{kind}:{name}"));
    let mut id = digest
        .iter()
        .take(ID_DIGITS / 2)
        .fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
    id.truncate(ID_DIGITS);
    id
}

fn target_id(target: &TargetId) -> String {
    id("target", &target.to_string())
}

/// `None`: nothing is known.
const fn status(state: State) -> Option<ComponentStatus> {
    Some(match state {
        State::Operational => ComponentStatus::Operational,
        State::Degraded => ComponentStatus::DegradedPerformance,
        State::Partial => ComponentStatus::PartialOutage,
        State::Down => ComponentStatus::MajorOutage,
        State::Maintenance => ComponentStatus::UnderMaintenance,
        State::Unknown => return None,
    })
}

const fn indicator(status: ComponentStatus) -> Indicator {
    match status {
        ComponentStatus::Operational => Indicator::None,
        ComponentStatus::UnderMaintenance => Indicator::Maintenance,
        ComponentStatus::DegradedPerformance => Indicator::Minor,
        ComponentStatus::PartialOutage => Indicator::Major,
        ComponentStatus::MajorOutage => Indicator::Critical,
    }
}

/// The sentence that readers of Statuspage look for.
const fn sentence(indicator: Indicator) -> &'static str {
    match indicator {
        Indicator::None => "All Systems Operational",
        Indicator::Maintenance => "Service Under Maintenance",
        Indicator::Minor => "Partially Degraded Service",
        Indicator::Major => "Partial System Outage",
        Indicator::Critical => "Major Service Outage",
    }
}

/// When an incident last changed.
fn updated(incident: &Incident) -> Timestamp {
    let last = incident.timeline.iter().map(|entry| entry.at).max();
    [incident.closed, incident.recovered, last]
        .into_iter()
        .flatten()
        .fold(incident.opened, Timestamp::max)
}

impl Board<'_> {
    /// What the documents are about; `more` are incidents beyond the open ones.
    pub(super) fn page(&self, more: &[Incident]) -> StatusPage {
        let head = &self.health.head;
        let since = self.health.targets.iter().map(|target| target.since.0);
        let told = self.open.iter().chain(more).map(updated);
        StatusPage {
            id: self.page_id(),
            name: format!("LLM targets, seen from {}", head.vantage),
            url: self.origin.to_owned(),
            time_zone: "Etc/UTC",
            updated_at: since.chain(told).max().unwrap_or(head.generated_at.0).into(),
        }
    }

    fn page_id(&self) -> String {
        id("page", &self.health.head.vantage)
    }

    pub(super) fn overall(&self) -> StatusOverall {
        let targets = &self.health.targets;
        let worst = targets.iter().map(|target| self.last_known(target)).max();
        let indicator = worst.map_or(Indicator::None, indicator);
        let unknown = targets
            .iter()
            .filter(|target| target.state == State::Unknown)
            .count();
        let description = match (unknown, targets.len()) {
            (0, _) => sentence(indicator).to_owned(),
            (unknown, all) if unknown == all => {
                format!("Nothing is known now; last known: {}", sentence(indicator))
            }
            (unknown, all) => format!(
                "{}; nothing is known now of {unknown} of {all}",
                sentence(indicator)
            ),
        };
        StatusOverall {
            indicator,
            description,
        }
    }

    /// What is known, or was last known, of a target. Without an open incident it was well.
    fn last_known(&self, target: &TargetHealth) -> ComponentStatus {
        let last = || {
            let incident = self.open.iter().find(|incident| incident.target == target.id)?;
            incident
                .timeline
                .iter()
                .rev()
                .find_map(|entry| status(entry.state))
        };
        status(target.state)
            .or_else(last)
            .unwrap_or(ComponentStatus::Operational)
    }

    /// Each provider as a group with its targets behind it.
    pub(super) fn components(&self) -> Vec<StatusComponent> {
        let mut all: Vec<StatusComponent> = Vec::new();
        for provider in &self.health.providers {
            let name = provider.id.as_str();
            let targets = self
                .health
                .targets
                .iter()
                .filter(|target| target.provider == name);
            let members: Vec<StatusComponent> = targets.map(|target| self.component(target)).collect();
            let worst = members.iter().map(|member| member.status).max();
            let since = members.iter().map(|member| member.updated_at).max();
            all.push(StatusComponent {
                id: id("provider", name),
                name: name.to_owned(),
                status: status(provider.state)
                    .max(worst)
                    .unwrap_or(ComponentStatus::Operational),
                created_at: since.unwrap_or(self.health.head.generated_at),
                updated_at: since.unwrap_or(self.health.head.generated_at),
                position: 0,
                description: None,
                showcase: true,
                start_date: None,
                group_id: None,
                page_id: self.page_id(),
                group: true,
                only_show_if_degraded: false,
                components: Some(members.iter().map(|member| member.id.clone()).collect()),
            });
            all.extend(members);
        }
        for (position, component) in (1..).zip(&mut all) {
            component.position = position;
        }
        all
    }

    fn component(&self, target: &TargetHealth) -> StatusComponent {
        StatusComponent {
            id: target_id(&target.id),
            name: target.id.to_string(),
            status: self.last_known(target),
            created_at: target.since,
            updated_at: target.since,
            position: 0,
            description: match target.state {
                State::Operational => None,
                State::Unknown => Some(format!(
                    "nothing is known now ({}); shown is what was last known",
                    target.reason.text
                )),
                _ => Some(target.reason.text.clone()),
            },
            showcase: true,
            start_date: None,
            group_id: Some(id("provider", &target.provider)),
            page_id: self.page_id(),
            group: false,
            only_show_if_degraded: false,
            components: None,
        }
    }

    pub(super) fn incidents(&self, incidents: &[Incident]) -> Vec<StatusIncident> {
        let components = self.components();
        incidents
            .iter()
            .map(|incident| self.incident(incident, &components))
            .collect()
    }

    fn incident(&self, incident: &Incident, components: &[StatusComponent]) -> StatusIncident {
        StatusIncident {
            id: incident.id.clone(),
            name: format!("{}: {}", incident.target, incident.reason.code.as_str()),
            status: match (incident.recovered, incident.closed) {
                (_, Some(_)) => Stage::Resolved,
                (Some(_), None) => Stage::Monitoring,
                (None, None) => Stage::Investigating,
            },
            created_at: incident.opened.into(),
            updated_at: updated(incident).into(),
            monitoring_at: incident.recovered.map(Into::into),
            resolved_at: incident.closed.map(Into::into),
            impact: status(incident.worst).map_or(Indicator::None, indicator),
            shortlink: format!("{}/incidents/{}", self.origin, incident.id),
            started_at: incident.started.into(),
            page_id: self.page_id(),
            incident_updates: updates(incident),
            components: only(components, &incident.target),
            scheduled_for: None,
            scheduled_until: None,
        }
    }

    /// Maintenance that is under way and that is to come, in this order.
    pub(super) fn maintenances(&self) -> Vec<StatusIncident> {
        let mut all = self.active();
        all.extend(self.upcoming());
        all
    }

    /// Maintenance that is under way, as the feed's targets tell it.
    pub(super) fn active(&self) -> Vec<StatusIncident> {
        let kind = DeclaredKind::Maintenance.as_str();
        let mut found: BTreeMap<(Time, &str), (&Declared, Vec<&TargetHealth>)> = BTreeMap::new();
        for target in &self.health.targets {
            for one in target.declared.iter().filter(|one| one.kind == kind) {
                let place = found.entry((one.from, &one.id)).or_insert((one, Vec::new()));
                place.1.push(target);
            }
        }
        let found = found.into_values();
        found
            .map(|(one, targets)| self.maintenance(one, &targets, Stage::InProgress))
            .collect()
    }

    /// Maintenance that is declared or planned and still to begin.
    pub(super) fn upcoming(&self) -> Vec<StatusIncident> {
        let kind = DeclaredKind::Maintenance.as_str();
        let all = self.declared.declared.iter();
        all.filter(|one| !one.active && one.declared.kind == kind)
            .filter_map(|one| {
                let scope = Scope::new(one.targets.iter().map(String::as_str)).ok()?;
                let held = self
                    .health
                    .targets
                    .iter()
                    .filter(|target| scope.holds(&target.id));
                let targets: Vec<&TargetHealth> = held.collect();
                Some(self.maintenance(&one.declared, &targets, Stage::Scheduled))
            })
            .collect()
    }

    fn maintenance(&self, one: &Declared, targets: &[&TargetHealth], stage: Stage) -> StatusIncident {
        let name = match targets {
            [] => "Maintenance".to_owned(),
            [target] => format!("{}: maintenance", target.id),
            [first, rest @ ..] => format!("{} and {} more: maintenance", first.id, rest.len()),
        };
        let components = self.components();
        let components: Vec<StatusComponent> = targets
            .iter()
            .flat_map(|target| only(&components, &target.id))
            .collect();
        let incident = id("maintenance", &one.id);
        let status = match stage {
            Stage::Scheduled => ComponentStatus::Operational,
            _ => ComponentStatus::UnderMaintenance,
        };
        let affected = components.iter().map(|component| StatusAffected {
            code: component.id.clone(),
            name: component.name.clone(),
            old_status: ComponentStatus::Operational,
            new_status: status,
        });
        let body = if one.why.is_empty() {
            format!("declared by {}", one.by)
        } else {
            format!("declared by {}: {}", one.by, one.why)
        };
        StatusIncident {
            name,
            status: stage,
            created_at: one.from,
            updated_at: one.from,
            monitoring_at: None,
            resolved_at: None,
            impact: Indicator::Maintenance,
            shortlink: match targets {
                [target] => format!("{}/targets/{}", self.origin, target.id),
                _ => format!("{}/", self.origin),
            },
            started_at: one.from,
            page_id: self.page_id(),
            incident_updates: vec![StatusUpdate {
                id: id("update", &one.id),
                status: stage,
                body,
                incident_id: incident.clone(),
                created_at: one.from,
                updated_at: one.from,
                display_at: one.from,
                affected_components: affected.collect(),
            }],
            id: incident,
            components,
            scheduled_for: Some(one.from),
            scheduled_until: Some(one.until),
        }
    }
}

/// The component that is this target, if it is configured.
fn only(components: &[StatusComponent], target: &TargetId) -> Vec<StatusComponent> {
    let id = target_id(target);
    let found = components.iter().find(|component| component.id == id);
    found.cloned().into_iter().collect()
}

/// The timeline, newest first. What is not known changes no status.
fn updates(incident: &Incident) -> Vec<StatusUpdate> {
    let component = (target_id(&incident.target), incident.target.to_string());
    let mut last = ComponentStatus::Operational;
    let mut progress = Stage::Investigating;
    let mut all: Vec<StatusUpdate> = Vec::with_capacity(incident.timeline.len());
    for (number, entry) in incident.timeline.iter().enumerate() {
        // The vendor's own word is told and moves nothing.
        let ours = entry.kind != "official";
        let now = status(entry.state).filter(|_| ours).unwrap_or(last);
        progress = match entry.kind {
            "recovered" => Stage::Monitoring,
            "closed" => Stage::Resolved,
            "transition" if entry.state.is_impaired() => Stage::Investigating,
            _ => progress,
        };
        let who = if ours {
            entry.state.as_str()
        } else {
            "the provider's own page"
        };
        all.push(StatusUpdate {
            id: id("update", &format!("{} {number}", incident.id)),
            status: progress,
            body: format!("{who}: {}", entry.text),
            incident_id: incident.id.clone(),
            created_at: entry.at.into(),
            updated_at: entry.at.into(),
            display_at: entry.at.into(),
            affected_components: vec![StatusAffected {
                code: component.0.clone(),
                name: component.1.clone(),
                old_status: last,
                new_status: now,
            }],
        });
        last = now;
    }
    all.reverse();
    all
}
