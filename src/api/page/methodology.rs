//! How we judge, in plain words with the numbers in force. No number stands in the template: all come from the code and
//! the configuration.

use std::{fmt::Write, time::Duration};

use askama::Template;

use crate::{
    feed::{HEARTBEAT, v1::FRESH_FOR},
    health::{self, Against, DetectorNumbers, MAX_UNWATCHED, Numbers, WINDOW},
    id::TargetId,
    protocol::ErrorClass,
    verdict::{Counts, FailedAt, Failure, OffScript, Truncation, Verdict},
};

use super::{
    Scene,
    bars::DAYS,
    figures::{NOTABLE_SHARE, dollars, duration, exact, percent},
    frame::Frame,
    html,
    sentence::Sentence,
    words,
};

/// The configuration in force, as far as it decides what is said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// What is asked of whom.
    pub asked: Vec<Asked>,
    /// Addresses that prove our own network.
    pub anchors: usize,
    /// How often the vendors' status pages are read; `None`: never.
    pub official_every: Option<Duration>,
    /// How long raw observations, minutes, hours and days are kept; `None`: for ever.
    pub keep: [(&'static str, Option<Duration>); 4],
    /// Size bound of the database in bytes.
    pub max_bytes: u64,
}

/// What is asked of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Who.
    pub target: TargetId,
    /// Kinds of probes and their intervals.
    pub probes: Vec<(&'static str, Duration)>,
    /// Longest waits: to connect, for the first token, between two bytes, for the whole reply.
    pub limits: [Duration; 4],
    /// Whether a missing terminal event is a truncation by itself.
    pub strict: bool,
}

/// How the template writes numbers.
mod filters {
    #![expect(
        unreachable_pub,
        clippy::inline_always,
        clippy::trivially_copy_pass_by_ref,
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the macro and the shape that it asks for"
    )]

    use std::time::Duration;

    use super::super::figures;

    #[askama::filter_fn]
    pub(super) fn percent(share: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(figures::percent(*share))
    }

    #[askama::filter_fn]
    pub(super) fn exact(span: &Duration, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(figures::exact(*span))
    }
}

#[derive(Template)]
#[template(path = "methodology.html")]
struct MethodologyPage {
    frame: Frame,
    n: Numbers,
    window: String,
    fresh: String,
    heartbeat: String,
    unwatched: String,
    notable: String,
    days: usize,
    verdicts: Vec<Outcome>,
    detectors: Vec<Detector>,
    ramp: String,
    asked: Vec<ShownAsked>,
    anchors: usize,
    official: Option<String>,
    keep: Vec<(&'static str, String)>,
    size: String,
    budget: Option<String>,
}

/// One row of the table of verdicts.
struct Outcome {
    name: String,
    words: &'static str,
    counted: &'static str,
    against: &'static str,
}

struct Detector {
    name: &'static str,
    looks: &'static str,
    healthy: String,
    failing: String,
    alarm: String,
    clears: String,
    in_a_row: u32,
}

struct ShownAsked {
    target: TargetId,
    probes: String,
    limits: [String; 4],
    deadline: String,
    strict: &'static str,
}

impl Scene<'_> {
    /// How we judge.
    pub fn methodology(&self, rules: &Rules) -> String {
        let n = health::numbers();
        let deadline = |target: &TargetId| {
            let soft = self.health.targets.iter().find(|t| &t.id == target)?;
            (soft.soft_deadline_ms > 0).then(|| duration(Duration::from_millis(soft.soft_deadline_ms)))
        };
        html(&MethodologyPage {
            frame: Frame::new(self, self.health, Sentence::methodology(), "/methodology"),
            window: exact(WINDOW),
            fresh: exact(FRESH_FOR),
            heartbeat: exact(HEARTBEAT),
            unwatched: exact(MAX_UNWATCHED),
            notable: percent(NOTABLE_SHARE),
            days: DAYS,
            verdicts: verdicts(),
            detectors: vec![
                Detector::new("Hard", "a good part of the replies fails", n.hard),
                Detector::new("Elevated", "a few more fail than is usual, for long", n.elevated),
                Detector::new("Late", "first tokens come after the soft deadline", n.late),
            ],
            ramp: n
                .ramp
                .0
                .iter()
                .map(|w| percent(*w))
                .collect::<Vec<_>>()
                .join(", "),
            n,
            asked: rules
                .asked
                .iter()
                .map(|asked| ShownAsked {
                    target: asked.target.clone(),
                    probes: probes(&asked.probes),
                    limits: asked.limits.map(exact),
                    deadline: deadline(&asked.target).unwrap_or_default(),
                    strict: if asked.strict { "needed" } else { "not needed" },
                })
                .collect(),
            anchors: rules.anchors,
            official: rules.official_every.map(exact),
            keep: rules
                .keep
                .iter()
                .map(|(what, kept)| (*what, kept.map_or_else(|| "for ever".to_owned(), exact)))
                .collect(),
            size: bytes(rules.max_bytes),
            budget: self.budget.usd_per_day.map(dollars),
        })
    }
}

fn probes(probes: &[(&'static str, Duration)]) -> String {
    let mut text = String::new();
    for (kind, every) in probes {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{kind} every {}", exact(*every)).expect("a String takes every write");
    }
    if text.is_empty() {
        text.push_str("nothing: reports alone tell of it");
    }
    text
}

/// `2 GiB`, `512 MiB`.
fn bytes(n: u64) -> String {
    let (mib, gib) = (n >> 20, n >> 30);
    if gib > 0 && n.trailing_zeros() >= 30 {
        format!("{gib}\u{a0}GiB")
    } else {
        format!("{mib}\u{a0}MiB")
    }
}

/// Every verdict with what it adds and against whom, out of the code that decides it.
fn verdicts() -> Vec<Outcome> {
    let mut all = vec![Verdict::Complete];
    all.extend(Truncation::ALL.map(Verdict::Truncated));
    all.extend([Verdict::Limited, Verdict::Refused]);
    all.extend(OffScript::ALL.map(Verdict::OffScript));
    all.extend(ErrorClass::ALL.map(|class| {
        Verdict::Errored(Failure {
            class,
            at: usual_place(class),
        })
    }));
    all.push(Verdict::Unknown);
    // Nobody is asked: the table is the same for every target.
    let anybody: Option<TargetId> = "provider/model".parse().ok();
    anybody.map_or_else(Vec::new, |target| {
        all.into_iter().map(|verdict| outcome(&target, verdict)).collect()
    })
}

/// Where an error of that class shows as a rule.
const fn usual_place(class: ErrorClass) -> FailedAt {
    match class {
        ErrorClass::Dns
        | ErrorClass::Connect
        | ErrorClass::Tls
        | ErrorClass::Reset
        | ErrorClass::Timeout
        | ErrorClass::Cancelled => FailedAt::Transport,
        ErrorClass::Protocol => FailedAt::Stream,
        ErrorClass::Auth => FailedAt::Status(401),
        ErrorClass::Permission => FailedAt::Status(403),
        ErrorClass::ModelNotFound => FailedAt::Status(404),
        ErrorClass::RequestTooLarge => FailedAt::Status(413),
        ErrorClass::RateLimit | ErrorClass::Quota => FailedAt::Status(429),
        ErrorClass::Overloaded => FailedAt::Status(529),
        ErrorClass::ServerError => FailedAt::Status(500),
        ErrorClass::ContentPolicy | ErrorClass::InvalidRequest => FailedAt::Status(400),
    }
}

fn outcome(target: &TargetId, verdict: Verdict) -> Outcome {
    let counts = Counts::of_verdict(verdict);
    Outcome {
        name: match verdict.detail() {
            Some(kind) => format!("{} · {}", words::flag(verdict.family()), words::flag(kind)),
            None => words::flag(verdict.family()),
        },
        words: words::verdict(verdict),
        counted: match (counts.ours, counts.truncated, counts.errors, counts.complete) {
            (1.., ..) => "apart",
            (_, 1.., ..) => "as truncated",
            (_, _, 1.., _) => "as an error",
            (.., 1..) => "as complete",
            _ => "as an attempt",
        },
        against: match health::against(target, verdict) {
            Against::Good => "nobody: it is good",
            Against::Model(weight) if weight < 1.0 => "the model, in part",
            Against::Model(_) => "the model",
            Against::Edge => "the provider’s edge",
            Against::Key => "nobody: our own key",
            Against::Nobody => "nobody",
        },
    }
}

impl Detector {
    fn new(name: &'static str, looks: &'static str, numbers: DetectorNumbers) -> Self {
        Self {
            name,
            looks,
            healthy: percent(numbers.healthy),
            failing: percent(numbers.failing),
            alarm: format!("{:.0}", numbers.alarm),
            clears: format!("{:.0}", numbers.clears),
            in_a_row: numbers.in_a_row,
        }
    }
}
