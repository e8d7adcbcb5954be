//! The list of incidents: open ones first, then month by month.

use askama::Template;
use percent_encoding::utf8_percent_encode;

use crate::{
    clock::Timestamp,
    health::State,
    id::{ProviderId, TargetId},
    store::Spell,
};

use super::{
    Scene,
    figures::{Moment, age, strftime},
    frame::{Frame, SEGMENT, incident_href},
    html,
    sentence::Sentence,
    words,
};

/// Incidents of one page, open ones apart.
pub const INCIDENTS: usize = 50;
/// Most open incidents that are shown above them.
pub const MAX_OPEN: usize = 100;

/// What is kept of incidents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spells {
    /// Open ones, last opened first; none on further pages.
    pub open: Vec<Spell>,
    /// Closed ones, last opened first; one more than [`INCIDENTS`] where there are more.
    pub closed: Vec<Spell>,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    frame: Frame,
    providers: Vec<Choice>,
    months: Vec<Month>,
    older: Option<String>,
    missing: bool,
}

/// A provider to choose, or all of them.
struct Choice {
    name: String,
    href: String,
    chosen: bool,
}

struct Month {
    name: String,
    rows: Vec<Row>,
}

struct Row {
    href: String,
    what: &'static str,
    target: TargetId,
    text: String,
    worst: State,
    started: Moment,
    lasted: String,
    open: bool,
    lead: String,
}

impl Scene<'_> {
    /// Incidents, of one provider or of all; `None` where the store can't be read.
    pub fn incidents(&self, spells: Option<&Spells>, provider: Option<&ProviderId>) -> String {
        let nothing = Spells::default();
        let kept = spells.unwrap_or(&nothing);
        let shown = &kept.closed[..kept.closed.len().min(INCIDENTS)];
        let mut months: Vec<Month> = Vec::new();
        if !kept.open.is_empty() {
            months.push(Month {
                name: "Open".to_owned(),
                rows: kept.open.iter().map(|spell| row(spell, self.now)).collect(),
            });
        }
        for spell in shown {
            let name = strftime(spell.started, "%B %Y");
            if months.last().is_none_or(|month| month.name != name) {
                months.push(Month {
                    name,
                    rows: Vec::new(),
                });
            }
            if let Some(month) = months.last_mut() {
                month.rows.push(row(spell, self.now));
            }
        }
        let older = (kept.closed.len() > INCIDENTS)
            .then(|| shown.last().map(|last| list_href(provider, Some(last.seq))))
            .flatten();
        html(&IncidentsPage {
            frame: Frame::new(self, self.health, sentence(self, kept.open.len()), "/incidents"),
            providers: self.choices(provider),
            months,
            older,
            missing: spells.is_none(),
        })
    }

    fn choices(&self, chosen: Option<&ProviderId>) -> Vec<Choice> {
        let all = Choice {
            name: "All providers".to_owned(),
            href: list_href(None, None),
            chosen: chosen.is_none(),
        };
        let one = |id: &ProviderId| Choice {
            name: words::provider_name(id.as_str()).to_owned(),
            href: list_href(Some(id), None),
            chosen: chosen == Some(id),
        };
        // One that is no longer watched may still be asked for.
        let known = self.health.providers.iter().map(|provider| &provider.id);
        let gone = chosen.filter(|id| known.clone().all(|known| known != *id));
        std::iter::once(all).chain(known.chain(gone).map(one)).collect()
    }
}

/// About the incidents of now: those of the feed, whatever the list is restricted to.
fn sentence(scene: &Scene<'_>, listed: usize) -> Sentence {
    let open = scene.health.targets.iter().filter(|t| t.incident.is_some());
    let worst = open.clone().map(|t| t.state).min_by_key(|s| words::severity(*s));
    let text = match open.count().max(listed) {
        0 => "No incident is open".to_owned(),
        1 => "One incident is open".to_owned(),
        n => format!("{n} incidents are open"),
    };
    Sentence {
        text,
        since: None,
        state: worst.unwrap_or(State::Operational),
    }
}

fn row(spell: &Spell, now: Timestamp) -> Row {
    let over = spell.recovered.or(spell.closed);
    Row {
        href: incident_href(&spell.id),
        what: words::incident_name(spell.code.as_str()),
        target: spell.target.clone(),
        text: words::line(&spell.text, words::MAX_LINE),
        worst: spell.worst,
        started: Moment::new(spell.started, now),
        lasted: age(over.unwrap_or(now).since(spell.started)),
        open: over.is_none(),
        lead: words::lead(spell.lead_s),
    }
}

/// The list, restricted and from there on.
fn list_href(provider: Option<&ProviderId>, before: Option<i64>) -> String {
    let provider = provider.map(|id| format!("provider={}", utf8_percent_encode(id.as_str(), SEGMENT)));
    let before = before.map(|seq| format!("before={seq}"));
    let query: Vec<String> = [provider, before].into_iter().flatten().collect();
    if query.is_empty() {
        "/incidents".to_owned()
    } else {
        format!("/incidents?{}", query.join("&"))
    }
}
