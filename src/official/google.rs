//! Google Cloud's `incidents.json`: a list, newest first, mostly of what is over; open is what has no end.

use serde::Deserialize;

use super::{
    lenient::{Address, Gather, List, Name, Names, Object, Text, Time, Word},
    parse::{ParseError, list},
    shortlist::Shortlist,
    types::{Incident, MAX_NAME_BYTES, Official, worst_open},
    words,
};
use crate::clock::Timestamp;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: Word,
    begin: Time,
    created: Time,
    end: Word,
    modified: Time,
    external_desc: Text<MAX_NAME_BYTES>,
    most_recent_update: Object<Update>,
    status_impact: Word,
    service_name: Name,
    affected_products: List<Names>,
    uri: Address,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Update {
    status: Word,
    when: Time,
}

#[derive(Default)]
struct Rows {
    incidents: Shortlist,
    /// Whether something in the list was no incident: then this is another page.
    foreign: bool,
}

impl Gather for Rows {
    type Item = Object<Row>;

    fn take(&mut self, Object(row): Self::Item) {
        match row {
            Some(row) if row.begin.0.or(row.created.0).is_some() => self.incidents.push(row.into_incident()),
            _ => self.foreign = true,
        }
    }
}

impl Row {
    fn into_incident(self) -> Incident {
        let update = self.most_recent_update.0.unwrap_or_default();
        // The impact of the whole stays at its worst; the last update tells how it is now.
        let word = update.status.some().unwrap_or(self.status_impact.0);
        let mut components = self.affected_products.0.unwrap_or_default();
        components.add(self.service_name.0);
        Incident {
            id: self.id.0,
            name: self.external_desc.0,
            started: self.begin.0,
            posted: self.created.0.or(self.begin.0),
            updated: self.modified.0.or(update.when.0),
            resolved: Timestamp::from_rfc3339(&self.end.0),
            open: self.end.0.is_empty(),
            impact: words::google(&word),
            word,
            components: components.0,
            url: self.uri.0,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Official, ParseError> {
    let rows: Rows = list(text, "list at its root")?;
    if rows.foreign {
        return Err(ParseError::Shape("begin in its incidents"));
    }
    let incidents = rows.incidents.finish();
    let (state, word) = worst_open(incidents.iter());
    Ok(Official {
        state,
        word,
        lists_components: false,
        components: Vec::new(),
        incidents,
    })
}
