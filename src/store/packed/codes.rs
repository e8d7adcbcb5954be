//! Numbers that stand for words on disk. They are a file format: never reuse one.

use crate::{
    protocol::ErrorClass,
    verdict::{CanaryKind, FailedAt, Failure, OffScript, Purpose, Source, Truncation, Verdict},
};

/// Codes of one family.
const FAMILY: u16 = 32;

/// A verdict with its finer kind as one number; where an error showed is left out.
pub(in crate::store) fn code_of_verdict(verdict: Verdict) -> u16 {
    let fine = match verdict {
        Verdict::Truncated(kind) => truncation_code(kind),
        Verdict::OffScript(kind) => off_script_code(kind),
        Verdict::Errored(failure) => class_code(failure.class),
        Verdict::Complete | Verdict::Limited | Verdict::Refused | Verdict::Unknown => 0,
    };
    u16::from(kind(verdict)) * FAMILY + fine as u16
}

/// The verdict of that number; of an error, as if it showed at the transport.
pub(in crate::store) fn verdict_of_code(code: u16) -> Option<Verdict> {
    let fine = u64::from(code % FAMILY);
    Some(match code / FAMILY {
        0 => Verdict::Complete,
        1 => Verdict::Truncated(
            Truncation::ALL
                .into_iter()
                .find(|k| truncation_code(*k) == fine)?,
        ),
        2 => Verdict::Limited,
        3 => Verdict::Refused,
        4 => Verdict::OffScript(OffScript::ALL.into_iter().find(|k| off_script_code(*k) == fine)?),
        5 => Verdict::Errored(Failure {
            class: ErrorClass::ALL.into_iter().find(|k| class_code(*k) == fine)?,
            at: FailedAt::Transport,
        }),
        6 => Verdict::Unknown,
        _ => return None,
    })
}

/// The stored number of a verdict's family. Zero is healthy and leaves the row out of the failure indexes.
pub(in crate::store) const fn kind(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Complete => 0,
        Verdict::Truncated(_) => 1,
        Verdict::Limited => 2,
        Verdict::Refused => 3,
        Verdict::OffScript(_) => 4,
        Verdict::Errored(_) => 5,
        Verdict::Unknown => 6,
    }
}

/// The stored number of the family of that name.
pub(in crate::store) fn kind_of_family(family: &str) -> Option<u8> {
    let names = [
        "complete",
        "truncated",
        "limited",
        "refused",
        "off_script",
        "errored",
        "unknown",
    ];
    names.iter().position(|name| *name == family).map(|at| at as u8)
}

pub(super) const fn truncation_code(kind: Truncation) -> u64 {
    match kind {
        Truncation::Cut => 0,
        Truncation::Garbled => 1,
        Truncation::TerminalMissing => 2,
        Truncation::Empty => 3,
        Truncation::Silent => 4,
        Truncation::SilentEmpty => 5,
        Truncation::Stall => 6,
    }
}

pub(super) const fn off_script_code(kind: OffScript) -> u64 {
    match kind {
        OffScript::Gap => 0,
        OffScript::Text => 1,
        OffScript::ToolUse => 2,
        OffScript::Paused => 3,
    }
}

pub(super) const fn class_code(class: ErrorClass) -> u64 {
    match class {
        ErrorClass::Dns => 0,
        ErrorClass::Connect => 1,
        ErrorClass::Tls => 2,
        ErrorClass::Reset => 3,
        ErrorClass::Timeout => 4,
        ErrorClass::Auth => 5,
        ErrorClass::Quota => 6,
        ErrorClass::Permission => 7,
        ErrorClass::ModelNotFound => 8,
        ErrorClass::ContentPolicy => 9,
        ErrorClass::RequestTooLarge => 10,
        ErrorClass::RateLimit => 11,
        ErrorClass::Overloaded => 12,
        ErrorClass::ServerError => 13,
        ErrorClass::InvalidRequest => 14,
        ErrorClass::Protocol => 15,
        ErrorClass::Cancelled => 16,
    }
}

/// Three bits for who saw it, and with which canary.
pub(super) const fn origin_code(source: Source, canary: Option<CanaryKind>) -> u8 {
    match (source, canary) {
        (Source::Canary, Some(CanaryKind::Json)) => 5,
        (Source::Canary, Some(CanaryKind::Tool)) => 6,
        _ => source_code(source),
    }
}

/// Who saw it, whichever canary it was; also the key of rollups.
pub(in crate::store) const fn source_code(source: Source) -> u8 {
    match source {
        Source::Reach => 0,
        Source::Canary => 1,
        Source::Long => 2,
        Source::Report => 3,
        Source::Tap => 4,
    }
}

pub(super) const fn purpose_code(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Scheduled => 0,
        Purpose::Confirm => 1,
        Purpose::Recovery => 2,
        Purpose::Manual => 3,
    }
}

pub(super) const fn purpose_of(code: u8) -> Purpose {
    match code & 0b11 {
        0 => Purpose::Scheduled,
        1 => Purpose::Confirm,
        2 => Purpose::Recovery,
        _ => Purpose::Manual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_a_code_of_its_own() {
        let failed = |class| {
            Verdict::Errored(Failure {
                class,
                at: FailedAt::Transport,
            })
        };
        let mut all = vec![
            Verdict::Complete,
            Verdict::Limited,
            Verdict::Refused,
            Verdict::Unknown,
        ];
        all.extend(Truncation::ALL.map(Verdict::Truncated));
        all.extend(OffScript::ALL.map(Verdict::OffScript));
        all.extend(ErrorClass::ALL.map(failed));
        for verdict in &all {
            assert_eq!(verdict_of_code(code_of_verdict(*verdict)), Some(*verdict));
        }
        let known = (0..u16::MAX).filter(|code| verdict_of_code(*code).is_some());
        // Families without finer kinds take any fine number for theirs.
        assert!(known.count() >= all.len());
    }
}
