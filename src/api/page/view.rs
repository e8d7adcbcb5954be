//! What the templates show: everything worded and formatted here, so that they only place it.

use std::{collections::HashMap, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    clock::Timestamp,
    feed::{
        Finding,
        v1::{Health, Percentiles, Rate, StoreState, TargetHealth},
    },
    health::{Incident, Network, State},
    id::TargetId,
    verdict::Observation,
};

use super::{
    Scene, assets,
    figures::{Figure, Moment, NONE, Share, dollars, duration},
    sentence::{Sentence, groups},
    spark::{Bucket, Spark, draw},
    words,
};

/// Everything in a path segment is encoded save what RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
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

/// One kind of probe of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// `reach`, `canary`, ..
    pub kind: &'static str,
    /// What it proves.
    pub what: String,
    /// Its interval.
    pub every: Duration,
    /// Dollars a day at that interval; `None` where the price is not known.
    pub usd_per_day: Option<f64>,
}

/// What the store remembers of a target. Empty where it cannot be read: the page shows the feed all the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// Minutes of the last hour.
    pub buckets: Vec<Bucket>,
    /// Newest first.
    pub observations: Vec<Observation>,
    /// The open incident.
    pub incident: Option<Incident>,
    /// Why there is less than there should be.
    pub missing: Option<String>,
}

/// Parts that every page has.
pub(super) struct Frame {
    pub(super) sentence: Sentence,
    pub(super) title: String,
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
    pub(super) fn new(scene: &Scene<'_>, health: &Health, sentence: Sentence) -> Self {
        let head = &health.head;
        let now = head.generated_at.0;
        let store_problem = (head.store.state != StoreState::Ok || head.store.dropped > 0).then(|| {
            let detail = head.store.detail.as_deref().unwrap_or("no detail");
            match head.store.state {
                StoreState::Ok => format!("History has a hole: {} records were lost", head.store.dropped),
                StoreState::Failing => format!(
                    "History is not being kept: {}; {} records lost",
                    words::line(detail, words::MAX_LINE),
                    head.store.dropped
                ),
            }
        });
        Self {
            title: sentence.whole(),
            sentence,
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

/// A provider with its rows.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
    pub(super) edge: Option<(State, String)>,
}

/// One target on the overview.
pub(super) struct Row {
    pub(super) id: TargetId,
    pub(super) href: String,
    pub(super) state: State,
    pub(super) since: Moment,
    /// Empty where all is well: then there is nothing to explain.
    pub(super) why: String,
    pub(super) spark: Spark,
    pub(super) figures: Vec<Figure>,
}

/// An open incident on the overview.
pub(super) struct Strip {
    pub(super) target: TargetId,
    pub(super) href: String,
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) since: Moment,
    pub(super) official: Option<Spoken>,
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

/// Another way to the same model, and what the two together tell.
pub(super) struct Way {
    pub(super) id: TargetId,
    pub(super) href: String,
    pub(super) state: State,
    pub(super) finding: Finding,
}

/// The other ways to a target's model, the direct one first.
pub(super) fn ways(health: &Health, id: &TargetId) -> Vec<Way> {
    let pairs = health.pairs();
    let way = |other: &TargetHealth, finding| Way {
        id: other.id.clone(),
        href: href(&other.id),
        state: other.state,
        finding,
    };
    let direct = pairs.iter().filter(|pair| &pair.through.id == id);
    let through = pairs.iter().filter(|pair| &pair.direct.id == id);
    direct
        .map(|pair| way(pair.direct, pair.finding()))
        .chain(through.map(|pair| way(pair.through, pair.finding())))
        .collect()
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

fn share(rate: Rate) -> Share {
    Share {
        value: rate.value,
        low: rate.low,
        high: rate.high,
        n: rate.n,
    }
}

fn latency(key: &'static str, label: &'static str, p: Percentiles) -> Figure {
    Figure::latency(key, label, (p.p50, p.p95), p.n)
}

/// The figures of a row: what was cut, what failed, how fast.
fn row_figures(target: &TargetHealth) -> Vec<Figure> {
    let mut ttft = latency("ttft_ms", "TTFT", target.ttft_ms);
    let late = target.soft_deadline_ms > 0
        && target
            .ttft_ms
            .p50
            .is_some_and(|p50| p50 > target.soft_deadline_ms as f64);
    ttft.marked = late && target.ttft_ms.n > 0;
    vec![
        Figure::rate("truncation_rate", "truncated", share(target.truncation_rate)),
        Figure::rate("error_rate", "errors", share(target.error_rate)),
        ttft,
        latency("e2e_ms", "E2E", target.e2e_ms),
    ]
}

/// All figures, for the target's own page.
pub(super) fn all_figures(target: &TargetHealth) -> Vec<Figure> {
    let mut figures = row_figures(target);
    figures.insert(
        2,
        Figure::rate("failure_rate", "failed in all", share(target.failure_rate)),
    );
    figures.push(latency("ttfo_ms", "first visible token", target.ttfo_ms));
    figures.push(latency("itl_ms", "between tokens", target.itl_ms));
    let tps = target.output_tps;
    figures.push(Figure::speed("output_tps", "speed", tps.p50, tps.n));
    figures
}

/// The sections of the overview, the impaired ones first. `hours` holds each target's last hour.
pub(super) fn sections(
    health: &Health,
    now: Timestamp,
    hours: &HashMap<TargetId, Vec<Bucket>>,
) -> Vec<Section> {
    let row = |target: &&TargetHealth| Row {
        href: href(&target.id),
        id: target.id.clone(),
        state: target.state,
        since: Moment::new(target.since.0, now),
        why: match target.state {
            State::Operational => String::new(),
            _ => words::line(&target.reason.text, words::MAX_LINE),
        },
        spark: draw(hours.get(&target.id).map_or(&[], Vec::as_slice), now),
        figures: row_figures(target),
    };
    groups(health)
        .iter()
        .map(|group| Section {
            name: words::provider_name(group.id).to_owned(),
            rows: group.targets.iter().map(&row).collect(),
            edge: health
                .providers
                .iter()
                .find(|p| p.id.as_str() == group.id)
                .filter(|p| p.edge.connect_ms.n > 0 || p.edge.state.is_impaired())
                .map(|p| {
                    let figure = latency("connect_ms", "connect", p.edge.connect_ms);
                    (p.edge.state, format!("{} · {}", figure.value, figure.note))
                }),
        })
        .collect()
}

/// What an incident is called, by its reason.
fn incident_name(code: &str) -> &'static str {
    match code {
        "truncated" => "Truncated replies",
        "overloaded" => "Overload",
        "server_error" => "Server errors",
        "timeout" => "Time-outs",
        "unreachable" => "Not reachable",
        "slow" => "Slow first tokens",
        _ => "Failures",
    }
}

/// Open incidents, in the order of the rows.
pub(super) fn strips(health: &Health, now: Timestamp) -> Vec<Strip> {
    groups(health)
        .iter()
        .flat_map(|group| group.targets.iter())
        .filter(|target| target.incident.is_some())
        .map(|target| Strip {
            target: target.id.clone(),
            href: href(&target.id),
            what: if target.state.is_impaired() {
                incident_name(&target.reason.code)
            } else {
                "Recovering"
            },
            state: target.state,
            since: Moment::new(target.since.0, now),
            official: Spoken::of(target, now),
        })
        .collect()
}

/// One line of an incident's timeline.
pub(super) struct Step {
    pub(super) at: Moment,
    /// Delay from the onset, `+4 s`.
    pub(super) delay: String,
    pub(super) state: State,
    pub(super) text: String,
}

/// The timeline of an incident, with delays from its onset.
pub(super) fn steps(incident: &Incident, now: Timestamp) -> Vec<Step> {
    incident
        .timeline
        .iter()
        .map(|entry| Step {
            at: Moment::new(entry.at, now),
            delay: format!("+{}", duration(entry.at.since(incident.started))),
            state: entry.state,
            text: words::step(entry.kind, entry.state, &entry.text),
        })
        .collect()
}

/// One observation in the table.
pub(super) struct Seen {
    pub(super) at: Moment,
    pub(super) source: &'static str,
    pub(super) purpose: Option<&'static str>,
    pub(super) tone: State,
    pub(super) verdict: String,
    pub(super) words: &'static str,
    pub(super) ttft: String,
    pub(super) e2e: String,
    pub(super) stop: String,
    pub(super) status: String,
    pub(super) request_id: String,
    pub(super) detail: Option<String>,
    pub(super) tail: Option<String>,
}

/// One observation, worded. Evidence is shown for what is not complete.
pub(super) fn seen(observation: &Observation, now: Timestamp) -> Seen {
    use crate::verdict::{Purpose, Verdict};
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let foreign = |text: &Option<String>| text.as_deref().map(|t| words::line(t, words::MAX_LINE));
    let failed = observation.verdict != Verdict::Complete;
    Seen {
        at: Moment::new(observation.at, now),
        source: observation.source.as_str(),
        purpose: (observation.purpose != Purpose::Scheduled).then(|| observation.purpose.as_str()),
        tone: words::verdict_tone(observation.verdict, observation.flags),
        verdict: match observation.verdict.detail() {
            Some(kind) => format!(
                "{} · {}",
                words::flag(observation.verdict.family()),
                words::flag(kind)
            ),
            None => words::flag(observation.verdict.family()),
        },
        words: words::verdict(observation.verdict),
        ttft: or_none(observation.ttft().map(duration)),
        e2e: or_none(observation.e2e().map(duration)),
        stop: or_none(foreign(&observation.stop_reason)),
        status: or_none(observation.http_status.map(|s| s.to_string())),
        request_id: or_none(foreign(&observation.request_id)),
        detail: foreign(&observation.detail).filter(|text| failed && !text.is_empty()),
        tail: observation
            .tail
            .as_deref()
            .filter(|text| failed && !text.is_empty())
            .map(|text| words::tail(text, words::MAX_TAIL)),
    }
}
