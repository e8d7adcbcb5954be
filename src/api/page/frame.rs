//! What all pages share: the frame around them, links to targets, the word of an official page.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    clock::Timestamp,
    feed::v1::{Health, StoreState, TargetHealth},
    health::{Network, State},
    id::TargetId,
};

use super::{
    Scene, assets,
    figures::{Moment, dollars},
    sentence::Sentence,
    words,
};

/// Everything in a path segment is encoded save what RFC 3986 calls unreserved.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Money: what was spent today and what may be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Dollars a day; `None`: no limit.
    pub usd_per_day: Option<f64>,
}

/// Parts that every page has.
pub(super) struct Frame {
    pub(super) sentence: Sentence,
    pub(super) title: String,
    /// The path of the page in the navigation, to mark where one is.
    pub(super) at: &'static str,
    pub(super) icon: &'static str,
    pub(super) css: &'static str,
    pub(super) js: &'static str,
    pub(super) now: Moment,
    pub(super) stale: bool,
    pub(super) revision: u64,
    pub(super) instance: String,
    pub(super) vantage: String,
    pub(super) network: &'static str,
    pub(super) offline: bool,
    pub(super) spent: String,
    pub(super) budget: Option<String>,
    pub(super) store_problem: Option<String>,
}

impl Frame {
    pub(super) fn new(scene: &Scene<'_>, health: &Health, sentence: Sentence, at: &'static str) -> Self {
        let head = &health.head;
        let now = head.generated_at.0;
        let is_whole = head.store.dropped == 0 && head.store.set_aside.is_none();
        let store_problem = (head.store.state != StoreState::Ok || !is_whole).then(|| {
            let detail = head.store.detail.as_deref().unwrap_or("no detail");
            match (head.store.state, &head.store.set_aside) {
                (StoreState::Ok, Some(aside)) => format!("History has a hole: {aside}"),
                (StoreState::Ok, None) => {
                    format!("History has a hole: {} records were lost", head.store.dropped)
                }
                (StoreState::Failing, _) => format!(
                    "History is not being kept: {}; {} records lost",
                    words::line(detail, words::MAX_LINE),
                    head.store.dropped
                ),
            }
        });
        Self {
            title: sentence.whole(),
            sentence,
            at,
            icon: &assets::ICON.path,
            css: &assets::STYLE.path,
            js: &assets::SCRIPT.path,
            now: Moment::new(now, scene.now),
            stale: scene.is_stale(),
            revision: head.revision,
            instance: head.instance.clone(),
            vantage: words::line(&head.vantage, words::MAX_LINE),
            network: head.network.as_str(),
            offline: head.network != Network::Online,
            spent: dollars(health.targets.iter().map(|t| t.spent_usd_today).sum()),
            budget: scene.budget.usd_per_day.map(dollars),
            store_problem,
        }
    }
}

/// What the provider's own page says. Its texts are foreign and never a link.
pub(super) struct Spoken {
    pub(super) state: State,
    /// The vendor's own word, where it says more than ours, and the title of its incident.
    pub(super) words: String,
    pub(super) read: Moment,
}

impl Spoken {
    pub(super) fn of(target: &TargetHealth, now: Timestamp) -> Option<Self> {
        let said = target.official.as_ref()?;
        let word = said.word.as_deref().filter(|word| *word != said.state.as_str());
        let words: Vec<String> = [word, said.title.as_deref()]
            .into_iter()
            .flatten()
            .map(|text| words::line(text, words::MAX_LINE))
            .collect();
        Some(Self {
            state: said.state,
            words: words.join(": "),
            read: Moment::new(said.at.0, now),
        })
    }
}

/// Where a target's page is.
pub(super) fn href(id: &TargetId) -> String {
    let mut path = String::from("/targets");
    for segment in id.to_string().split('/') {
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    path
}

/// Where an incident's page is.
pub(super) fn incident_href(id: &str) -> String {
    format!("/incidents/{}", utf8_percent_encode(id, SEGMENT))
}
