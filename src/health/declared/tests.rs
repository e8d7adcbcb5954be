use super::*;

/// 2026-06-20T13:00:00Z.
const T0: i64 = 1_781_960_400_000;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(T0 + s * 1_000)
}

fn one(id: &str, what: Declares, targets: &str, from: i64, until: i64) -> Declaration {
    Declaration {
        id: id.to_owned(),
        what,
        targets: Scope::new(targets.split(',')).unwrap(),
        from: at(from),
        until: at(until),
        by: "ana".to_owned(),
        why: String::new(),
        planned: false,
    }
}

fn target(id: &str) -> TargetId {
    id.parse().unwrap()
}

fn with(all: &[Declaration]) -> Declared {
    let mut declared = Declared::default();
    let watched = [target("a/m"), target("b/m")];
    for one in all {
        declared.add(one.clone(), watched.iter(), at(0)).unwrap();
    }
    declared
}

#[test]
fn it_is_in_force_from_its_beginning_until_just_before_its_end() {
    let declared = with(&[one("x", Declares::Pause, "a", 10, 20)]);
    for (s, active) in [(9, false), (10, true), (19, true), (20, false)] {
        assert_eq!(
            declared.in_force(&target("a/m"), at(s)).pause.is_some(),
            active,
            "{s}"
        );
    }
    assert_eq!(declared.in_force(&target("b/m"), at(15)), InForce::default());
    for (now, next) in [(0, Some(10)), (10, Some(20)), (20, None)] {
        assert_eq!(declared.next_change(at(now)), next.map(at), "{now}");
    }
}

#[test]
fn each_kind_decides_its_own_and_of_equals_the_rule_is_clear() {
    let forced = |hint| Declares::Override(hint);
    let declared = with(&[
        one("p1", Declares::Pause, "a", 0, 30),
        one("p2", Declares::Pause, "a/m", 0, 20),
        one("m1", Declares::Maintenance, "*", 0, 10),
        one("m2", Declares::Maintenance, "a", 0, 20),
        one("o1", forced(Forced::Avoid), "a", 0, 90),
        one("o2", forced(Forced::Allow), "a", 0, 10),
    ]);
    let seen = |s| {
        let found = declared.in_force(&target("a/m"), at(s));
        let id = |one: &Option<Arc<Declaration>>| one.as_ref().map_or("-", |one| &one.id).to_owned();
        [id(&found.pause), id(&found.maintenance), id(&found.forced)]
    };
    // The pause and the maintenance that end last; the override that was said last, while it lasts.
    assert_eq!(seen(5), ["p1", "m2", "o2"]);
    assert_eq!(seen(15), ["p1", "m2", "o1"]);
    assert_eq!(seen(25), ["p1", "-", "o1"]);
    assert_eq!(seen(30), ["-", "-", "o1"]);
    let found = declared.in_force(&target("a/m"), at(5));
    assert_eq!(found.of_state().unwrap().id, "m2");
    assert_eq!(found.advice(), Some(Forced::Allow));
    assert_eq!(
        found.all().map(|one| one.id.as_str()).collect::<Vec<_>>(),
        ["m2", "p1", "o2"]
    );
}

#[test]
fn limits_hold_at_the_limit() {
    let secs = |span: Duration| span.as_secs().cast_signed();
    let (longest, ahead) = (secs(MAX_DECLARED), secs(MAX_AHEAD));
    let text = |by: &str, why: &str| Declaration {
        by: by.to_owned(),
        why: why.to_owned(),
        ..one("x", Declares::Pause, "a", 0, 10)
    };
    let pause = |from, until| one("x", Declares::Pause, "a", from, until);
    for (declaration, refused) in [
        (pause(0, 1), None),
        (pause(0, longest), None),
        (pause(-100, 1), None),
        (pause(ahead, ahead + 1), None),
        (text(&"b".repeat(MAX_BY_BYTES), &"w".repeat(MAX_WHY_BYTES)), None),
        (pause(0, 0), Some("it would last 0s")),
        (pause(10, 5), Some("it would last 0s")),
        (pause(0, longest + 1), Some("it would last 1month 13h")),
        (pause(-10, 0), Some("it would be over already")),
        (pause(ahead + 1, ahead + 2), Some("it would begin more than")),
        (
            text(&"b".repeat(MAX_BY_BYTES + 1), ""),
            Some("by has 65 bytes, at most 64"),
        ),
        (
            text("a", &"w".repeat(MAX_WHY_BYTES + 1)),
            Some("why has 301 bytes, at most 300"),
        ),
        (text("", ""), Some("by is empty")),
        (text("a\nb", ""), Some("by holds control characters")),
        (
            one("x", Declares::Pause, "c", 0, 10),
            Some("no target that is watched is called \"c\""),
        ),
    ] {
        let told = format!("{declaration:?}");
        let got = Declared::default().add(declaration, [target("a/m")].iter(), at(0));
        match refused {
            None => assert!(got.is_ok(), "{told}: {got:?}"),
            Some(why) => {
                let error = got.unwrap_err().to_string();
                assert!(error.starts_with(why), "{told}: {error}");
            }
        }
    }
    let all: Vec<_> = (0..MAX_DECLARATIONS)
        .map(|n| one(&n.to_string(), Declares::Pause, "a", 0, 10))
        .collect();
    let mut full = with(&all);
    let more = one("more", Declares::Pause, "a", 0, 90);
    let watched = [target("a/m")];
    assert_eq!(
        full.add(more.clone(), watched.iter(), at(9)),
        Err(DeclareError::TooMany)
    );
    // What is over makes room.
    assert!(full.add(more, watched.iter(), at(10)).is_ok());
    assert_eq!(full.all().count(), 1);
}

#[test]
fn a_planned_window_that_was_ended_stays_ended_and_the_next_one_comes() {
    let planned = |from| Declaration {
        planned: true,
        ..one(&format!("n.{from}"), Declares::Maintenance, "a", from, from + 10)
    };
    let both = || vec![planned(0), planned(100)];
    let mut declared = Declared::default();
    declared.plan(both());
    assert!(declared.end(DeclaredKind::Pause, "n.0").is_none(), "another kind");
    let version = declared.version();
    assert_eq!(declared.end(DeclaredKind::Maintenance, "n.0").unwrap().id, "n.0");
    assert_ne!(declared.version(), version);
    declared.plan(both());
    assert_eq!(declared.in_force(&target("a/m"), at(5)), InForce::default());
    assert!(declared.in_force(&target("a/m"), at(105)).maintenance.is_some());
    // Over a restart, too.
    let (said, ended) = (declared.said().len(), declared.ended().to_vec());
    assert_eq!((said, ended.len()), (0, 1));
    let mut again = Declared::default();
    again.plan(both());
    again.restore(Vec::new(), ended, at(6));
    assert_eq!(again.in_force(&target("a/m"), at(6)), InForce::default());
    again.forget(at(10));
    assert!(again.ended().is_empty(), "what would be over needs no memory");
}

#[test]
fn words_say_who_until_when_and_why() {
    let mut pause = one("x", Declares::Pause, "a", 0, 3_600);
    assert_eq!(pause.words(at(0)), "paused by ana until 14:00 UTC");
    pause.why = "credit is low".to_owned();
    pause.until = at(86_400);
    assert_eq!(
        pause.words(at(0)),
        "paused by ana until 2026-06-21 13:00 UTC: credit is low"
    );
    assert_eq!(
        pause.words(at(86_000)),
        "paused by ana until 13:00 UTC: credit is low"
    );
}
