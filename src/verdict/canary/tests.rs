use super::*;

const WORDS: &str = "one two three four five six seven kestrel";

fn expected(words: &str) -> Expected {
    Expected::words(
        words.split(' ').map(str::to_owned).collect(),
        ["kestrel", "amber", "walnut"].map(str::to_owned).to_vec(),
    )
}

fn check(text: &str) -> (Match, Vec<&'static str>) {
    let mut flags = Flags::none();
    let found = match_answer(text, &[], &[], &expected(WORDS), &mut flags);
    (found, flags.names().collect())
}

#[test]
fn right_answers_are_found_in_any_dress() {
    let rows: [(&str, &[&str]); 14] = [
        (WORDS, &[]),
        (" one two three four five six seven kestrel.\n", &[]),
        ("**One Two Three** four\nfive six, seven; \"Kestrel\"", &[]),
        ("```\none two three four five six seven kestrel\n```", &[]),
        (
            "Sure! one two three four five six seven kestrel",
            &["extra_words"],
        ),
        (
            "one two three four five six seven kestrel. Done!",
            &["extra_words"],
        ),
        (
            "kestrel: one two three four five six seven kestrel",
            &["extra_words"],
        ),
        (
            "1. one 2. two 3. three 4. four 5. five 6. six 7. seven kestrel",
            &[],
        ),
        ("1 2 3 4 5 6 7 kestrel", &[]),
        ("1,2,3,4,5,6,7,kestrel", &[]),
        (
            "<think>one two?</think>one two three four five six seven kestrel",
            &["think_block"],
        ),
        ("ｏｎｅ two three four five six seven kestrel", &[]),
        (
            "one two three four five six seven kestrel amber",
            &["extra_words"],
        ),
        ("ONE TWO THREE FOUR FIVE SIX SEVEN KESTREL", &[]),
    ];
    for (text, flags) in rows {
        assert_eq!(check(text), (Match::Found, flags.to_vec()), "{text}");
    }
}

#[test]
fn wrong_answers_are_told_apart() {
    let prefix = |words| Match::Prefix { words };
    let gap = |missing| Match::Gap { missing };
    let rows: [(&str, Match, &[&str]); 17] = [
        ("", Match::Empty, &[]),
        (" \n`` ` ", Match::Empty, &[]),
        ("one", prefix(1), &[]),
        ("one two three", prefix(3), &[]),
        ("one two three four five six seven", prefix(7), &[]),
        ("one two thr", prefix(2), &[]),
        ("one two three four five six seven kest", prefix(7), &[]),
        ("Sure! one two three", prefix(3), &[]),
        ("1. one 2. two 3.", prefix(2), &[]),
        ("1 2 3", prefix(3), &[]),
        ("one two five six seven kestrel", gap(2), &[]),
        ("two three four five six seven kestrel", gap(1), &[]),
        ("uno dos tres", Match::Other, &[]),
        ("one two three and so on", Match::Other, &[]),
        ("I cannot help with that", Match::Other, &[]),
        (
            "one two three four five six seven amber",
            Match::Other,
            &["cached_answer"],
        ),
        ("<think>one two three", prefix(3), &["think_block"]),
    ];
    for (text, found, flags) in rows {
        assert_eq!(check(text), (found, flags.to_vec()), "{text}");
    }
}

#[test]
fn a_gap_on_a_chunk_boundary_is_a_lost_chunk() {
    let text = "one two five six seven kestrel";
    let found = |chunks: &[u32]| {
        let mut flags = Flags::none();
        match_answer(text, chunks, &[], &expected(WORDS), &mut flags);
        flags.contains(Flags::LOST_CHUNK)
    };
    // "two" ends at 7, "five" begins at 8.
    assert!(found(&[0, 7, 20]) && found(&[0, 8]));
    assert!(!found(&[0, 6, 9, 20]) && !found(&[0]));
}

#[test]
fn every_proper_prefix_of_the_answer_is_a_prefix() {
    for end in 1..WORDS.len() {
        let words = WORDS[..end]
            .split(' ')
            .filter(|word| WORDS.split(' ').any(|w| w == *word))
            .count();
        match check(&WORDS[..end]).0 {
            Match::Prefix { words: found } => assert_eq!(found, words, "cut at {end}"),
            // Less than the first word says nothing.
            other => assert!(other == Match::Other && end < 3, "cut at {end}: {other:?}"),
        }
    }
}

#[test]
fn token_counts_are_held_against_the_words() {
    let rows = [
        (12, Some(32), 21, false),
        (11, Some(32), 21, true),
        (80, Some(32), 21, false),
        (81, Some(32), 21, true),
        (150, Some(400), 201, false),
        (149, Some(400), 201, true),
        (1000, Some(400), 201, false),
        (1001, Some(400), 201, true),
        (20, None, 6, false),
        (21, None, 6, true),
        (8, None, 0, false),
        (9, None, 0, true),
        (u64::MAX, Some(32), 21, true),
    ];
    for (visible, full, received, expected) in rows {
        assert_eq!(
            usage_mismatch(visible, full, received),
            expected,
            "{visible} {full:?} {received}"
        );
    }
}
