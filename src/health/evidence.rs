//! What one observation says, and against whom: one total table.
//!
//! Kept as a single exhaustive `match` so that a new verdict or error class does not build until somebody decides
//! whose fault it is. `docs/detection.md`, "Evidence", is the same table in words.

use std::time::Duration;

use super::{ReasonCode, TargetSetup};
use crate::{
    clock::Timestamp,
    id::TargetId,
    protocol::ErrorClass,
    verdict::{Connection, FailedAt, Failure, Flags, Observation, OffScript, Source, Truncation, Verdict},
};

/// What a failure was, for reasons in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Ended before a stop reason.
    Cut,
    /// Ended with a stop reason, but the text or its terminal event is missing.
    Silent,
    /// No capacity.
    Overloaded,
    /// The provider broke.
    ServerError,
    /// No first token, or no answer, in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// First token later than the soft deadline.
    Slow,
    /// Anything else.
    Other,
}

impl Kind {
    /// Number of kinds.
    pub(super) const COUNT: usize = 8;

    pub(super) const fn code(self) -> ReasonCode {
        match self {
            Self::Cut | Self::Silent => ReasonCode::Truncated,
            Self::Overloaded => ReasonCode::Overloaded,
            Self::ServerError => ReasonCode::ServerError,
            Self::Timeout => ReasonCode::Timeout,
            Self::Unreachable => ReasonCode::Unreachable,
            Self::Slow => ReasonCode::Slow,
            Self::Other => ReasonCode::Errors,
        }
    }
}

/// Evidence for a model stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Model {
    /// Says nothing: does not even advance its time.
    Ignored,
    /// A reply that did what was asked.
    Good,
    /// A failure of that weight.
    Bad(f64, Kind),
}

/// Evidence for a provider's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Says nothing.
    Ignored,
    /// An HTTP status came.
    Good,
    /// None came; to be held until the vantage gate has judged.
    Bad,
}

/// What it says about our credential there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing.
    Ignored,
    /// It works.
    Works,
    /// Too many requests by us.
    Throttled,
    /// Refused.
    Refused,
    /// Out of quota or money.
    Spent,
}

/// How it counts in the figures (`design.md` 6; `docs/detection.md`, "Counting").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Not a reply at all: `reach`.
    None,
    /// Attempt, began, in percentiles.
    Complete,
    /// Attempt, began.
    Began,
    /// Attempt, began, truncated.
    Truncated,
    /// Attempt, began, error.
    ErrorInStream,
    /// Attempt, error.
    Error,
    /// Our own fault, counted apart.
    Ours,
}

/// Everything that one observation says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    pub(super) model: Model,
    pub(super) edge: Edge,
    pub(super) key: Key,
    pub(super) count: Count,
    /// Ask every target of the provider at once.
    pub(super) ask: bool,
}

/// Where an observation came from, as far as the table cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Reach,
    Canary,
    Passive,
}

const UNCLASSIFIED: Model = Model::Bad(0.5, Kind::Other);

const fn says(model: Model, count: Count) -> Evidence {
    Evidence {
        model,
        edge: Edge::Ignored,
        key: Key::Ignored,
        count,
        ask: false,
    }
}

const fn bad(kind: Kind, count: Count) -> Evidence {
    says(Model::Bad(1.0, kind), count)
}

/// Reads one observation. `hard` is the hard deadline of its first token.
pub(super) fn read(observation: &Observation, setup: &TargetSetup, hard: Duration) -> Evidence {
    let origin = match observation.source {
        Source::Reach => Origin::Reach,
        Source::Canary | Source::Long => Origin::Canary,
        Source::Report | Source::Tap => Origin::Passive,
    };
    let mut evidence = match origin {
        Origin::Reach => reach(observation),
        Origin::Canary | Origin::Passive => generation(observation, origin, setup, hard),
    };
    if answered(observation) {
        evidence.edge = Edge::Good;
    }
    if origin == Origin::Passive {
        evidence.key = Key::Ignored;
    }
    evidence
}

/// What it says about the edge, whatever else it says.
pub(super) fn edge_of(observation: &Observation) -> Edge {
    match observation.verdict {
        _ if answered(observation) => Edge::Good,
        Verdict::Errored(Failure {
            class: ErrorClass::Dns | ErrorClass::Connect | ErrorClass::Tls | ErrorClass::Reset,
            at: FailedAt::Transport,
        }) => Edge::Bad,
        // What we could not build, had no credential for or broke off ourselves was no question to the provider.
        Verdict::Errored(Failure {
            class: ErrorClass::InvalidRequest | ErrorClass::Auth | ErrorClass::Cancelled,
            at: FailedAt::Transport,
        }) => Edge::Ignored,
        _ if observation.source == Source::Reach => Edge::Bad,
        _ => Edge::Ignored,
    }
}

/// Whether an HTTP status was received.
fn answered(observation: &Observation) -> bool {
    observation.http_status.is_some()
        || match observation.verdict {
            Verdict::Errored(failure) => !matches!(failure.at, FailedAt::Transport),
            Verdict::Complete
            | Verdict::Truncated(_)
            | Verdict::Limited
            | Verdict::Refused
            | Verdict::OffScript(_)
            | Verdict::Unknown => observation.source != Source::Reach || observation.expected,
        }
}

/// Against whom an outcome counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Against {
    /// It is good for the model.
    Good,
    /// The model, with that weight, above 0 to 1.
    Model(f64),
    /// The provider's edge, once our own network is proven.
    Edge,
    /// Our own credential: neither good nor bad for the provider.
    Key,
    /// Nobody: it is recorded.
    Nobody,
}

/// Against whom a scheduled canary's outcome counts, where the provider answers by the book (strict terminal event,
/// credential sent, connection made): for whoever explains the table above.
pub fn against(target: &TargetId, verdict: Verdict) -> Against {
    let setup = TargetSetup {
        id: target.clone(),
        strict_terminal: true,
        interval: None,
        long: false,
        long_interval: None,
        first_token_limit: Duration::MAX,
        polite: false,
        reports_only: false,
    };
    let mut seen = Observation::new(target.clone(), Timestamp::default(), Source::Canary, verdict);
    seen.with_key = true;
    seen.connection = Some(Connection::Reused);
    let evidence = read(&seen, &setup, Duration::MAX);
    match (evidence.model, evidence.edge, evidence.key) {
        (Model::Bad(weight, _), ..) => Against::Model(weight),
        (Model::Good, ..) => Against::Good,
        (Model::Ignored, Edge::Bad, _) => Against::Edge,
        (Model::Ignored, _, Key::Throttled | Key::Refused | Key::Spent) => Against::Key,
        (Model::Ignored, ..) => Against::Nobody,
    }
}

/// A free probe: judges the edge and the credential, never a model.
fn reach(observation: &Observation) -> Evidence {
    let mut evidence = says(Model::Ignored, Count::None);
    if !answered(observation) {
        evidence.edge = edge_of(observation);
        evidence.key = match observation.verdict {
            // No signature, no token: somebody refused them before the provider was asked.
            Verdict::Errored(Failure {
                class: ErrorClass::Auth,
                at: FailedAt::Transport,
            }) if observation.with_key => Key::Refused,
            _ => Key::Ignored,
        };
        return evidence;
    }
    evidence.ask = observation.http_status.is_some_and(|status| status >= 500);
    evidence.key = match observation.verdict {
        _ if !observation.with_key => Key::Ignored,
        _ if observation.expected => Key::Works,
        Verdict::Errored(Failure { class, .. }) => match class {
            ErrorClass::Auth | ErrorClass::Permission => Key::Refused,
            ErrorClass::Quota => Key::Spent,
            _ => Key::Ignored,
        },
        _ => Key::Ignored,
    };
    evidence
}

fn generation(observation: &Observation, origin: Origin, setup: &TargetSetup, hard: Duration) -> Evidence {
    let canary = origin == Origin::Canary;
    let flags = observation.flags;
    match observation.verdict {
        Verdict::Complete if flags.contains(Flags::MODEL_MISMATCH) => says(Model::Ignored, Count::Complete),
        Verdict::Complete => Evidence {
            key: Key::Works,
            ..says(Model::Good, Count::Complete)
        },
        Verdict::Truncated(Truncation::TerminalMissing) => {
            let vouched =
                !canary || flags.contains(Flags::SENTINEL_FOUND) || flags.contains(Flags::SENTINEL_OFF);
            if !setup.strict_terminal && vouched {
                says(Model::Good, Count::Truncated)
            } else {
                bad(Kind::Silent, Count::Truncated)
            }
        }
        Verdict::Truncated(Truncation::Cut | Truncation::Empty | Truncation::Stall) => {
            bad(Kind::Cut, Count::Truncated)
        }
        Verdict::Truncated(Truncation::Garbled | Truncation::Silent | Truncation::SilentEmpty) => {
            bad(Kind::Silent, Count::Truncated)
        }
        Verdict::OffScript(OffScript::ToolUse | OffScript::Paused) | Verdict::Limited if !canary => {
            says(Model::Good, Count::Began)
        }
        // For our canary the token limit is our own setting, and prose is no outage.
        Verdict::Limited | Verdict::Refused | Verdict::OffScript(_) | Verdict::Unknown => {
            says(Model::Ignored, Count::Began)
        }
        Verdict::Errored(failure) => errored(failure, observation, canary, hard),
    }
}

fn errored(failure: Failure, observation: &Observation, canary: bool, hard: Duration) -> Evidence {
    use ErrorClass as C;
    use FailedAt::{Status, Stream, Transport};
    let count = match failure.at {
        Transport | Status(_) => Count::Error,
        Stream => Count::ErrorInStream,
    };
    let ours = says(Model::Ignored, Count::Ours);
    let waited = observation.phases.first_token.is_none()
        && observation
            .phases
            .end
            .or(observation.phases.terminal)
            .is_some_and(|end| end >= hard);
    match (failure.class, failure.at) {
        (C::Dns | C::Connect | C::Tls | C::Reset, Transport) => Evidence {
            edge: Edge::Bad,
            ..says(Model::Ignored, count)
        },
        (C::Timeout, Transport) if connected(observation) || waited => bad(Kind::Timeout, count),
        (C::Timeout, Transport) if canary => Evidence {
            edge: Edge::Bad,
            ..says(Model::Ignored, count)
        },
        // A reporter's time-out of unknown length, and 408.
        (C::Timeout, Transport | Status(408)) => says(Model::Bad(0.5, Kind::Timeout), count),
        (C::Timeout, Status(_) | Stream) => bad(Kind::Timeout, count),
        (C::Overloaded, _) => bad(Kind::Overloaded, count),
        (C::ServerError, _) => bad(Kind::ServerError, count),
        (C::Reset, Stream) => bad(Kind::Cut, count),
        // A broken 200, and an error event in a stream that had begun: the provider's, whatever it calls it.
        (C::Protocol, Stream | Status(200)) | (C::InvalidRequest, Stream) => bad(Kind::Other, count),
        (C::Protocol, _) | (C::Dns | C::Connect | C::Tls | C::Reset, Status(_) | Stream) => Evidence {
            model: UNCLASSIFIED,
            ..says(Model::Ignored, count)
        },
        (C::RateLimit, _) => Evidence {
            key: Key::Throttled,
            ..ours
        },
        (C::Quota, _) => Evidence {
            key: Key::Spent,
            ..ours
        },
        (C::Auth | C::Permission, _) if observation.with_key => Evidence {
            key: Key::Refused,
            ..ours
        },
        (C::Cancelled, _) if waited => bad(Kind::Timeout, Count::Error),
        // A refusal without a key says nothing; policy, size, shape and model name are the caller's business.
        (
            C::Auth
            | C::Permission
            | C::ModelNotFound
            | C::ContentPolicy
            | C::RequestTooLarge
            | C::InvalidRequest
            | C::Cancelled,
            _,
        ) => ours,
    }
}

/// Whether the request had a connection: then silence is the model's, not the edge's.
fn connected(observation: &Observation) -> bool {
    observation.phases.connect.is_some()
        || observation.phases.request.is_some()
        || observation.connection == Some(Connection::Reused)
}

#[cfg(test)]
mod tests;
