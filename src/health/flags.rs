//! What the flags `sentinel_off` and `model_changed` rest on.

use crate::verdict::{CanaryKind, Flags, Observation, OffScript, Verdict};

/// Canaries in a row that switch the sentinel rule off, and on again.
const SENTINEL_RUN: u8 = 3;

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
            Verdict::OffScript(OffScript::ToolUse) => observation.canary == Some(CanaryKind::Tool),
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

/// Whether two names mean one model: equal, or alias and dated snapshot (`gpt-5.2` and `gpt-5.2-2026-02-01`).
pub(super) fn same_model(a: &str, b: &str) -> bool {
    let bare = |text: &str| text.rsplit('/').next().unwrap_or(text).to_ascii_lowercase();
    let (a, b) = (bare(a), bare(b));
    let undated = |text: String| text.strip_suffix("-latest").map(str::to_owned).unwrap_or(text);
    let (a, b) = (undated(a), undated(b));
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    match long.strip_prefix(short.as_str()) {
        Some("") => true,
        Some(rest) => {
            let digits = rest.chars().filter(char::is_ascii_digit).count();
            rest.starts_with(['-', '@'])
                && digits >= 4
                && rest[1..].chars().all(|c| c.is_ascii_digit() || c == '-')
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, verdict::Source};

    #[test]
    fn an_alias_and_its_snapshot_are_one_model() {
        for (a, b, same) in [
            ("gpt-5.2", "gpt-5.2", true),
            ("gpt-5.2", "gpt-5.2-2026-02-01", true),
            ("claude-haiku-4-5-20251001", "claude-haiku-4-5", true),
            ("models/gemini-3-flash", "gemini-3-flash", true),
            ("mistral-large-latest", "mistral-large-2411", true),
            ("gpt-5.2-2026-02-01", "gpt-5.2-2026-05-01", false),
            ("gpt-5.2", "gpt-5.2-mini", false),
            ("gpt-5", "gpt-4", false),
        ] {
            assert_eq!(same_model(a, b), same, "{a} {b}");
            assert_eq!(same_model(b, a), same, "{b} {a}");
        }
    }

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
