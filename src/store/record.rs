//! What the writer takes.

use std::mem::size_of;

use super::{Letter, Round, Sum};
use crate::{
    clock::Timestamp,
    health::{Change, Incident, Reason, Saved, Standing, Transition},
    verdict::Observation,
};

/// One thing to be kept.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are observations: a box would cost each of them an allocation"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A verdict. Also counts into its hour and its day's spend.
    Observation(Observation),
    /// Observations that are counted and not kept one by one.
    Sum(Sum),
    /// A change of state or hint.
    Transition(Transition),
    /// An incident as it now stands; replaces the one of the same id.
    Incident(Incident),
    /// Something else answers than before.
    Change(Change),
    /// A stretch of time in each state; added to its day.
    Standing(Standing),
    /// The whole detector state; replaces the one before, and that of single targets.
    State(Saved),
    /// An event of the feed, for `Last-Event-ID`. A revision that is already there is replaced.
    Event {
        /// Its revision.
        revision: u64,
        /// When.
        at: Timestamp,
        /// `snapshot`, `health`, `incident`, `heartbeat`.
        kind: String,
        /// The event as it was sent.
        json: String,
    },
    /// One round of health with the messages that it caused. Never given up for other records' sake.
    Round(Box<Round>),
    /// A message to a channel as it now stands. Never given up for other records' sake.
    Letter(Box<Letter>),
}

/// Kinds of records, for counting what was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// [`Record::Observation`].
    Observation,
    /// [`Record::Sum`].
    Sum,
    /// [`Record::Transition`].
    Transition,
    /// [`Record::Incident`].
    Incident,
    /// [`Record::Change`].
    Change,
    /// [`Record::Standing`].
    Standing,
    /// [`Record::State`].
    State,
    /// [`Record::Event`].
    Event,
    /// [`Record::Round`].
    Round,
    /// [`Record::Letter`].
    Letter,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Observation,
        Self::Sum,
        Self::Transition,
        Self::Incident,
        Self::Change,
        Self::Standing,
        Self::State,
        Self::Event,
        Self::Round,
        Self::Letter,
    ];

    /// The name in metrics and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observation => "observation",
            Self::Sum => "sum",
            Self::Transition => "transition",
            Self::Incident => "incident",
            Self::Change => "change",
            Self::Standing => "standing",
            Self::State => "state",
            Self::Event => "event",
            Self::Round => "round",
            Self::Letter => "letter",
        }
    }
}

/// Records that were lost, by kind, since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped([u64; RecordKind::ALL.len()]);

impl Dropped {
    /// How many of that kind.
    pub const fn of(&self, kind: RecordKind) -> u64 {
        self.0[kind as usize]
    }

    /// How many of all kinds.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, kind: RecordKind) {
        self.0[kind as usize] += 1;
    }
}

impl Record {
    /// Its kind.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Observation(_) => RecordKind::Observation,
            Self::Sum(_) => RecordKind::Sum,
            Self::Transition(_) => RecordKind::Transition,
            Self::Incident(_) => RecordKind::Incident,
            Self::Change(_) => RecordKind::Change,
            Self::Standing(_) => RecordKind::Standing,
            Self::State(_) => RecordKind::State,
            Self::Event { .. } => RecordKind::Event,
            Self::Round(_) => RecordKind::Round,
            Self::Letter(_) => RecordKind::Letter,
        }
    }

    /// Bytes that it holds in the queue, roughly.
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Self>()
            + match self {
                Self::Observation(o) => {
                    text(&o.stop_reason)
                        + text(&o.served_model)
                        + text(&o.fingerprint)
                        + text(&o.request_id)
                        + text(&o.detail)
                        + text(&o.tail)
                        + text(&o.reporter)
                }
                Self::Sum(sum) => sum.rollup.weight(),
                Self::Transition(t) => reason(&t.reason),
                Self::Incident(i) => incident(i),
                Self::Change(c) => c.from.len() + c.to.len(),
                Self::Standing(_) => 0,
                Self::State(saved) => saved.blob.len(),
                Self::Event { kind, json, .. } => kind.len() + json.len(),
                Self::Round(round) => self::round(round),
                Self::Letter(letter) => letter.weight(),
            }
    }

    /// Whether it has to outlast other records where there is no room for all.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self, Self::Round(_) | Self::Letter(_))
    }
}

fn reason(reason: &Reason) -> usize {
    reason.text.len() + reason.sources.len()
}

fn incident(i: &Incident) -> usize {
    let timeline = i.timeline.iter().map(|e| size_of_val(e) + e.text.len());
    i.id.len() + reason(&i.reason) + timeline.sum::<usize>()
}

fn round(round: &Round) -> usize {
    let Round {
        transitions,
        incidents,
        states,
        letters,
        memory,
    } = round;
    let transitions = transitions.iter().map(|t| size_of_val(t) + reason(&t.reason));
    let incidents = incidents.iter().map(|i| size_of_val(i) + incident(i));
    transitions.sum::<usize>()
        + incidents.sum::<usize>()
        + letters.iter().map(Letter::weight).sum::<usize>()
        + states.iter().map(|(_, saved)| saved.blob.len()).sum::<usize>()
        + memory.as_ref().map_or(0, String::len)
}
