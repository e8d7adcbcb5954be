//! What is wrong now, by the feed and an operator's rules.

use url::Url;

use super::{
    memory::{SET_ASIDE_FOR, digest, passed, severity},
    words,
};
use crate::{
    alert::{Facts, Severity, Subject},
    clock::Timestamp,
    config::{AlertGroup, AlertOn, AlertRule, Trouble},
    feed::{
        Time,
        v1::{StoreState, StoreStatus, TargetHealth},
    },
    health::{Change, Hint, Network, State},
};

/// Name of the subject of troubles of our own.
pub(super) const OURSELVES: &str = "endturn";

/// One thing that a rule wants told, as of now.
#[derive(Debug)]
pub(super) struct Condition<'a> {
    pub(super) rule: &'a AlertRule,
    pub(super) group: String,
    pub(super) key: String,
    pub(super) severity: Severity,
    /// Since when its `after` counts; `None`: since it was first seen.
    pub(super) from: Option<Timestamp>,
    pub(super) subject: Subject,
}

/// Whether our own network is lost: then nothing is known about anybody else.
pub(super) fn is_offline(facts: &Facts<'_>) -> bool {
    facts.health.head.network == Network::Offline
}

/// How urgent it is by that rule.
pub(super) fn urgency(rule: &AlertRule, on: AlertOn) -> Severity {
    rule.severity.unwrap_or_else(|| severity(on))
}

/// The group of a target in a rule.
pub(super) fn group_of(rule: &AlertRule, provider: &str, target: &str) -> String {
    match rule.group {
        AlertGroup::Provider => provider.to_owned(),
        AlertGroup::Target => target.to_owned(),
        AlertGroup::Rule => "*".to_owned(),
    }
}

/// A target that somebody looks at, with its id as text.
struct Seen<'a> {
    id: String,
    health: &'a TargetHealth,
}

/// Everything that is wrong now and that a rule wants told.
pub(super) fn gather<'a>(
    rules: &'a [AlertRule],
    facts: &Facts<'_>,
    now: Timestamp,
    url: Option<&Url>,
) -> Vec<Condition<'a>> {
    let offline = is_offline(facts);
    // What is well needs no rule: most targets are, most of the time.
    let ill: Vec<Seen<'_>> = facts
        .health
        .targets
        .iter()
        .filter(|target| !offline && is_ill(target))
        .map(|health| Seen {
            id: health.id.to_string(),
            health,
        })
        .collect();
    let mut found = Vec::new();
    for rule in rules {
        for on in &rule.on {
            match on {
                AlertOn::State(state) => states(rule, *state, &ill, facts, url, &mut found),
                AlertOn::Trouble(Trouble::BlockedKey) => {
                    keys(rule, Trouble::BlockedKey, Hint::Blocked, &ill, now, &mut found);
                }
                AlertOn::Trouble(Trouble::Throttled) => {
                    keys(rule, Trouble::Throttled, Hint::Throttle, &ill, now, &mut found);
                }
                AlertOn::Trouble(Trouble::BudgetSpent) => found.extend(budget(rule, &ill, now)),
                AlertOn::Trouble(Trouble::VantageOffline) if offline => {
                    let text =
                        "this machine has no network: nothing is known about providers until it is back";
                    found.push(own(rule, Trouble::VantageOffline, text.to_owned(), now));
                }
                AlertOn::Trouble(Trouble::StoreFailing)
                    if facts.health.head.store.state == StoreState::Failing =>
                {
                    found.push(own(
                        rule,
                        Trouble::StoreFailing,
                        words::store(&facts.health.head.store),
                        now,
                    ));
                }
                AlertOn::Trouble(Trouble::StoreSetAside) => {
                    found.extend(set_aside(rule, &facts.health.head.store, now));
                }
                AlertOn::Trouble(_) | AlertOn::Change(_) => {}
            }
        }
    }
    found
}

fn is_ill(target: &TargetHealth) -> bool {
    target.state.is_impaired()
        || target.state == State::Unknown
        || matches!(target.routing.hint, Hint::Blocked | Hint::Throttle)
        || target
            .flags
            .iter()
            .any(|flag| flag == Trouble::BudgetSpent.as_str())
}

/// Nobody ever knew, or a person asked for it: no news.
fn is_expected(target: &TargetHealth) -> bool {
    ["starting", "paused", "maintenance"].contains(&&*target.reason.code)
}

fn states<'a>(
    rule: &'a AlertRule,
    state: State,
    ill: &[Seen<'_>],
    facts: &Facts<'_>,
    url: Option<&Url>,
    found: &mut Vec<Condition<'a>>,
) {
    for seen in ill {
        let target = seen.health;
        if target.state != state || !rule.wants(&seen.id) {
            continue;
        }
        let incident = target.incident.as_ref();
        if state == State::Unknown {
            if is_expected(target) {
                continue;
            }
        } else if incident.is_none() {
            // Not yet: ill health counts once health has opened an incident.
            continue;
        }
        let open = incident.and_then(|id| facts.incidents.get(id));
        let since = match (state, open) {
            (State::Unknown, _) | (_, None) => target.since,
            (_, Some(incident)) => incident.started.into(),
        };
        let from = match (state, open) {
            (State::Unknown, _) | (_, None) => target.since.0,
            (_, Some(incident)) => incident.opened,
        };
        found.push(Condition {
            rule,
            group: group_of(rule, &target.provider, &seen.id),
            key: seen.id.clone(),
            severity: urgency(rule, AlertOn::State(state)),
            from: Some(from),
            subject: Subject {
                name: seen.id.clone(),
                what: state.as_str().to_owned(),
                since,
                until: None,
                code: target.reason.code.to_string(),
                text: words::clean(&target.reason.text),
                evidence: words::evidence(target),
                official: target.official.as_ref().and_then(words::official),
                incident: incident.cloned(),
                link: url.and_then(|url| words::link(url, &seen.id, incident.map(String::as_str))),
            },
        });
    }
}

/// A key of ours is refused or limited: once a provider, whatever the number of its targets.
fn keys<'a>(
    rule: &'a AlertRule,
    trouble: Trouble,
    hint: Hint,
    ill: &[Seen<'_>],
    now: Timestamp,
    found: &mut Vec<Condition<'a>>,
) {
    let mut told: Vec<&str> = Vec::new();
    for seen in ill {
        let provider = seen.health.provider.as_str();
        if seen.health.routing.hint != hint || told.contains(&provider) || !rule.wants(&seen.id) {
            continue;
        }
        told.push(provider);
        let mut condition = own(rule, trouble, words::key(seen.health, trouble), now);
        condition.group = format!("{} {provider}", trouble.as_str());
        provider.clone_into(&mut condition.key);
        provider.clone_into(&mut condition.subject.name);
        found.push(condition);
    }
}

fn budget<'a>(rule: &'a AlertRule, ill: &[Seen<'_>], now: Timestamp) -> Option<Condition<'a>> {
    let spent: Vec<&Seen<'_>> = ill
        .iter()
        .filter(|seen| {
            let mut flags = seen.health.flags.iter();
            flags.any(|flag| flag == Trouble::BudgetSpent.as_str()) && rule.wants(&seen.id)
        })
        .collect();
    let names: Vec<&str> = spent.iter().map(|seen| seen.id.as_str()).collect();
    (!names.is_empty()).then(|| own(rule, Trouble::BudgetSpent, words::budget(&names), now))
}

/// History was lost not long ago.
fn set_aside<'a>(rule: &'a AlertRule, store: &StoreStatus, now: Timestamp) -> Option<Condition<'a>> {
    let aside = store.set_aside.as_ref()?;
    if passed(aside.at, SET_ASIDE_FOR, now) {
        return None;
    }
    let mut condition = own(rule, Trouble::StoreSetAside, words::set_aside(aside), now);
    condition.from = Some(aside.at.0);
    condition.subject.since = aside.at;
    Some(condition)
}

/// Something about ourselves.
fn own(rule: &AlertRule, trouble: Trouble, text: String, now: Timestamp) -> Condition<'_> {
    Condition {
        rule,
        group: trouble.as_str().to_owned(),
        key: OURSELVES.to_owned(),
        severity: urgency(rule, AlertOn::Trouble(trouble)),
        from: None,
        subject: Subject {
            name: OURSELVES.to_owned(),
            what: trouble.as_str().to_owned(),
            since: now.into(),
            until: None,
            code: trouble.as_str().to_owned(),
            text,
            evidence: String::new(),
            official: None,
            incident: None,
            link: None,
        },
    }
}

/// A change that a rule wants told, as what a notice is about.
pub(super) fn notice(rule: &AlertRule, change: &Change, url: Option<&Url>) -> Option<(Severity, Subject)> {
    let on = AlertOn::Change(change.kind);
    let id = change.target.to_string();
    if !rule.on.contains(&on) || !rule.wants(&id) {
        return None;
    }
    let subject = Subject {
        what: change.kind.as_str().to_owned(),
        since: change.at.into(),
        until: None,
        code: change.kind.as_str().to_owned(),
        text: words::clean(&change.text()),
        evidence: String::new(),
        official: None,
        incident: None,
        link: url.and_then(|url| words::link(url, &id, None)),
        name: id,
    };
    Some((urgency(rule, on), subject))
}

/// What tells one notice from another.
pub(super) fn notice_id(rule: &str, group: &str, subjects: &[Subject]) -> String {
    let mut parts = vec!["notice", rule, group];
    let times: Vec<String> = subjects
        .iter()
        .map(|subject| Time::to_string(&subject.since))
        .collect();
    for (subject, at) in subjects.iter().zip(&times) {
        parts.extend([subject.name.as_str(), subject.what.as_str(), at]);
    }
    digest(&parts)
}
