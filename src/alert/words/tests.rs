use proptest::prelude::*;

use super::*;
use crate::{alert::message::MessageKind, clock::Timestamp, config::SAMPLE};

fn message() -> Message {
    serde_json::from_str(SAMPLE).unwrap()
}

/// What templates are checked with is a message, every key of it.
#[test]
fn the_sample_is_a_message_and_has_every_key() {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    assert_eq!(serde_json::to_value(message()).unwrap(), sample);
}

#[test]
fn a_message_in_words() {
    let mut message = message();
    message.more = 2;
    message.acknowledged_by = Some("ann".to_owned());
    insta::assert_snapshot!(format!("{}\n\n{}", title(&message), text(&message)));
}

#[test]
fn one_that_is_over_says_from_when_to_when() {
    let ended = Time(Timestamp::from_rfc3339("2026-06-20T13:13:05Z").unwrap());
    let mut message = Message {
        kind: MessageKind::Resolved,
        ended_at: Some(ended),
        ..message()
    };
    message.subjects[0].until = Some(ended);
    insta::assert_snapshot!(format!("{}\n\n{}", title(&message), text(&message)));
}

#[test]
fn the_title_says_what_kind_of_message_it_is() {
    for (kind, prefix) in [
        (MessageKind::Firing, ""),
        (MessageKind::Update, "Update: "),
        (MessageKind::Reminder, "Still: "),
        (MessageKind::Acknowledged, "Acknowledged: "),
        (MessageKind::Resolved, "Resolved: "),
        (MessageKind::Notice, ""),
        (MessageKind::Test, "Test: "),
    ] {
        let made = title(&Message { kind, ..message() });
        assert_eq!(made, format!("{prefix}{}", message().title));
    }
    let trial = Message {
        kind: MessageKind::Test,
        title: "Test of channel oncall".to_owned(),
        ..message()
    };
    assert_eq!(title(&trial), "Test of channel oncall");
}

#[test]
fn a_brief_form_names_the_first_and_counts_the_rest() {
    let mut message = message();
    message.subjects = vec![message.subjects[0].clone(); 3];
    message.more = 4;
    assert_eq!(
        brief(&message, 2),
        [
            "anthropic/claude-haiku-4-5: down, replies end before their last event",
            "anthropic/claude-haiku-4-5: down, replies end before their last event",
            "and 5 more"
        ]
    );
}

#[test]
fn control_signs_and_turned_writing_are_taken_out() {
    for (text, clean_text) in [
        ("a\r\nBcc: b", "a  Bcc: b"),
        ("\u{1b}[31mred\u{0}", "[31mred"),
        ("a\u{202e}b\u{2066}c\u{200b}d\u{feff}", "abcd"),
        (" x\u{2028}y ", "x y"),
        ("größe 🔴", "größe 🔴"),
    ] {
        assert_eq!(clean(text), clean_text);
    }
}

#[test]
fn texts_are_cut_between_characters() {
    for (text, most, cut) in [
        ("abc", 3, "abc"),
        ("abcd", 4, "abcd"),
        ("abcde", 4, "a…"),
        ("üüüü", 7, "üü…"),
        ("üüüü", 8, "üüüü"),
        ("abc def", 6, "abc…"),
        ("abc", 0, "…"),
    ] {
        assert_eq!(clip(text, most), cut, "{text} in {most}");
    }
    assert_eq!(clip_utf16("🔴🔴", 4), "🔴🔴");
    assert_eq!(clip_utf16("🔴🔴a", 4), "🔴…");
}

#[test]
fn lines_are_kept_whole() {
    let lines: Vec<String> = ["one", "two", "three"].map(str::to_owned).into();
    assert_eq!(fit(&lines, 13), "one\ntwo\nthree");
    assert_eq!(fit(&lines, 12), "one\ntwo\n…");
    assert_eq!(fit(&lines, 3), "…");
}

#[test]
fn an_id_is_kept_where_it_is_plain_and_short() {
    assert_eq!(plain_id("down-anthropic.1", 16), "down-anthropic.1");
    for (id, most) in [("down-anthropic.1", 15), ("a/b", 16), ("", 16), ("ü", 16)] {
        let digest = plain_id(id, most);
        assert_eq!(digest.len(), 32);
        assert_eq!(digest, plain_id(id, most));
    }
    assert_ne!(plain_id("a/b", 16), plain_id("a/c", 16));
}

proptest! {
    #[test]
    fn nothing_is_longer_than_it_may_be(text in ".{0,60}", most in 3_usize..80) {
        prop_assert!(clip(&text, most).len() <= most);
        prop_assert!(clip_utf16(&text, most).encode_utf16().count() <= most);
        let lines: Vec<String> = text.split('a').map(str::to_owned).collect();
        prop_assert!(fit(&lines, most).encode_utf16().count() <= most);
    }

    #[test]
    fn what_is_clean_stays_so(text in any::<String>()) {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once.clone());
        let signs = once.contains(['\n', '\r', '\0', '\u{202e}']);
        prop_assert!(!signs);
    }
}
