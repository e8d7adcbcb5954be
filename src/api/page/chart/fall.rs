//! Where the time of a reply goes: the median of each phase, laid end to end.

use std::time::Duration;

use crate::{
    api::page::figures::duration,
    verdict::{Observation, Phases, Verdict},
};

/// A bar is never drawn thinner, in percent of the width.
const THINNEST: f64 = 0.4;

/// The phases of one kind of probe.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Fall {
    /// `canary`, `long`.
    pub(in crate::api::page) kind: &'static str,
    /// Complete replies that it is made from.
    pub(in crate::api::page) n: usize,
    /// The median reply from request to end.
    pub(in crate::api::page) total: String,
    pub(in crate::api::page) phases: Vec<Phase>,
}

/// One phase.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Phase {
    pub(in crate::api::page) name: &'static str,
    /// Where it begins and how long it is, in percent of the width.
    pub(in crate::api::page) x: String,
    pub(in crate::api::page) width: String,
    /// Its median.
    pub(in crate::api::page) length: String,
    /// Replies that had it.
    pub(in crate::api::page) n: usize,
    pub(in crate::api::page) class: &'static str,
}

/// How long a phase took.
type Length = fn(&Phases) -> Option<Duration>;

const PHASES: [(&str, &str, Length); 5] = [
    ("connect", "p-connect", |p| {
        Some(p.connect? + p.dns.unwrap_or_default())
    }),
    ("headers", "p-head", |p| p.head),
    ("first token", "p-first", |p| {
        Some(p.first_token?.saturating_sub(p.head?))
    }),
    ("stream", "p-stream", |p| {
        Some(p.last_token?.saturating_sub(p.first_token?))
    }),
    ("end", "p-end", |p| {
        Some(p.terminal.or(p.end)?.saturating_sub(p.last_token?))
    }),
];

fn median(mut lengths: Vec<Duration>) -> Option<Duration> {
    lengths.sort_unstable();
    lengths.get(lengths.len().checked_sub(1)? / 2).copied()
}

/// The phases of complete replies; `None` where there is none.
pub(in crate::api::page) fn fall(kind: &'static str, seen: &[Observation]) -> Option<Fall> {
    let seen: Vec<&Observation> = seen.iter().filter(|o| o.verdict == Verdict::Complete).collect();
    let total = median(seen.iter().filter_map(|o| o.e2e()).collect())?;
    let lengths = PHASES.map(|(name, class, length)| {
        let all: Vec<Duration> = seen.iter().filter_map(|o| length(&o.phases)).collect();
        (name, class, all.len(), median(all))
    });
    let sum: f64 = lengths
        .iter()
        .filter_map(|(_, _, _, l)| *l)
        .map(|l| l.as_secs_f64())
        .sum();
    if sum <= 0.0 {
        return None;
    }
    let mut x = 0.0_f64;
    let mut phases = Vec::new();
    for (name, class, n, length) in lengths {
        let Some(length) = length else { continue };
        let width = length.as_secs_f64() / sum * 100.0;
        let shown = width.max(THINNEST);
        phases.push(Phase {
            name,
            x: format!("{:.1}", x.min(100.0 - shown)),
            width: format!("{shown:.1}"),
            length: if length < Duration::from_millis(10) {
                format!("{:.1}\u{a0}ms", length.as_secs_f64() * 1e3)
            } else {
                duration(length)
            },
            n,
            class,
        });
        x += width;
    }
    Some(Fall {
        kind,
        n: seen.len(),
        total: duration(total),
        phases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, verdict::Source};

    fn reply(connect: Option<u64>, marks: [u64; 4]) -> Observation {
        let ms = |n| Some(Duration::from_millis(n));
        let target = "p/m".parse().unwrap();
        let mut seen = Observation::new(target, Timestamp::default(), Source::Canary, Verdict::Complete);
        seen.phases = Phases {
            connect: connect.and_then(ms),
            head: ms(marks[0]),
            first_token: ms(marks[1]),
            last_token: ms(marks[2]),
            terminal: ms(marks[3]),
            ..Phases::default()
        };
        seen
    }

    #[test]
    fn phases_are_medians_laid_end_to_end() {
        let seen = [
            reply(Some(20), [100, 200, 580, 600]),
            reply(None, [100, 200, 580, 600]),
            reply(None, [100, 200, 580, 600]),
        ];
        let fall = fall("canary", &seen).unwrap();
        assert_eq!((fall.n, fall.total.as_str()), (3, "600\u{a0}ms"));
        let found: Vec<(&str, &str, &str, usize)> = fall
            .phases
            .iter()
            .map(|p| (p.name, p.x.as_str(), p.width.as_str(), p.n))
            .collect();
        assert_eq!(
            found,
            [
                ("connect", "0.0", "3.2", 1),
                ("headers", "3.2", "16.1", 3),
                ("first token", "19.4", "16.1", 3),
                ("stream", "35.5", "61.3", 3),
                ("end", "96.8", "3.2", 3),
            ]
        );
    }

    #[test]
    fn without_a_complete_reply_there_is_nothing() {
        assert_eq!(fall("canary", &[]), None);
        let mut cut = reply(None, [1, 2, 3, 4]);
        cut.verdict = Verdict::Unknown;
        assert_eq!(fall("canary", &[cut]), None);
        assert_eq!(fall("canary", &[reply(None, [0, 0, 0, 0])]), None);
    }

    #[test]
    fn marks_out_of_order_do_no_harm() {
        let fall = fall("canary", &[reply(None, [500, 200, 100, 50])]).unwrap();
        assert!(fall.phases.iter().all(|p| p.x.parse::<f64>().unwrap() <= 100.0));
    }
}
