//! Statuspage v2 `summary.json`, incident.io's compatible form of it, and incident.io's own `/api/v1/summary`.
//!
//! The compatible form leaves members out and says `full_outage` for `major_outage`. Which of the two envelopes a
//! body has is told by its members.

use serde::Deserialize;

use super::{
    lenient::{Address, Gather, List, Name, Names, Object, Time, Word},
    parse::{ParseError, object},
    shortlist::Shortlist,
    types::{Component, Incident, MAX_COMPONENTS, Official, worst_open},
    words,
};
use crate::health::State;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Summary {
    page: Object<Anything>,
    components: List<Components>,
    incidents: List<Posts>,
    scheduled_maintenances: List<Posts>,
    status: Object<Overall>,
    // incident.io's own.
    ongoing_incidents: List<Posts>,
    in_progress_maintenances: List<Posts>,
}

#[derive(Deserialize, Default)]
struct Anything {}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Overall {
    indicator: Word,
    description: Word,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ComponentRow {
    name: Name,
    status: Word,
    updated_at: Time,
}

#[derive(Default)]
struct Components(Vec<Component>);

impl Gather for Components {
    type Item = Object<ComponentRow>;

    fn take(&mut self, Object(row): Self::Item) {
        if let Some(row) = row
            && self.0.len() < MAX_COMPONENTS
            && !row.name.0.is_empty()
        {
            self.0.push(Component {
                name: row.name.0,
                state: words::component(&row.status.0),
                word: row.status.0,
                changed: row.updated_at.0,
            });
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Post {
    id: Word,
    name: Name,
    status: Word,
    impact: Word,
    current_worst_impact: Word,
    created_at: Time,
    published_at: Time,
    updated_at: Time,
    last_update_at: Time,
    started_at: Time,
    resolved_at: Time,
    shortlink: Address,
    url: Address,
    components: List<Names>,
    affected_components: List<Names>,
    incident_updates: List<Updates>,
}

/// Of an incident's updates only who is affected.
#[derive(Default)]
struct Updates(Names);

#[derive(Deserialize, Default)]
#[serde(default)]
struct UpdateRow {
    affected_components: List<Names>,
}

impl Gather for Updates {
    type Item = Object<UpdateRow>;

    fn take(&mut self, Object(row): Self::Item) {
        let names = row.and_then(|row| row.affected_components.0);
        for name in names.unwrap_or_default().0 {
            self.0.add(name);
        }
    }
}

#[derive(Default)]
struct Posts {
    incidents: Shortlist,
    maintenance: Shortlist,
}

impl Gather for Posts {
    type Item = Object<Post>;

    fn take(&mut self, Object(post): Self::Item) {
        let Some(post) = post else { return };
        // A list of maintenances and one of incidents look alike; the words of progress tell them apart.
        let (incident, planned) = post.into_incident();
        if planned {
            self.maintenance.push(incident);
        } else {
            self.incidents.push(incident);
        }
    }
}

impl Post {
    /// The incident, and whether it is announced work that goes on now or later.
    fn into_incident(self) -> (Incident, bool) {
        let planned = matches!(
            self.status.0.as_str(),
            "scheduled" | "in_progress" | "verifying" | "completed"
        );
        let over = matches!(
            self.status.0.as_str(),
            "resolved" | "postmortem" | "completed" | "scheduled"
        );
        let (impact, word) = if !self.impact.0.is_empty() {
            (words::indicator(&self.impact.0), self.impact.0)
        } else if !self.current_worst_impact.0.is_empty() {
            (
                words::component(&self.current_worst_impact.0),
                self.current_worst_impact.0,
            )
        } else {
            // An incident of unknown weight is not known to be harmless.
            (State::Unknown, self.status.0)
        };
        let mut affected = self.components.0.unwrap_or_default();
        let more = self.affected_components.0.unwrap_or_default().0;
        let updates = self.incident_updates.0.unwrap_or_default().0.0;
        for name in more.into_iter().chain(updates) {
            affected.add(name);
        }
        let incident = Incident {
            id: self.id.0,
            name: self.name.0,
            started: self.started_at.0,
            posted: self.created_at.0.or(self.published_at.0),
            updated: self.updated_at.0.or(self.last_update_at.0),
            resolved: self.resolved_at.0,
            open: !over && self.resolved_at.0.is_none(),
            impact: if planned { State::Maintenance } else { impact },
            word,
            components: affected.0,
            url: self.url.0.or(self.shortlink.0),
        };
        (incident, planned)
    }
}

pub(super) fn parse(text: &str) -> Result<Official, ParseError> {
    let summary: Summary = object(text, "object at its root")?;
    if let Some(ongoing) = summary.ongoing_incidents.0 {
        return Ok(own_form(
            ongoing,
            summary.in_progress_maintenances.0.unwrap_or_default(),
        ));
    }
    if summary.page.0.is_none() || (summary.components.0.is_none() && summary.status.0.is_none()) {
        return Err(ParseError::Shape("page with components or a status"));
    }
    let components = summary.components.0.unwrap_or_default().0;
    let overall = summary.status.0.unwrap_or_default();
    let (state, word) = if overall.indicator.0.is_empty() {
        components
            .iter()
            .max_by_key(|component| words::severity(component.state))
            .map_or((State::Unknown, None), |worst| {
                (worst.state, Some(worst.word.clone()))
            })
    } else {
        let state = words::indicator(&overall.indicator.0);
        (
            state,
            Some(overall.description.some().unwrap_or(overall.indicator.0)),
        )
    };
    Ok(Official {
        state,
        word,
        lists_components: true,
        components,
        incidents: merged(
            summary.incidents.0.unwrap_or_default(),
            summary.scheduled_maintenances.0.unwrap_or_default(),
        ),
    })
}

/// incident.io's own form names components only where something is wrong with them.
fn own_form(ongoing: Posts, maintenance: Posts) -> Official {
    let mut incidents = merged(ongoing, Posts::default());
    // Listed as ongoing, whatever else is said.
    let mut work = merged(maintenance, Posts::default());
    for incident in &mut work {
        incident.impact = State::Maintenance;
    }
    incidents.append(&mut work);
    let mut kept = Shortlist::default();
    kept.extend(incidents);
    let incidents = kept.finish();
    let (state, word) = worst_open(incidents.iter());
    Official {
        state,
        word,
        lists_components: false,
        components: Vec::new(),
        incidents,
    }
}

fn merged(incidents: Posts, maintenance: Posts) -> Vec<Incident> {
    let mut kept = incidents.incidents;
    for more in [
        incidents.maintenance,
        maintenance.incidents,
        maintenance.maintenance,
    ] {
        kept.extend(more.finish());
    }
    kept.finish()
}
