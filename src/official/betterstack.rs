//! Better Stack's JSON:API: the page in `data`, its resources and reports in `included`.

use serde::Deserialize;

use super::{
    lenient::{Gather, List, Name, Object, Time, Word},
    parse::{ParseError, object},
    shortlist::Shortlist,
    types::{Component, Incident, MAX_COMPONENTS, Official},
    words,
};
use crate::health::State;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    data: Object<Row>,
    included: List<Included>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: Word,
    #[serde(rename = "type")]
    kind: Word,
    attributes: Object<Attributes>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attributes {
    aggregate_state: Word,
    public_name: Name,
    status: Word,
    title: Name,
    report_type: Word,
    starts_at: Time,
    ends_at: Time,
    created_at: Time,
    updated_at: Time,
}

#[derive(Default)]
struct Included {
    components: Vec<Component>,
    incidents: Shortlist,
}

impl Gather for Included {
    type Item = Object<Row>;

    fn take(&mut self, Object(row): Self::Item) {
        let Some(row) = row else { return };
        let attributes = row.attributes.0.unwrap_or_default();
        match row.kind.0.as_str() {
            // One that is not monitored tells nothing.
            "status_page_resource"
                if self.components.len() < MAX_COMPONENTS
                    && !attributes.public_name.0.is_empty()
                    && attributes.status.0 != "not_monitored" =>
            {
                self.components.push(Component {
                    name: attributes.public_name.0,
                    state: words::component(&attributes.status.0),
                    word: attributes.status.0,
                    changed: None,
                });
            }
            "status_report" => self.incidents.push(attributes.into_incident(row.id.0)),
            _ => {}
        }
    }
}

impl Attributes {
    /// A report names what it affects by numbers only, so it may be about anything.
    fn into_incident(self, id: String) -> Incident {
        let word = self.aggregate_state.0;
        let planned = self.report_type.0 == "maintenance";
        Incident {
            id,
            name: self.title.0,
            started: self.starts_at.0,
            posted: self.created_at.0.or(self.starts_at.0),
            updated: self.updated_at.0,
            resolved: self.ends_at.0.filter(|_| !planned),
            // A maintenance has its end written down beforehand; the page's own state tells whether it goes on.
            open: !planned && self.ends_at.0.is_none(),
            impact: if planned {
                State::Maintenance
            } else {
                words::component(&word)
            },
            word,
            components: Vec::new(),
            url: None,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Official, ParseError> {
    let document: Document = object(text, "object at its root")?;
    let page = document.data.0.and_then(|row| row.attributes.0);
    let word = page.and_then(|page| page.aggregate_state.some());
    let word = word.ok_or(ParseError::Shape("data.attributes.aggregate_state"))?;
    let included = document.included.0.unwrap_or_default();
    Ok(Official {
        state: words::component(&word),
        word: Some(word),
        lists_components: !included.components.is_empty(),
        components: included.components,
        incidents: included.incidents.finish(),
    })
}
