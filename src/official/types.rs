//! One status page in our words.

use std::{str::FromStr, time::Duration};

use super::words::severity;
use crate::{clock::Timestamp, health::State};

/// Most components that are kept of one page.
pub const MAX_COMPONENTS: usize = 500;
/// Most incidents that are kept of one page: open ones first, then the newest.
pub const MAX_INCIDENTS: usize = 50;
/// Longest name of a component or an incident in bytes; longer ones are cut.
pub const MAX_NAME_BYTES: usize = 200;
/// Longest state word or id in bytes.
pub const MAX_WORD_BYTES: usize = 80;
/// Longest address in bytes; a longer one is dropped, since a cut address leads nowhere.
pub const MAX_URL_BYTES: usize = 500;
/// How long before our first evidence a post may have been made and still be about the same trouble.
pub const LOOK_BACK: Duration = Duration::from_secs(3_600);
/// Most components that one incident names.
pub(super) const MAX_AFFECTED: usize = 200;

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Statuspage v2, `summary.json`.
    Statuspage,
    /// incident.io: its Statuspage-compatible `summary.json`, or its own `/api/v1/summary`.
    IncidentIo,
    /// `incidents.json` of Google Cloud.
    Google,
    /// `currentevents` of AWS, UTF-16.
    Aws,
    /// The RSS of Azure, whose items are the open incidents.
    Azure,
    /// RSS or Atom whose newest item tells the state.
    Rss,
    /// JSON:API of Better Stack, `index.json`.
    BetterStack,
    /// For people only: never read.
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::Statuspage,
        Self::IncidentIo,
        Self::Google,
        Self::Aws,
        Self::Azure,
        Self::Rss,
        Self::BetterStack,
        Self::Html,
    ];

    /// Its name in presets and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statuspage => "statuspage",
            Self::IncidentIo => "incidentio",
            Self::Google => "google",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Rss => "rss",
            Self::BetterStack => "betterstack",
            Self::Html => "html",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("there is no status page format {text:?}"))
    }
}

/// What one page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Official {
    /// The page as a whole.
    pub state: State,
    /// The vendor's own word for it; `None` where the page only lists incidents and none is open.
    pub word: Option<String>,
    /// Whether the page lists its components while they are well, so that one that isn't there doesn't exist.
    pub lists_components: bool,
    /// Its components, at most [`MAX_COMPONENTS`].
    pub components: Vec<Component>,
    /// Its incidents, open ones first, then the newest; at most [`MAX_INCIDENTS`].
    pub incidents: Vec<Incident>,
}

/// One component of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// The vendor's own word.
    pub word: String,
    /// When it last changed, if the page tells.
    pub changed: Option<Timestamp>,
}

/// One incident of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The vendor's id; empty where it has none.
    pub id: String,
    /// Its title.
    pub name: String,
    /// When the vendor says that the trouble began; often written afterwards.
    pub started: Option<Timestamp>,
    /// When the page first spoke of it.
    pub posted: Option<Timestamp>,
    /// When the page last spoke of it.
    pub updated: Option<Timestamp>,
    /// When it was over, if the page tells.
    pub resolved: Option<Timestamp>,
    /// Whether it goes on.
    pub open: bool,
    /// How bad, in our words.
    pub impact: State,
    /// The vendor's own word for it.
    pub word: String,
    /// Names of what is affected; empty: the vendor doesn't say, so it may be anything.
    pub components: Vec<String>,
    /// Where to read more, absolute or relative to the page.
    pub url: Option<String>,
}

/// What a page says about some of its components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The worst of their states.
    pub state: State,
    /// The vendor's own word for it.
    pub word: Option<String>,
    /// Title of the newest open incident that may concern them.
    pub title: Option<String>,
    /// Its address.
    pub url: Option<String>,
}

impl Official {
    /// What it says about the components whose name holds one of `names`, whatever their case; with no name, what it
    /// says as a whole. A page that lists its components but none of these says nothing: `unknown`.
    pub fn about(&self, names: &[String]) -> Said {
        let names = lowered(names);
        let newest = self
            .concerning(&names)
            .filter(|incident| incident.open)
            .max_by_key(|incident| incident.updated.or(incident.posted));
        let (state, word) = if names.is_empty() {
            (self.state, self.word.clone())
        } else if self.lists_components {
            self.components
                .iter()
                .filter(|component| holds(&component.name, &names))
                .max_by_key(|component| severity(component.state))
                .map_or((State::Unknown, None), |worst| {
                    (worst.state, Some(worst.word.clone()))
                })
        } else {
            worst_open(self.concerning(&names))
        };
        Said {
            state,
            word,
            title: newest.map(|incident| incident.name.clone()),
            url: newest.and_then(|incident| incident.url.clone()),
        }
    }

    /// When the page spoke of a trouble of ours that began at `onset` and was over by `until`: the first post about
    /// these components, or the first of them that changed and is not well, no earlier than [`LOOK_BACK`] before the
    /// onset and not about something that was over by then. Where nothing bears a date, what is said counts from when it was
    /// first `seen`.
    /// Announced maintenance is not trouble.
    pub fn spoke(
        &self,
        names: &[String],
        onset: Timestamp,
        until: Timestamp,
        seen: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let names = lowered(names);
        let trouble = |incident: &&Incident| incident.impact != State::Maintenance;
        // An open incident that is dated dates what stands beside it undated, too.
        let dated = |incident: &Incident| incident.open && incident.posted.is_some();
        let seen = seen.filter(|_| !self.concerning(&names).filter(trouble).any(dated));
        let posted = self
            .concerning(&names)
            .filter(trouble)
            .filter(|incident| incident.open || incident.resolved.or(incident.posted) >= Some(onset))
            .filter_map(|incident| incident.posted.or(seen.filter(|_| incident.open)));
        let changed = self
            .components
            .iter()
            .filter(|component| component.state.is_impaired())
            .filter(|component| names.is_empty() || holds(&component.name, &names))
            .filter_map(|component| component.changed.or(seen));
        let bare = self.incidents.is_empty() && self.components.is_empty() && self.state.is_impaired();
        posted
            .chain(changed)
            .chain(seen.filter(|_| bare))
            .filter(|at| (onset.minus(LOOK_BACK)..=until).contains(at))
            .min()
    }

    /// Incidents that may concern these components, named in lower case.
    fn concerning<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a Incident> {
        self.incidents.iter().filter(move |incident| {
            names.is_empty()
                || incident.components.is_empty()
                || incident.components.iter().any(|name| holds(name, names))
        })
    }
}

/// State and word of the worst open incident; operational without a word where none is open.
pub(super) fn worst_open<'a>(incidents: impl Iterator<Item = &'a Incident>) -> (State, Option<String>) {
    incidents
        .filter(|incident| incident.open)
        .max_by_key(|incident| severity(incident.impact))
        .map_or((State::Operational, None), |worst| {
            (worst.impact, Some(worst.word.clone()))
        })
}

fn lowered(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_lowercase()).collect()
}

fn holds(name: &str, wanted: &[String]) -> bool {
    let name = name.to_lowercase();
    wanted.iter().any(|part| name.contains(part))
}
