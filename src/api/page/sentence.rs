//! The one sentence at the top: the page's heading, its title and its only live region.

use crate::{
    clock::Timestamp,
    feed::v1::{Health, TargetHealth},
    health::{Network, State},
    id::ProviderId,
};

use super::{
    Missing, Scene,
    figures::Moment,
    words::{common_complaint, complaint, ignorance, predicate, provider_name, severity},
};

/// A sentence, with the time that it speaks of apart so that the script can let it age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    /// All but the time and the full stop.
    pub(super) text: String,
    /// Since when.
    pub(super) since: Option<Moment>,
    /// The symbol beside it.
    pub(super) state: State,
}

impl Sentence {
    fn plain(text: impl Into<String>, state: State) -> Self {
        Self {
            text: text.into(),
            since: None,
            state,
        }
    }

    /// The whole sentence as one text.
    pub(super) fn whole(&self) -> String {
        match &self.since {
            Some(since) => format!("{} since {} ({}).", self.text, since.short, since.age),
            None => format!("{}.", self.text),
        }
    }

    /// Whether the monitor is stuck or cut off, in which case nothing else may be said.
    fn blind(scene: &Scene<'_>) -> Option<Self> {
        let head = &scene.health.head;
        if scene.is_stale() {
            return Some(Self {
                since: Some(Moment::new(head.generated_at.0, scene.now)),
                ..Self::plain("Nothing is known: the monitor itself is silent", State::Unknown)
            });
        }
        (head.network != Network::Online).then(|| {
            Self::plain(
                "This vantage has lost its network, so nothing is known about the providers",
                State::Unknown,
            )
        })
    }

    /// About how all the others are made.
    pub(super) fn methodology() -> Self {
        Self::plain("How we judge whether a reply was finished", State::Operational)
    }

    /// About what is not there.
    pub(super) fn missing(what: Missing) -> Self {
        let text = match what {
            Missing::Target => "There is no such target",
            Missing::Incident => "There is no such incident",
        };
        Self::plain(text, State::Unknown)
    }

    /// About all providers.
    pub(super) fn overview(scene: &Scene<'_>, health: &Health) -> Self {
        let groups: Vec<Group> = groups(health);
        let count = |f: fn(State) -> bool| groups.iter().filter(|g| f(g.state)).count();
        let (total, well) = (groups.len(), count(|s| s == State::Operational));
        let sick: Vec<&Group> = groups.iter().filter(|g| g.state.is_impaired()).collect();
        if let Some(sentence) = Self::blind(scene) {
            sentence
        } else if total == 0 {
            Self::plain("No target is configured", State::Unknown)
        } else if let [one] = sick[..] {
            one.sentence(scene.now)
        } else if let [first, ..] = sick[..] {
            several(&sick, first.state, scene.now)
        } else if well == total {
            Self::plain(
                match total {
                    1 => format!("{} finishes its replies", provider_name(groups[0].id)),
                    _ => format!("All {total} providers finish their replies"),
                },
                State::Operational,
            )
        } else {
            calm_but_incomplete(&groups, well)
        }
    }

    /// About one target.
    pub(super) fn target(scene: &Scene<'_>, target: &TargetHealth) -> Self {
        if let Some(sentence) = Self::blind(scene) {
            return sentence;
        }
        let text = match target.state {
            state if state.is_impaired() => format!(
                "{} {}: {}",
                target.model,
                predicate(state, &target.reason.code),
                complaint(target)
            ),
            State::Unknown => {
                return Self::plain(
                    format!(
                        "Nothing is known about {}: {}",
                        target.model,
                        ignorance(&target.reason.code)
                    ),
                    State::Unknown,
                );
            }
            state => format!("{} {}", target.model, predicate(state, "")),
        };
        let timed = target.state != State::Operational;
        Self {
            text,
            since: timed.then(|| Moment::new(target.since.0, scene.now)),
            state: target.state,
        }
    }
}

/// A provider with the target that speaks for it.
pub(super) struct Group<'a> {
    /// The provider's id.
    pub(super) id: &'a str,
    /// Its state as the feed rolls it up.
    pub(super) state: State,
    /// Its targets, the impaired ones first.
    pub(super) targets: Vec<&'a TargetHealth>,
    /// The worst impaired target.
    worst: Option<&'a TargetHealth>,
}

impl Group<'_> {
    fn sentence(&self, now: Timestamp) -> Sentence {
        let name = provider_name(self.id);
        let Some(worst) = self.worst else {
            return Sentence::plain(
                format!("{name} {}", predicate(self.state, "unreachable")),
                self.state,
            );
        };
        let sick = self.targets.iter().filter(|t| t.state.is_impaired()).count();
        let who = match (sick, self.targets.len()) {
            (1, total) if total > 1 => format!("{name}’s {}", worst.model),
            _ => name.to_owned(),
        };
        Sentence {
            text: format!(
                "{who} {}: {}",
                predicate(worst.state, &worst.reason.code),
                complaint(worst)
            ),
            since: Some(Moment::new(worst.since.0, now)),
            state: worst.state,
        }
    }
}

/// Providers with their targets: impaired ones first, then the configured order.
pub(super) fn groups(health: &Health) -> Vec<Group<'_>> {
    let rank = |state: State| {
        if state.is_impaired() {
            severity(state)
        } else {
            u8::MAX
        }
    };
    let listed = health.providers.iter().map(|p| (&p.id, p.state));
    let mut ids: Vec<(&ProviderId, State)> = listed.collect();
    for target in &health.targets {
        if !ids.iter().any(|(id, _)| *id == target.id.provider()) {
            ids.push((target.id.provider(), State::Unknown));
        }
    }
    let mut groups: Vec<Group<'_>> = ids
        .into_iter()
        .map(|(id, state)| {
            let mut targets: Vec<&TargetHealth> =
                health.targets.iter().filter(|t| t.id.provider() == id).collect();
            targets.sort_by_key(|t| rank(t.state));
            Group {
                id: id.as_str(),
                state,
                worst: targets.first().copied().filter(|t| t.state.is_impaired()),
                targets,
            }
        })
        .collect();
    // A provider counts by the worse of its own state and that of its worst target: a page that says "all well"
    // above an impaired row would contradict itself.
    for group in &mut groups {
        if let Some(worst) = group.worst.filter(|t| severity(t.state) < severity(group.state)) {
            group.state = worst.state;
        }
        if group.state == State::Operational
            && !group.targets.is_empty()
            && !group.targets.iter().any(|t| t.state == State::Operational)
        {
            // Its edge answers, but no model has finished a reply: that is no health.
            group.state = group
                .targets
                .iter()
                .map(|t| t.state)
                .min_by_key(|s| severity(*s))
                .unwrap_or(State::Unknown);
        }
    }
    groups.sort_by_key(|group| rank(group.state));
    groups
}

/// More than one provider is impaired, in one way or in several.
fn several(sick: &[&Group<'_>], state: State, now: Timestamp) -> Sentence {
    let names: Vec<&str> = sick.iter().map(|g| provider_name(g.id)).collect();
    let worst: Vec<&TargetHealth> = sick.iter().filter_map(|g| g.worst).collect();
    let complaint = common_complaint(&worst).filter(|_| worst.len() == sick.len());
    let all = |wanted| sick.iter().all(|g| g.state == wanted);
    let how = if all(State::Down) { "down" } else { "impaired" };
    let mut text = format!("{} are {how}", list(&names));
    if let Some(complaint) = complaint {
        text.push_str(": ");
        text.push_str(&complaint);
    }
    Sentence {
        text,
        since: worst
            .iter()
            .map(|t| t.since.0)
            .min()
            .map(|at| Moment::new(at, now)),
        state,
    }
}

/// Nobody is impaired, but not everybody is known to be well.
fn calm_but_incomplete(groups: &[Group<'_>], well: usize) -> Sentence {
    let named = |state| -> Vec<&str> {
        groups
            .iter()
            .filter(|g| g.state == state)
            .map(|g| provider_name(g.id))
            .collect()
    };
    let (unknown, resting) = (named(State::Unknown), named(State::Maintenance));
    let mut parts = Vec::new();
    if well > 0 {
        let verb = if well == 1 {
            "finishes its replies"
        } else {
            "finish their replies"
        };
        parts.push(format!("{well} of {} providers {verb}", groups.len()));
    }
    if !unknown.is_empty() && well == 0 && resting.is_empty() {
        let codes: Vec<&str> = groups
            .iter()
            .flat_map(|g| g.targets.iter().map(|t| &*t.reason.code))
            .collect();
        let why = codes
            .first()
            .filter(|first| codes.iter().all(|code| code == *first))
            .map_or("not enough evidence", |code| ignorance(code));
        parts.push(format!("Nothing is known yet: {why}"));
    } else if !unknown.is_empty() {
        parts.push(format!("nothing is known about {}", list(&unknown)));
    }
    if !resting.is_empty() {
        let verb = if resting.len() == 1 { "is" } else { "are" };
        parts.push(format!("{} {verb} under maintenance", list(&resting)));
    }
    let mut text = parts.join("; ");
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let state = if unknown.is_empty() {
        State::Maintenance
    } else {
        State::Unknown
    };
    Sentence::plain(text, state)
}

/// `A`, `A and B`, `A, B and C`, `A, B and 3 more`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [a, b] => format!("{a} and {b}"),
        [a, b, c] => format!("{a}, {b} and {c}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    }
}
