//! `--wait-change`: blocks until a state changes, tells what changed, then what is so now.

use std::fmt::Write as _;

use serde::Serialize;

use super::{StatusArgs, printable, shown, verdict};
use crate::{
    cli::{Exit, ask::Daemon, complain},
    client::follow::{Follower, News, Patience},
    clock::Clock,
    feed::{
        Delta, Time, Transition,
        v1::{Health, TargetHealth, Word},
    },
    health::State,
    id::TargetId,
};

/// A target's state is another than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    target: String,
    /// When it was decided, as far as we were told.
    at: Option<Time>,
    /// Null: it was not watched before.
    from: Option<Word>,
    /// Null: it is not watched any more.
    to: Option<Word>,
    /// Why, in words.
    reason: Option<String>,
}

/// What `--json` prints: the feed with one member more.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    #[serde(flatten)]
    health: &'a Health,
    changes: &'a [Change],
}

/// Waits for the next change after `known`, which holds the wanted targets only.
pub(super) async fn run(args: &StatusArgs, daemon: &Daemon, known: Health, clock: &Clock) -> (String, Exit) {
    let n = known.targets.len();
    complain(&format!(
        "waiting for a change of {n} target{}",
        if n == 1 { "" } else { "s" }
    ));
    let mut follower = Follower::start(daemon.events(), Some(&known), Patience::USUAL);
    let mut watch = Watch::new(known, args.targets.clone());
    let mut connected = true;
    let changes = loop {
        match follower.next().await {
            News::Lost { why, .. } => {
                if connected {
                    complain(&format!(
                        "connection to {} lost ({why}), trying again",
                        args.daemon.url
                    ));
                }
                connected = false;
            }
            news => {
                if !connected {
                    complain("connected again");
                }
                connected = true;
                let changes = watch.hear(news);
                if !changes.is_empty() {
                    break changes;
                }
            }
        }
    };
    let health = &watch.known;
    let exit = verdict(health, clock.now());
    let text = if args.json {
        let changes = &changes;
        serde_json::to_string(&Changed { health, changes }).expect("wire types have text keys") + "\n"
    } else if args.oneline {
        // A status bar has room for what is so, not for how it came.
        shown(args, daemon, health, clock).await
    } else {
        changes.iter().map(line).collect::<String>() + "\n" + &shown(args, daemon, health, clock).await
    };
    (text, exit)
}

fn line(change: &Change) -> String {
    let word = |word: &Option<Word>| word.clone().unwrap_or("not watched".into());
    let mut line = format!(
        "{}  {} -> {}",
        change.target,
        word(&change.from),
        word(&change.to)
    );
    if let Some(at) = change.at {
        let _ = write!(line, "  {at}");
    }
    if let Some(reason) = &change.reason {
        let _ = write!(line, "  {}", printable(reason));
    }
    line.push('\n');
    line
}

/// What we know, and for whom we watch.
struct Watch {
    known: Health,
    /// Empty: everybody.
    wanted: Vec<TargetId>,
}

impl Watch {
    fn new(known: Health, wanted: Vec<TargetId>) -> Self {
        Self { known, wanted }
    }

    fn wants(&self, id: &TargetId) -> bool {
        self.wanted.is_empty() || self.wanted.contains(id)
    }

    /// Takes news over; tells what changed with it.
    fn hear(&mut self, news: News) -> Vec<Change> {
        match news {
            News::Lost { .. } => Vec::new(),
            News::Snapshot(mut health) => {
                health.targets.retain(|target| self.wants(&target.id));
                let changes = differences(&self.known, &health);
                self.known = *health;
                changes
            }
            News::Delta(delta) => self.apply(*delta),
        }
    }

    /// A change there and back within one event, or while nobody was connected, is two changes, not none.
    fn apply(&mut self, mut delta: Delta) -> Vec<Change> {
        delta.targets.retain(|target| self.wants(&target.id));
        let told = delta.transitions.iter();
        let told = told.filter(|moved| moved.from != moved.to && self.wants(&moved.target));
        let mut changes: Vec<Change> = told.map(transition).collect();
        let before = self.known.clone();
        self.known.apply(&delta);
        let untold = differences(&before, &self.known)
            .into_iter()
            .filter(|change| !changes.iter().any(|told| told.target == change.target))
            .collect::<Vec<_>>();
        changes.extend(untold);
        changes
    }
}

fn word(state: State) -> Word {
    state.as_str().into()
}

fn transition(moved: &Transition) -> Change {
    Change {
        target: moved.target.to_string(),
        at: Some(moved.at),
        from: Some(word(moved.from)),
        to: Some(word(moved.to)),
        reason: Some(moved.reason.text.clone()),
    }
}

/// Whose state is another in `after` than in `before`.
fn differences(before: &Health, after: &Health) -> Vec<Change> {
    let find = |health: &Health, id: &TargetId| health.targets.iter().position(|target| &target.id == id);
    let change = |old: Option<&TargetHealth>, new: Option<&TargetHealth>| Change {
        target: new
            .or(old)
            .map(|target| target.id.to_string())
            .unwrap_or_default(),
        at: new.map(|target| target.since),
        from: old.map(|target| word(target.state)),
        to: new.map(|target| word(target.state)),
        reason: new.map(|target| target.reason.text.clone()),
    };
    let mut changes = Vec::new();
    for new in &after.targets {
        let old = find(before, &new.id).map(|at| &before.targets[at]);
        if old.is_none_or(|old| old.state != new.state) {
            changes.push(change(old, Some(new)));
        }
    }
    for old in &before.targets {
        if find(after, &old.id).is_none() {
            changes.push(change(Some(old), None));
        }
    }
    changes
}

#[cfg(test)]
#[path = "wait/tests.rs"]
mod tests;
