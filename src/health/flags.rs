//! What the flag `sentinel_off` rests on.

use crate::verdict::{CanaryKind, Flags, Observation, OffScript, Verdict};

/// Canaries in a row that switch the sentinel rule off, and on again.
pub(super) const SENTINEL_RUN: u8 = 3;

/// Whether the answer of one kind of canary is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sentinel {
    pub(super) off: bool,
    run: u8,
}

impl Sentinel {
    pub(super) fn note(&mut self, observation: &Observation) {
        let off_script = match observation.verdict {
            Verdict::OffScript(OffScript::Gap | OffScript::Text) => true,
            // Another call than asked for is the same to the tool canary.
            Verdict::OffScript(OffScript::ToolUse) => observation.canary_kind() == Some(CanaryKind::Tool),
            _ => false,
        };
        let found = observation.flags.contains(Flags::SENTINEL_FOUND);
        let (counts, ends) = if self.off {
            (found, off_script)
        } else {
            (off_script, found)
        };
        if counts {
            self.run += 1;
            if self.run >= SENTINEL_RUN {
                self.off = !self.off;
                self.run = 0;
            }
        } else if ends || observation.verdict == Verdict::Complete {
            self.run = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, verdict::Source};

    #[test]
    fn three_off_script_answers_switch_the_sentinel_rule_off() {
        let canary = |verdict, found| {
            let mut o = Observation::new(
                "p/m".parse().unwrap(),
                Timestamp::default(),
                Source::Canary,
                verdict,
            );
            o.flags.set(Flags::SENTINEL_FOUND, found);
            o
        };
        let off_script = canary(Verdict::OffScript(OffScript::Text), false);
        let found = canary(Verdict::Complete, true);
        let mut sentinel = Sentinel::default();
        for (observation, off) in [
            (&off_script, false),
            (&off_script, false),
            (&found, false),
            (&off_script, false),
            (&off_script, false),
            (&off_script, true),
            (&found, true),
            (&found, true),
            (&off_script, true),
            (&found, true),
            (&found, true),
            (&found, false),
        ] {
            sentinel.note(observation);
            assert_eq!(sentinel.off, off);
        }
    }
}
