//! What is shown: views, and reasons in plain words.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Length, Network, ProviderView, Reason, ReasonCode, State, TargetView, View,
        deadline::CANARY_CLASS,
        evidence::Key,
        provider::roll_up,
        recent::Tally,
        stream::Stream,
        target::{Decision, Speaker, Target},
        vantage::Mode,
    },
    id::TargetId,
};

impl Engine {
    pub(super) fn show(&self, now: Timestamp) -> View {
        View {
            at: now,
            network: self.network(),
            targets: self
                .targets
                .iter()
                .enumerate()
                .map(|(number, target)| self.show_target(number, target, now))
                .collect(),
            providers: self.show_providers(),
        }
    }

    pub(super) fn show_again<'a>(
        &self,
        view: &mut View,
        moved: impl Iterator<Item = &'a TargetId>,
        now: Timestamp,
    ) -> Option<Vec<usize>> {
        let network = self.network();
        let ours = self.targets.iter().map(|target| &target.setup.id);
        if view.network != network || !view.targets.iter().map(|target| &target.id).eq(ours) {
            return None;
        }
        let mut places: Vec<usize> = moved.filter_map(|id| self.index.get(id).copied()).collect();
        places.sort_unstable();
        places.dedup();
        for &place in &places {
            view.targets[place] = self.show_target(place, &self.targets[place], now);
        }
        view.providers = self.show_providers();
        view.at = now;
        Some(places)
    }

    fn network(&self) -> Network {
        if self.gate.offline() {
            Network::Offline
        } else {
            Network::Online
        }
    }

    fn show_target(&self, number: usize, target: &Target, now: Timestamp) -> TargetView {
        let now_ms = now.as_millis();
        let decision = Decision {
            state: target.published.state,
            code: target.published.code,
            ..target.decide(&self.providers[target.provider], &self.gate, now_ms)
        };
        TargetView {
            id: target.setup.id.clone(),
            state: target.published.state,
            since: target.published.since,
            reason: self.reason(number, &decision, now),
            routing: target.published.routing,
            figures: target.window.figures(),
            soft_deadline: target
                .latency
                .soft(CANARY_CLASS, target.setup.first_token_limit)
                .min(target.setup.first_token_limit),
            last_complete_at: target.last_complete_ms.map(Timestamp::from_millis),
            last_seen_at: target.last_seen_ms.map(Timestamp::from_millis),
            served_model: target.served.model().map(str::to_owned),
            via: None,
            flags: target.flags(now_ms),
            incident: target.tracker.open_id().map(str::to_owned),
            spent_usd_today: target.spent_today(now_ms),
            official: None,
            declared: target.declared.clone(),
        }
    }

    fn show_providers(&self) -> Vec<ProviderView> {
        let offline = self.gate.offline();
        self.providers
            .iter()
            .map(|provider| {
                let lone = self.gate.mode() == Mode::Lone && provider.edge.machine.alarmed();
                let edge = match provider.edge.state() {
                    Some(state) if !offline && !lone => state,
                    _ => State::Unknown,
                };
                let states = provider
                    .targets
                    .iter()
                    .map(|number| self.targets[*number].published.state);
                ProviderView {
                    id: provider.id.clone(),
                    state: roll_up(edge, states),
                    edge,
                    connect_ms: provider.connect.first_metric(),
                }
            })
            .collect()
    }

    /// The reason of a decision, with counts and sources.
    pub(super) fn reason(&self, number: usize, decision: &Decision, now: Timestamp) -> Reason {
        let target = &self.targets[number];
        let now_ms = now.as_millis();
        let stream: Option<&Stream> = match decision.speaker {
            Speaker::Edge => Some(&self.providers[target.provider].edge),
            Speaker::Model(length) => Some(target.stream(length)),
            Speaker::Nobody => None,
        };
        let tally = stream.map(|stream| stream.recent.tally(now_ms, decision.code));
        let mut text = match &tally {
            Some(tally) => {
                let words = counted(decision.code, tally, target);
                if decision.speaker == Speaker::Model(Length::Long) && decision.state != State::Operational {
                    format!("{words} (long replies)")
                } else {
                    words
                }
            }
            None => match target.declared.of_state() {
                Some(declared) => declared.words(now),
                None => uncounted(decision.code, target, now_ms),
            },
        };
        if let Some(forced) = &target.declared.forced {
            text = format!("{text}; {}", forced.words(now));
        }
        Reason {
            code: decision.code,
            text,
            sources: tally.map(|tally| tally.sources()).unwrap_or_default(),
        }
    }
}

/// A reason that rests on counts.
fn counted(code: ReasonCode, tally: &Tally, target: &Target) -> String {
    let span = tally.span.as_secs();
    if code == ReasonCode::Healthy {
        let good = tally.n.saturating_sub(tally.bad);
        return format!("{good} of {} replies were good in {span} s", tally.n);
    }
    let mixed = code == ReasonCode::Errors;
    let hits = if mixed { tally.bad } else { tally.code };
    if tally.n == 0 {
        return "no evidence since the restart".to_owned();
    }
    if hits == 0 {
        return "no failure in the last minutes, waiting for enough good replies".to_owned();
    }
    let what = match code {
        ReasonCode::Truncated if tally.cut == tally.code => "replies ended before a stop reason",
        ReasonCode::Truncated => "replies were cut short",
        ReasonCode::Overloaded => "requests were turned away for lack of capacity",
        ReasonCode::ServerError => "requests failed with a server error",
        ReasonCode::Timeout => "requests got no answer in time",
        ReasonCode::Unreachable => "connections failed",
        ReasonCode::Slow => {
            let limit = target.setup.first_token_limit;
            let soft = target.latency.soft(CANARY_CLASS, limit).as_secs_f64();
            let n = tally.n.max(hits);
            return format!("{hits} of {n} first tokens came later than {soft:.1} s in {span} s");
        }
        _ => "requests failed, in several ways",
    };
    format!("{hits} of {} {what} in {span} s", tally.n.max(hits))
}

/// A reason without counts: why nothing is known.
fn uncounted(code: ReasonCode, target: &Target, now_ms: i64) -> String {
    let age = |at: Option<i64>| at.map_or(0, |at| (now_ms - at).max(0) / 1000);
    match code {
        ReasonCode::VantageOffline => {
            "this machine has no network: nothing is known about providers".to_owned()
        }
        ReasonCode::Unreachable => {
            "the provider can't be reached, and nothing proves that our own network works".to_owned()
        }
        ReasonCode::OwnKey => match target.key.map(|trouble| trouble.key) {
            Some(Key::Spent) => "our quota or credit there is spent".to_owned(),
            Some(Key::Throttled) => "our key is rate limited there".to_owned(),
            _ => "our credential is refused there".to_owned(),
        },
        ReasonCode::Stale => {
            let last = target.short.kept.last_ms.max(target.long.kept.last_ms);
            format!("no evidence for {} s", age(last))
        }
        _ if target.setup.generates_every().is_none() && target.short.kept.last_ms.is_none() => {
            "no replies are asked for: only whether it can be reached is known".to_owned()
        }
        _ => "no fresh evidence yet".to_owned(),
    }
}
