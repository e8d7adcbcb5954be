//! `currentevents` of AWS: a list in UTF-16; an empty one is the all clear.

use serde::Deserialize;

use super::{
    lenient::{Gather, List, Name, Names, Object, Time, Word, clean},
    parse::{ParseError, list},
    shortlist::Shortlist,
    types::{Incident, MAX_NAME_BYTES, Official, worst_open},
    words,
};
use crate::{clock::Timestamp, health::State};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    arn: Word,
    service: Name,
    service_name: Name,
    region_name: Name,
    status: Word,
    summary: Name,
    date: Time,
    event_log: List<Log>,
    impacted_services: Keys,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LogRow {
    timestamp: Time,
}

/// First and last time of an event's log.
#[derive(Default)]
struct Log(Option<(Timestamp, Timestamp)>);

impl Gather for Log {
    type Item = Object<LogRow>;

    fn take(&mut self, Object(row): Self::Item) {
        if let Some(at) = row.and_then(|row| row.timestamp.0) {
            let (first, last) = self.0.unwrap_or((at, at));
            self.0 = Some((first.min(at), last.max(at)));
        }
    }
}

/// The keys of an object, bounded: `impacted_services` maps service codes to what happened to them.
#[derive(Default)]
struct Keys(Names);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rest(Names);
        impl<'de> Deserialize<'de> for Rest {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl<'de> serde::de::Visitor<'de> for Read {
                    type Value = Names;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                        let mut names = Names::default();
                        while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                            names.add(clean(&key, MAX_NAME_BYTES));
                        }
                        Ok(names)
                    }
                }
                deserializer.deserialize_map(Read).map(Rest)
            }
        }
        let rest = Object::<Rest>::deserialize(deserializer)?;
        Ok(Self(rest.0.map(|rest| rest.0).unwrap_or_default()))
    }
}

#[derive(Default)]
struct Rows {
    incidents: Shortlist,
    /// Whether something in the list was no event.
    foreign: bool,
}

impl Gather for Rows {
    type Item = Object<Row>;

    fn take(&mut self, Object(row): Self::Item) {
        match row {
            Some(row) if !row.status.0.is_empty() => self.incidents.push(row.into_incident()),
            _ => self.foreign = true,
        }
    }
}

impl Row {
    fn into_incident(self) -> Incident {
        let impact = words::aws(&self.status.0);
        let over = impact == State::Operational;
        let (first, last) = self.event_log.0.and_then(|log| log.0).unzip();
        let mut components = Names::default();
        for name in [self.service.0, self.service_name.0, self.region_name.0] {
            components.add(name);
        }
        for name in self.impacted_services.0.0 {
            components.add(name);
        }
        Incident {
            id: self.arn.0,
            name: self.summary.0,
            started: self.date.0,
            posted: first.or(self.date.0),
            updated: last.or(self.date.0),
            resolved: last.filter(|_| over),
            open: !over,
            impact,
            word: self.status.0,
            components: components.0,
            url: None,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Official, ParseError> {
    let rows: Rows = list(text, "list at its root")?;
    if rows.foreign {
        return Err(ParseError::Shape("status in its events"));
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
