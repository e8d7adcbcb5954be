//! Bounds on what comes from outside.

use super::*;
use crate::alert::{MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES};

#[test]
fn a_message_names_so_many_and_counts_the_rest() {
    for (many, named, more) in [
        (MAX_MESSAGE_SUBJECTS, MAX_MESSAGE_SUBJECTS, 0),
        (MAX_MESSAGE_SUBJECTS + 1, MAX_MESSAGE_SUBJECTS, 1),
        (200, MAX_MESSAGE_SUBJECTS, 200 - MAX_MESSAGE_SUBJECTS),
    ] {
        let ids: Vec<String> = (0..many).map(|n| format!("a/{n:03}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut stage = Stage::new(standard(), &ids);
        for id in &ids {
            stage.fails(id, State::Partial);
        }
        // The worst is named whatever its place.
        let last = ids[many - 1];
        stage.fails(last, State::Down);
        let told = stage.pass(10);
        assert_eq!(
            (told.len(), told[0].subjects.len(), told[0].more),
            (1, named, more)
        );
        assert_eq!(told[0].subjects[0].name, last);
        let alarm = stage.policy.alarms().remove(0);
        assert_eq!((alarm.subjects.len(), alarm.more), (named, more));
    }
}

#[test]
fn held_notices_are_bounded_and_the_newest_are_kept() {
    let on = [AlertOn::Change(ChangeKind::ModelChanged)];
    let mut stage = Stage::new(alerts(&["c"], vec![rule("r", &on, &["c"])]), &["a/m"]);
    for n in 0..=MAX_HELD_NOTICES {
        stage.changes.push(Change {
            target: format!("a/{n}").parse().unwrap(),
            at: stage.now,
            kind: ChangeKind::ModelChanged,
            from: "x".to_owned(),
            to: "y".to_owned(),
        });
    }
    let told = stage.pass(10);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subjects.len() + told[0].more, MAX_HELD_NOTICES);
    assert_eq!(told[0].subjects[0].name, "a/1", "the oldest one is gone");
}

#[test]
fn texts_of_others_are_bounded_wherever_they_stand() {
    let long = "\u{1b}]0;evil\u{7}é".repeat(1_000);
    let mut stage = Stage::new(standard(), &["a/m"]);
    stage.fails("a/m", State::Down);
    stage.target("a/m").reason.text.clone_from(&long);
    stage.target("a/m").reason.sources = vec![long.clone().into()];
    stage.target("a/m").official = Some(crate::feed::v1::Official {
        state: State::Down,
        at: START.into(),
        word: Some(long.clone()),
        title: Some(long.clone()),
        url: None,
    });
    stage.health.head.store.state = StoreState::Failing;
    stage.health.head.store.detail = Some(long.clone());
    let mut told = stage.pass(10);
    told.extend(stage.policy.ack("incident-1", &long, stage.now).unwrap());
    assert_eq!(told.len(), 3);
    for message in &told {
        let subject = &message.subjects[0];
        let texts = [&subject.text, &subject.evidence, &message.title];
        let more = [subject.official.as_ref(), message.acknowledged_by.as_ref()];
        for text in texts.into_iter().chain(more.into_iter().flatten()) {
            assert!(
                text.len() <= MAX_TEXT_BYTES && !text.contains(char::is_control),
                "{text:?}"
            );
        }
    }
    assert!(
        told[2]
            .acknowledged_by
            .as_ref()
            .is_some_and(|by| by.len() <= MAX_BY_BYTES)
    );
}

#[test]
fn a_target_that_flaps_leaves_a_memory_that_does_not_grow() {
    let mut stage = Stage::new(standard(), &["a/1", "a/2", "a/3"]);
    stage.fails("a/1", State::Down);
    let mut largest = 0;
    for round in 0..200 {
        let id = ["a/2", "a/3"][round % 2];
        stage.fails(id, State::Down);
        stage.run(100);
        stage.ends(id);
        largest = largest.max(stage.policy.memory().len());
    }
    assert!(largest < 8_000, "{largest} bytes");
    stage.ends("a/1");
    assert!(stage.policy.memory().len() < 100, "{}", stage.policy.memory());
}
