use proptest::prelude::*;

use super::*;
use crate::verdict::{Source, Verdict};

fn at(s: u64) -> Timestamp {
    Timestamp::from_millis(0).plus(Duration::from_secs(s))
}

const NONE: [u64; 0] = [];

fn key(span: u64) -> Key {
    Key { trace: 7, span }
}

/// A body: spans as (own, parent, whether it is a model call); the parent 0 is none. Yields the spans that counted.
fn tell(memory: &mut Memory, spans: &[(u64, u64, bool)], s: u64) -> Vec<u64> {
    let parent = |parent: u64| (parent != 0).then(|| key(parent));
    let calls = spans.iter().filter(|(_, _, call)| *call).map(|(own, above, _)| {
        let target = "a/m".parse().unwrap();
        let mut seen = Observation::new(target, at(s), Source::Report, Verdict::Complete);
        seen.usage.input = Some(*own);
        Told {
            key: Some(key(*own)),
            parent: parent(*above),
            seen,
        }
    });
    let others = spans
        .iter()
        .filter(|(_, _, call)| !*call)
        .map(|(own, above, _)| Node {
            key: key(*own),
            parent: parent(*above),
        });
    let admitted = memory.admit(calls.collect(), &others.collect::<Vec<_>>());
    let (observations, marks) = admitted.marks();
    memory.remember(marks, at(s));
    let mut counted: Vec<u64> = observations.iter().filter_map(|seen| seen.usage.input).collect();
    counted.sort_unstable();
    counted
}

#[test]
fn the_innermost_call_counts_once() {
    for (bodies, wanted) in [
        // One body.
        (&[&[(1, 0, true)][..]][..], &[1][..]),
        (&[&[(1, 0, true), (2, 1, true)]], &[2]),
        (
            &[&[(1, 0, true), (2, 1, false), (3, 2, true), (4, 2, true)]],
            &[3, 4],
        ),
        (&[&[(1, 0, true), (2, 1, false)]], &[1]),
        (&[&[(1, 0, true), (1, 0, true)]], &[1]),
        // The same once more.
        (&[&[(1, 0, true)], &[(1, 0, true)]], &[1]),
        (
            &[&[(1, 0, true), (2, 1, true)], &[(1, 0, true), (2, 1, true)]],
            &[2],
        ),
        // The inner one first, as it ends first: directly, through others, through others that come between.
        (&[&[(2, 1, true)], &[(1, 0, true)]], &[2]),
        (&[&[(3, 2, true), (2, 1, false)], &[(1, 0, true)]], &[3]),
        (&[&[(3, 2, true)], &[(2, 1, false)], &[(1, 0, true)]], &[3]),
        (&[&[(3, 2, true)], &[(2, 1, false), (1, 0, true)]], &[3]),
        // The outer one first: another program's exporter was faster.
        (&[&[(1, 0, true)], &[(2, 1, true)]], &[1]),
        (&[&[(1, 0, true), (2, 1, false)], &[(3, 2, true)]], &[1]),
        (
            &[&[(1, 0, true), (2, 1, false)], &[(4, 3, true), (3, 2, false)]],
            &[1],
        ),
        (&[&[(1, 0, true)], &[(2, 1, false)], &[(3, 2, true)]], &[1]),
    ] {
        let mut memory = Memory::default();
        let counted: Vec<u64> = bodies
            .iter()
            .flat_map(|body| tell(&mut memory, body, 0))
            .collect();
        assert_eq!(counted, wanted, "{bodies:?}");
    }
}

#[test]
fn what_is_not_taken_is_not_remembered() {
    let mut memory = Memory::default();
    let call = Told {
        key: Some(key(1)),
        parent: None,
        seen: Observation::new("a/m".parse().unwrap(), at(0), Source::Report, Verdict::Complete),
    };
    assert_eq!(memory.admit(vec![call], &[]).observations.len(), 1);
    assert_eq!(tell(&mut memory, &[(1, 0, true)], 0), [1]);
}

#[test]
fn a_span_without_a_name_counts_whenever_it_comes() {
    let seen = Observation::new("a/m".parse().unwrap(), at(0), Source::Report, Verdict::Complete);
    let call = Told {
        key: None,
        parent: None,
        seen,
    };
    let admitted = Memory::default().admit(vec![call.clone(), call], &[]);
    assert_eq!((admitted.observations.len(), admitted.duplicates), (2, 0));
}

#[test]
fn spans_are_remembered_for_ten_minutes_and_so_many() {
    let mut memory = Memory::default();
    assert_eq!(tell(&mut memory, &[(1, 0, true)], 0), [1]);
    assert_eq!(tell(&mut memory, &[(1, 0, true)], 599), NONE);
    // A body that comes makes room.
    tell(&mut memory, &[(2, 0, true)], 600);
    assert_eq!(tell(&mut memory, &[(1, 0, true)], 600), [1]);
    for from in (0..REMEMBERED as u64).step_by(4_096) {
        let spans: Vec<_> = (from..from + 4_096).map(|n| (10 + n, 0, true)).collect();
        tell(&mut memory, &spans, 601);
        assert!(memory.marks.len() <= REMEMBERED && memory.order.len() == memory.marks.len());
    }
    assert_eq!(
        tell(&mut memory, &[(1, 0, true)], 602),
        [1],
        "the oldest made room"
    );
    assert_eq!(
        tell(&mut memory, &[(10 + REMEMBERED as u64 - 1, 0, true)], 602),
        NONE
    );
}

#[test]
fn a_circle_ends() {
    let mut memory = Memory::default();
    assert_eq!(
        tell(
            &mut memory,
            &[(1, 2, true), (2, 1, true), (3, 3, false), (4, 3, true)],
            0
        ),
        [4]
    );
}

proptest! {
    /// Within a body the order of spans changes nothing.
    #[test]
    fn order_never_changes_what_counts(
        parents in prop::collection::vec((0_u64..12, any::<bool>()), 1..12),
        order in any::<u64>(),
    ) {
        // A span's parent has a lower number: no circles.
        let mut spans: Vec<(u64, u64, bool)> = parents
            .iter()
            .enumerate()
            .map(|(n, (parent, call))| (n as u64 + 1, parent % (n as u64 + 1), *call))
            .collect();
        let straight = tell(&mut Memory::default(), &spans, 0);
        // The rule itself: a call counts if no call is below it.
        let is_above = |upper: u64, mut lower: u64| {
            while lower != 0 {
                lower = spans[lower as usize - 1].1;
                if lower == upper {
                    return true;
                }
            }
            false
        };
        let innermost: Vec<u64> = spans
            .iter()
            .filter(|(own, _, call)| *call && !spans.iter().any(|(other, _, call)| *call && is_above(*own, *other)))
            .map(|(own, _, _)| *own)
            .collect();
        prop_assert_eq!(&straight, &innermost);
        spans.sort_by_key(|(own, _, _)| own.wrapping_mul(order | 1).rotate_left(17));
        prop_assert_eq!(tell(&mut Memory::default(), &spans, 0), straight);
        // Cut into bodies anywhere, and told twice, no way down holds two calls that count.
        let mut memory = Memory::default();
        let (first, second) = spans.split_at(order as usize % (spans.len() + 1));
        let mut counted = tell(&mut memory, first, 0);
        counted.extend(tell(&mut memory, second, 0));
        prop_assert_eq!(tell(&mut memory, &spans, 1), Vec::<u64>::new());
    }
}
