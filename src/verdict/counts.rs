//! The counting table: what one observation adds to attempts, errors and truncations. The same table stands behind
//! the feed and the metrics (`docs/detection.md`).

use std::ops::AddAssign;

use super::{FailedAt, Failure, Observation, Source, Verdict};
use crate::protocol::ErrorClass;

/// Counts by outcome. `error_rate` = errors / attempts, `truncation_rate` = truncated / began, `failure_rate` =
/// (errors + truncated) / attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that count.
    pub attempts: u64,
    /// Replies that began: a 200 head came.
    pub began: u64,
    /// Failed with an error of the provider or its edge.
    pub errors: u64,
    /// Ended early.
    pub truncated: u64,
    /// Finished.
    pub complete: u64,
    /// Failed by our own doing (credential, quota, rate limit, bad request, cancelled); in no other count.
    pub ours: u64,
}

impl Counts {
    /// What one observation adds. `reach` adds nothing: it judges the edge, and no reply was asked for.
    pub fn of(observation: &Observation) -> Self {
        if observation.source == Source::Reach {
            return Self::default();
        }
        Self::of_verdict(observation.verdict)
    }

    /// What a reply with that verdict adds, whoever saw it.
    pub fn of_verdict(verdict: Verdict) -> Self {
        let began = Self {
            attempts: 1,
            began: 1,
            ..Self::default()
        };
        match verdict {
            Verdict::Complete => Self { complete: 1, ..began },
            Verdict::Truncated(_) => Self {
                truncated: 1,
                ..began
            },
            Verdict::Limited | Verdict::Refused | Verdict::OffScript(_) | Verdict::Unknown => began,
            Verdict::Errored(failure) => Self::of_failure(failure),
        }
    }

    fn of_failure(failure: Failure) -> Self {
        match failure.class {
            ErrorClass::Auth
            | ErrorClass::Quota
            | ErrorClass::Permission
            | ErrorClass::ModelNotFound
            | ErrorClass::ContentPolicy
            | ErrorClass::RequestTooLarge
            | ErrorClass::RateLimit
            | ErrorClass::InvalidRequest
            | ErrorClass::Cancelled => Self {
                ours: 1,
                ..Self::default()
            },
            ErrorClass::Dns
            | ErrorClass::Connect
            | ErrorClass::Tls
            | ErrorClass::Reset
            | ErrorClass::Timeout
            | ErrorClass::Overloaded
            | ErrorClass::ServerError
            | ErrorClass::Protocol => Self {
                attempts: 1,
                began: u64::from(failure.at == FailedAt::Stream),
                errors: 1,
                ..Self::default()
            },
        }
    }

    /// Errors and truncations.
    pub const fn failed(&self) -> u64 {
        self.errors + self.truncated
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.began += other.began;
        self.errors += other.errors;
        self.truncated += other.truncated;
        self.complete += other.complete;
        self.ours += other.ours;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        verdict::{OffScript, Truncation},
    };

    #[test]
    fn every_verdict_counts_as_the_table_says() {
        let errored = |class, at| Verdict::Errored(Failure { class, at });
        for (source, verdict, expected) in [
            (Source::Canary, Verdict::Complete, [1, 1, 0, 0, 1, 0]),
            (
                Source::Report,
                Verdict::Truncated(Truncation::Cut),
                [1, 1, 0, 1, 0, 0],
            ),
            (Source::Tap, Verdict::Limited, [1, 1, 0, 0, 0, 0]),
            (Source::Long, Verdict::Refused, [1, 1, 0, 0, 0, 0]),
            (
                Source::Canary,
                Verdict::OffScript(OffScript::Text),
                [1, 1, 0, 0, 0, 0],
            ),
            (Source::Canary, Verdict::Unknown, [1, 1, 0, 0, 0, 0]),
            (
                Source::Canary,
                errored(ErrorClass::Overloaded, FailedAt::Stream),
                [1, 1, 1, 0, 0, 0],
            ),
            (
                Source::Canary,
                errored(ErrorClass::Overloaded, FailedAt::Status(529)),
                [1, 0, 1, 0, 0, 0],
            ),
            (
                Source::Canary,
                errored(ErrorClass::Connect, FailedAt::Transport),
                [1, 0, 1, 0, 0, 0],
            ),
            (
                Source::Canary,
                errored(ErrorClass::Auth, FailedAt::Status(401)),
                [0, 0, 0, 0, 0, 1],
            ),
            (
                Source::Canary,
                errored(ErrorClass::RateLimit, FailedAt::Stream),
                [0, 0, 0, 0, 0, 1],
            ),
            (Source::Reach, Verdict::Complete, [0, 0, 0, 0, 0, 0]),
            (
                Source::Reach,
                errored(ErrorClass::Connect, FailedAt::Transport),
                [0, 0, 0, 0, 0, 0],
            ),
        ] {
            let counts = Counts::of(&Observation::new(
                "p/m".parse().unwrap(),
                Timestamp::from_millis(0),
                source,
                verdict,
            ));
            let found = [
                counts.attempts,
                counts.began,
                counts.errors,
                counts.truncated,
                counts.complete,
                counts.ours,
            ];
            assert_eq!(found, expected, "{source} {verdict}");
        }
    }
}
