//! The vendors' own words beside our verdict: which page is whose, what it last said, and how much earlier or later
//! than us it spoke. Pure; `watch` does the reading.
//!
//! One way only: what is read here reaches the view and the record of an incident after health has decided, and
//! nothing leads back. No state, hint, weight or figure depends on it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    clock::Timestamp,
    config::Config,
    health::{Incident, IncidentEntry, IncidentPhase, MAX_TIMELINE, OfficialWord, State, View},
    id::ProviderId,
    official::{Format, LOOK_BACK, Official, Page, Reading},
};

/// A word older than this is shown as `unknown`: nobody has confirmed it.
pub const STALE_AFTER: Duration = Duration::from_secs(600);
/// How long after an incident the official page may still speak of it.
pub const LATE: Duration = Duration::from_secs(3_600);
/// Most incidents that are followed at once, the newest by their begin.
pub const MAX_FOLLOWED: usize = 2_048;
/// What the entry in an incident's timeline is called.
const SPOKE: &str = "official";

/// Whose page it is.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    page: Page,
    components: Vec<String>,
    /// What the page last said of them.
    word: Option<OfficialWord>,
    /// Since when the page has called them impaired, as far as we saw.
    ill_since: Option<Timestamp>,
}

/// What a page last said.
#[derive(Debug, Default)]
struct Last {
    /// When it last answered.
    at: Option<Timestamp>,
    /// `None`: it could not be understood.
    said: Option<Arc<Official>>,
    /// Whether the log was told that it can't be read.
    failing: bool,
}

/// An incident whose page may yet speak.
#[derive(Debug)]
struct Followed {
    incident: Incident,
    spoke: Option<IncidentEntry>,
}

/// Pages, and the incidents that they may speak of.
#[derive(Debug, Default)]
pub struct Annotator {
    shown: HashMap<ProviderId, Shown>,
    pages: HashMap<Page, Last>,
    followed: BTreeMap<String, Followed>,
}

/// The pages of a configuration that a program can read, each once.
pub fn pages(config: &Config) -> Vec<Page> {
    let mut pages: Vec<Page> = readable(config).map(|(_, shown)| shown.page).collect();
    pages.sort();
    pages.dedup();
    pages
}

fn readable(config: &Config) -> impl Iterator<Item = (ProviderId, Shown)> {
    let on = config.official.every.is_some();
    config
        .official
        .pages
        .iter()
        .filter(move |_| on)
        .filter_map(|(id, page)| {
            // The configuration knows no other words than these.
            let format: Format = page.format.parse().ok()?;
            let shown = Shown {
                page: Page {
                    url: page.url.clone(),
                    format,
                },
                components: page.components.clone(),
                word: None,
                ill_since: None,
            };
            (format != Format::Html).then(|| (id.clone(), shown))
        })
}

impl Annotator {
    /// Nothing read yet.
    pub fn new(config: &Config) -> Self {
        let mut annotator = Self::default();
        annotator.reconfigure(config);
        annotator
    }

    /// Takes a new configuration; what pages that stay have said is kept.
    pub fn reconfigure(&mut self, config: &Config) {
        let old = std::mem::take(&mut self.shown);
        for (id, mut shown) in readable(config) {
            match old.get(&id) {
                Some(old) if old.page == shown.page && old.components == shown.components => {
                    shown.clone_from(old);
                }
                _ => shown.hear(self.pages.get(&shown.page)),
            }
            self.shown.insert(id, shown);
        }
        let shown = &self.shown;
        self.pages
            .retain(|page, _| shown.values().any(|shown| &shown.page == page));
    }

    /// Takes up incidents that an earlier process recorded, with what the pages had said of them.
    pub fn resume(&mut self, incidents: Vec<Incident>) {
        for mut incident in incidents {
            let at = incident.timeline.iter().position(|entry| entry.kind == SPOKE);
            let spoke = at.map(|at| incident.timeline.remove(at));
            let without_entry = || {
                let at = incident
                    .detected
                    .as_millis()
                    .saturating_add(incident.lead_s?.saturating_mul(1_000));
                Some(entry(Timestamp::from_millis(at), State::Unknown, None))
            };
            let spoke = spoke.or_else(without_entry);
            self.followed
                .insert(incident.id.clone(), Followed { incident, spoke });
        }
    }

    /// A page was read. The incidents of which it now has spoken come back, to be told and kept.
    pub fn read(&mut self, page: &Page, reading: Reading, now: Timestamp) -> Vec<(IncidentPhase, Incident)> {
        let failed = match &reading {
            Reading::Said(_) => None,
            Reading::Unreadable(error) => Some(error.to_string()),
            Reading::Failed(error) => Some(error.to_string()),
        };
        let last = self.pages.entry(page.clone()).or_default();
        log(page, last.failing, failed.as_deref());
        last.failing = failed.is_some();
        last.said = match reading {
            Reading::Said(official) => Some(official),
            Reading::Unreadable(_) => None,
            // What it said before still stands and ages.
            Reading::Failed(_) => return Vec::new(),
        };
        last.at = Some(now);
        for shown in self.shown.values_mut().filter(|shown| &shown.page == page) {
            shown.hear(Some(last));
        }
        self.forget(now);
        let ids: Vec<String> = self
            .followed
            .iter()
            .filter(|(_, followed)| followed.spoke.is_none())
            .filter(|(_, followed)| {
                let shown = self.shown.get(followed.incident.target.provider());
                shown.is_some_and(|shown| &shown.page == page)
            })
            .map(|(id, _)| id.clone())
            .collect();
        ids.into_iter().filter_map(|id| self.spoken(&id, now)).collect()
    }

    /// An incident on its way to feed and store: follows it, and fills in what the page has said.
    pub fn incident(&mut self, incident: &mut Incident, now: Timestamp) {
        // One that comes back to us is taken as health made it.
        incident.timeline.retain(|entry| entry.kind != SPOKE);
        incident.lead_s = None;
        let spoke = self
            .followed
            .remove(&incident.id)
            .and_then(|followed| followed.spoke);
        let spoke = spoke.or_else(|| self.first_word(incident, now));
        if self.followed.len() >= MAX_FOLLOWED {
            let oldest = self
                .followed
                .iter()
                .min_by_key(|(_, followed)| followed.incident.started);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.followed.remove(&id);
            }
        }
        let followed = Followed {
            incident: incident.clone(),
            spoke,
        };
        *incident = followed.annotated();
        self.followed.insert(incident.id.clone(), followed);
    }

    /// Fills in each target's official word.
    pub fn fill(&self, view: &mut View, now: Timestamp) {
        for target in &mut view.targets {
            target.official = self.word(target.id.provider(), now);
        }
    }

    fn word(&self, provider: &ProviderId, now: Timestamp) -> Option<OfficialWord> {
        let shown = self.shown.get(provider)?;
        let word = shown.word.as_ref()?;
        Some(if now.since(word.at) <= STALE_AFTER {
            word.clone()
        } else {
            shown.unknown(word.at)
        })
    }

    /// The incident with its lead, if its page has spoken by now.
    fn spoken(&mut self, id: &str, now: Timestamp) -> Option<(IncidentPhase, Incident)> {
        let word = self.first_word(&self.followed.get(id)?.incident, now)?;
        let followed = self.followed.get_mut(id)?;
        followed.spoke = Some(word);
        Some((IncidentPhase::Updated, followed.annotated()))
    }

    /// When the page of an incident's provider first spoke of it.
    fn first_word(&self, incident: &Incident, now: Timestamp) -> Option<IncidentEntry> {
        let shown = self.shown.get(incident.target.provider())?;
        let said = self.pages.get(&shown.page)?.said.as_ref()?;
        let until = match incident.recovered.or(incident.closed) {
            Some(end) => end.plus(LATE).min(now),
            None => now,
        };
        let at = said.spoke(&shown.components, incident.started, until, shown.ill_since)?;
        let title = said.about(&shown.components).title;
        Some(entry(at, State::Unknown, title.as_deref()))
    }

    /// Lets go of incidents that no page will speak of any more.
    fn forget(&mut self, now: Timestamp) {
        self.followed.retain(|_, followed| {
            let end = followed.incident.closed;
            end.is_none_or(|end| now.since(end) <= LATE + LOOK_BACK)
        });
    }
}

impl Shown {
    /// Takes what the page last said.
    fn hear(&mut self, last: Option<&Last>) {
        let Some((last, at)) = last.and_then(|last| Some((last, last.at?))) else {
            return;
        };
        let Some(said) = &last.said else {
            self.word = Some(self.unknown(at));
            return;
        };
        let said = said.about(&self.components);
        match said.state {
            State::Operational | State::Maintenance => self.ill_since = None,
            // A page that lost its tongue has not said that it is over.
            State::Unknown => {}
            _ => drop(self.ill_since.get_or_insert(at)),
        }
        self.word = Some(OfficialWord {
            state: said.state,
            word: said.word,
            title: said.title,
            url: said.url.and_then(|url| address(&self.page, &url)),
            at,
        });
        if let Some(word) = self.word.as_mut().filter(|word| word.url.is_none()) {
            word.url = Some(self.page.url.to_string());
        }
    }

    fn unknown(&self, at: Timestamp) -> OfficialWord {
        OfficialWord {
            state: State::Unknown,
            at,
            word: None,
            title: None,
            url: Some(self.page.url.to_string()),
        }
    }
}

impl Followed {
    /// The incident with its lead and the page's word in its timeline.
    fn annotated(&self) -> Incident {
        let mut incident = self.incident.clone();
        let Some(spoke) = &self.spoke else {
            return incident;
        };
        let lead_ms = spoke.at.as_millis().saturating_sub(incident.detected.as_millis());
        // To the nearest second: pages date their words no finer.
        incident.lead_s = Some((lead_ms as f64 / 1_000.0).round() as i64);
        if incident.timeline.len() < MAX_TIMELINE {
            let index = incident.timeline.partition_point(|entry| entry.at <= spoke.at);
            // The state is ours, and the page's word doesn't change it.
            let before = index
                .checked_sub(1)
                .and_then(|index| incident.timeline.get(index));
            let state = before.map_or(State::Operational, |entry| entry.state);
            incident.timeline.insert(
                index,
                IncidentEntry {
                    state,
                    ..spoke.clone()
                },
            );
        }
        incident
    }
}

fn entry(at: Timestamp, state: State, title: Option<&str>) -> IncidentEntry {
    IncidentEntry {
        at,
        kind: SPOKE,
        state,
        text: match title {
            Some(title) => format!("the official page spoke: {title}"),
            None => "the official page spoke".to_owned(),
        },
    }
}

/// An incident's address as seen from its page; only one that a browser opens.
fn address(page: &Page, url: &str) -> Option<String> {
    let url = page.url.join(url).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// Once when a page begins to fail, once when it is read again.
fn log(page: &Page, failing: bool, why: Option<&str>) {
    let (url, format) = (page.url.as_str(), page.format.as_str());
    match why {
        Some(why) if !failing => tracing::warn!(url, format, why, "an official status page can't be read"),
        Some(why) => tracing::debug!(url, format, why, "an official status page still can't be read"),
        None if failing => tracing::info!(url, format, "an official status page is read again"),
        None => {}
    }
}

#[cfg(test)]
mod tests;
