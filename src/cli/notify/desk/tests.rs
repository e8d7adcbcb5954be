use proptest::prelude::*;

use super::*;
use crate::{alert::MessageKind, feed::fixture, health::State};

const BASE: &str = "http://127.0.0.1:7411/";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn desk() -> Desk {
    Desk::new(BASE.to_owned(), Severity::Error)
}

/// A feed of these targets, each ill one with the incident `i-TARGET`.
fn feed(targets: &[(&str, &str)]) -> Health {
    let mut health = fixture::named(targets);
    for target in &mut health.targets {
        let ill = target.state.is_impaired();
        target.incident = ill.then(|| format!("i-{}", target.model));
    }
    health
}

fn snapshot(targets: &[(&str, &str)]) -> News {
    News::Snapshot(Box::new(feed(targets)))
}

fn lost() -> News {
    News::Lost {
        why: "connection refused".to_owned(),
        retry: Duration::from_secs(5),
    }
}

/// Everything that is due is shown; what it says, as `slot kind title`.
fn show(desk: &mut Desk, now: Duration) -> Vec<String> {
    let orders = desk.orders(now);
    let lines = orders.iter().map(|order| {
        let message = &order.message;
        format!("{} {} {}", order.slot, message.kind, message.title)
    });
    let lines: Vec<String> = lines.collect();
    for order in orders {
        desk.shown(order, now);
    }
    lines
}

#[test]
fn a_story_of_one_target_is_one_notification() {
    let mut desk = desk();
    for (second, state, told) in [
        (0, "operational", vec![]),
        // Less than what is worth a word.
        (1, "degraded", vec![]),
        (2, "partial", vec!["alarm-1 firing p/m fails in part"]),
        // Too soon after the last.
        (3, "down", vec![]),
        (5, "down", vec!["alarm-1 update p/m is down"]),
        (6, "down", vec![]),
        // Better, but not well: no hurry.
        (20, "degraded", vec![]),
        (35, "degraded", vec!["alarm-1 update p/m is degraded"]),
        // Nothing is known: no news.
        (80, "unknown", vec![]),
        (
            90,
            "operational",
            vec!["alarm-1 resolved p/m is operational again"],
        ),
        (95, "operational", vec![]),
        // The same incident again: the same place.
        (100, "down", vec!["alarm-1 firing p/m is down"]),
        (110, "maintenance", vec!["alarm-1 resolved p/m is in maintenance"]),
        // Long after: another one.
        (800, "down", vec!["alarm-2 firing p/m is down"]),
    ] {
        desk.hear(snapshot(&[("p/m", state)]), at(second));
        assert_eq!(show(&mut desk, at(second)), told, "second {second}");
    }
}

#[test]
fn targets_of_one_provider_share_a_notification_and_others_do_not() {
    let mut desk = desk();
    desk.hear(
        snapshot(&[("p/a", "down"), ("p/b", "operational"), ("q/c", "partial")]),
        at(0),
    );
    assert_eq!(
        show(&mut desk, at(0)),
        ["alarm-1 firing p/a is down", "alarm-2 firing q/c fails in part"]
    );
    desk.hear(
        snapshot(&[("p/a", "down"), ("p/b", "partial"), ("q/c", "operational")]),
        at(4),
    );
    assert_eq!(
        show(&mut desk, at(4)),
        [
            "alarm-1 update p: 1 target down, 1 target partial",
            "alarm-2 resolved q/c is operational again"
        ]
    );
    desk.hear(
        snapshot(&[("p/a", "operational"), ("p/b", "down"), ("q/c", "operational")]),
        at(40),
    );
    assert_eq!(
        show(&mut desk, at(40)),
        ["alarm-1 update p: 1 target down, 1 well again"]
    );
    desk.hear(
        snapshot(&[("p/a", "operational"), ("p/b", "operational")]),
        at(50),
    );
    assert_eq!(
        show(&mut desk, at(50)),
        ["alarm-1 resolved p: all 2 targets are operational again"]
    );
}

#[test]
fn what_open_opens_is_below_the_address_that_was_given() {
    let mut health = feed(&[("p/a", "down"), ("q/b:free", "down"), ("r/c", "down")]);
    health.targets[1].incident = Some("../../evil?x=http://evil".to_owned());
    health.targets[2].official = Some(crate::feed::v1::Official {
        state: State::Down,
        at: health.head.generated_at,
        word: None,
        title: Some("We are <looking>".to_owned()),
        url: Some("http://evil.example/".to_owned()),
    });
    let mut desk = desk();
    desk.hear(News::Snapshot(Box::new(health)), at(0));
    let orders = desk.orders(at(0));
    let links: Vec<_> = orders
        .iter()
        .map(|order| order.message.link.clone().unwrap())
        .collect();
    assert_eq!(
        links,
        [
            "http://127.0.0.1:7411/incidents/i-a",
            "http://127.0.0.1:7411/targets/q/b:free",
            "http://127.0.0.1:7411/incidents/i-c"
        ]
    );
    let subject = &orders[2].message.subjects[0];
    assert_eq!(subject.official.as_deref(), Some("We are <looking>"));
    assert_eq!(subject.evidence, "58 % of 12 fail (29 to 79 %); canary");
    assert!(!format!("{:?}", orders[2].message).contains("evil"));
}

#[test]
fn a_link_leads_to_the_incident_once_there_is_one() {
    let mut desk = desk();
    let mut health = feed(&[("p/a", "down")]);
    health.targets[0].incident = None;
    desk.hear(News::Snapshot(Box::new(health)), at(0));
    show(&mut desk, at(0));
    assert_eq!(
        desk.link("alarm-1").as_deref(),
        Some("http://127.0.0.1:7411/targets/p/a")
    );
    desk.hear(snapshot(&[("p/a", "down")]), at(15));
    // No reason to show it anew.
    assert_eq!(show(&mut desk, at(60)), Vec::<String>::new());
    assert_eq!(
        desk.link("alarm-1").as_deref(),
        Some("http://127.0.0.1:7411/incidents/i-a")
    );
    assert_eq!(desk.link("alarm-2"), None);
}

#[test]
fn figures_alone_never_show_anything_anew() {
    let mut desk = desk();
    desk.hear(snapshot(&[("p/m", "down")]), at(0));
    assert_eq!(show(&mut desk, at(0)).len(), 1);
    let mut health = feed(&[("p/m", "down")]);
    health.targets[0].reason.text = "9 of 14 replies ended".to_owned();
    health.targets[0].failure_rate = fixture::rate(9, 14);
    desk.hear(News::Snapshot(Box::new(health.clone())), at(60));
    assert_eq!(show(&mut desk, at(60)), Vec::<String>::new());
    assert_eq!(desk.next_wake(at(60)), None);
    // Another reason is news, with the newest text.
    health.targets[0].reason.code = "overloaded".into();
    desk.hear(News::Snapshot(Box::new(health)), at(61));
    let orders = desk.orders(at(61));
    assert_eq!(orders[0].message.subjects[0].text, "9 of 14 replies ended");
}

#[test]
fn whoever_took_it_away_is_told_what_is_worse_and_what_is_over() {
    let mut desk = desk();
    desk.hear(snapshot(&[("p/a", "partial"), ("p/b", "operational")]), at(0));
    show(&mut desk, at(0));
    desk.dismissed("alarm-1");
    let mut health = feed(&[("p/a", "partial"), ("p/b", "operational")]);
    health.targets[0].reason.code = "overloaded".into();
    desk.hear(News::Snapshot(Box::new(health)), at(40));
    assert_eq!(show(&mut desk, at(40)), Vec::<String>::new());
    assert_eq!(desk.next_wake(at(40)), None);
    desk.hear(snapshot(&[("p/a", "partial"), ("p/b", "partial")]), at(50));
    assert_eq!(show(&mut desk, at(50)), ["alarm-1 update p: 2 targets partial"]);
    desk.dismissed("alarm-1");
    desk.hear(
        snapshot(&[("p/a", "operational"), ("p/b", "operational")]),
        at(60),
    );
    assert_eq!(
        show(&mut desk, at(60)),
        ["alarm-1 resolved p: all 2 targets are operational again"]
    );
}

#[test]
fn a_daemon_that_is_away_for_long_is_told_once_and_a_restart_is_not() {
    let mut desk = desk();
    desk.hear(snapshot(&[("p/m", "down")]), at(0));
    show(&mut desk, at(0));
    desk.hear(lost(), at(10));
    assert_eq!(desk.next_wake(at(10)), Some(GONE_AFTER));
    desk.hear(lost(), at(15));
    assert_eq!(desk.next_wake(at(15)), Some(at(25)));
    assert_eq!(show(&mut desk, at(39)), Vec::<String>::new());
    desk.hear(snapshot(&[("p/m", "down")]), at(39));
    assert_eq!(show(&mut desk, at(45)), Vec::<String>::new());
    desk.hear(lost(), at(50));
    // Nothing is taken back while nothing is known.
    assert_eq!(
        show(&mut desk, at(80)),
        ["alarm-2 firing endturn does not answer"]
    );
    desk.hear(lost(), at(90));
    assert_eq!(show(&mut desk, at(200)), Vec::<String>::new());
    desk.hear(snapshot(&[("p/m", "operational")]), at(201));
    assert_eq!(
        show(&mut desk, at(201)),
        [
            "alarm-1 resolved p/m is operational again",
            "alarm-2 resolved endturn answers again"
        ]
    );
}

#[test]
fn a_lost_network_is_one_notification_and_none_about_providers() {
    let mut desk = desk();
    let mut health = feed(&[("p/m", "unknown"), ("q/m", "unknown")]);
    health.head.network = Network::Offline;
    desk.hear(News::Snapshot(Box::new(health)), at(0));
    assert_eq!(show(&mut desk, at(9)), Vec::<String>::new());
    assert_eq!(desk.next_wake(at(9)), Some(at(1)));
    assert_eq!(
        show(&mut desk, at(10)),
        ["alarm-1 firing No network where endturn runs"]
    );
    desk.hear(
        snapshot(&[("p/m", "operational"), ("q/m", "operational")]),
        at(20),
    );
    assert_eq!(
        show(&mut desk, at(20)),
        ["alarm-1 resolved The network is back where endturn runs"]
    );
}

#[test]
fn without_a_server_it_waits_longer_each_time_and_then_shows_what_is_still_so() {
    let mut desk = desk();
    desk.hear(snapshot(&[("p/m", "down"), ("q/m", "down")]), at(0));
    let mut now = at(0);
    let mut waits = Vec::new();
    for failure in 0..9 {
        assert_eq!(desk.orders(now).len(), 2);
        assert_eq!(desk.refused(now), failure == 0, "said once");
        assert!(desk.orders(now).is_empty());
        let wait = desk.next_wake(now).unwrap();
        waits.push(wait.as_secs());
        now += wait;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    // One is over before anybody was told: there is nothing to say about it.
    desk.hear(snapshot(&[("p/m", "operational"), ("q/m", "down")]), now);
    assert_eq!(show(&mut desk, now), ["alarm-2 firing q/m is down"]);
    assert!(desk.refused(now), "said anew after it was back");
}

#[test]
fn too_much_is_put_off_and_the_gravest_comes_first() {
    let ids: Vec<String> = (0..RATE + 2).map(|n| format!("p{n:02}/m")).collect();
    let targets = |last: &'static str| -> Vec<(&str, &str)> {
        let state = |n| if n >= RATE { last } else { "partial" };
        ids.iter()
            .enumerate()
            .map(|(n, id)| (id.as_str(), state(n)))
            .collect()
    };
    let mut desk = desk();
    desk.hear(snapshot(&targets("down")), at(0));
    let told = show(&mut desk, at(0));
    assert_eq!(told.len(), RATE);
    assert!(
        told[0].ends_with("p10/m is down") && told[1].ends_with("p11/m is down"),
        "{told:?}"
    );
    assert_eq!(show(&mut desk, at(59)), Vec::<String>::new());
    assert_eq!(desk.next_wake(at(59)), Some(at(1)));
    assert_eq!(show(&mut desk, at(60)).len(), 2);
    assert_eq!(desk.next_wake(at(60)), None);
}

#[test]
fn targets_that_are_paused_or_gone_are_over_and_say_so() {
    let mut desk = desk();
    desk.hear(snapshot(&[("p/a", "down"), ("q/b", "down")]), at(0));
    show(&mut desk, at(0));
    let mut health = feed(&[("p/a", "unknown")]);
    health.targets[0].reason.code = "paused".into();
    desk.hear(News::Snapshot(Box::new(health)), at(5));
    assert_eq!(
        show(&mut desk, at(5)),
        [
            "alarm-1 resolved p/a is paused",
            "alarm-2 resolved q/b is no longer watched"
        ]
    );
}

#[test]
fn a_delta_counts_like_a_snapshot_and_none_counts_before_one() {
    let delta = |state| {
        let health = feed(&[("p/m", state)]);
        let delta = serde_json::json!({"targets": health.targets});
        let mut whole = serde_json::to_value(&health.head).unwrap();
        whole
            .as_object_mut()
            .unwrap()
            .extend(delta.as_object().unwrap().clone());
        News::Delta(Box::new(serde_json::from_value(whole).unwrap()))
    };
    let mut desk = desk();
    desk.hear(delta("down"), at(0));
    assert_eq!(show(&mut desk, at(0)), Vec::<String>::new());
    desk.hear(snapshot(&[("p/m", "operational")]), at(0));
    desk.hear(delta("down"), at(1));
    assert_eq!(show(&mut desk, at(1)), ["alarm-1 firing p/m is down"]);
}

#[derive(Debug, Clone)]
enum Step {
    Feed(Vec<usize>),
    Lost,
    Wait(u64),
    Refuse,
    Dismiss(usize),
}

const TARGETS: [&str; 5] = ["p/a", "p/b", "q/a", "q/b", "r/a"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..State::ALL.len(), TARGETS.len()).prop_map(Step::Feed),
        1 => Just(Step::Lost),
        3 => (0..100_u64).prop_map(Step::Wait),
        1 => Just(Step::Refuse),
        1 => (1..6_usize).prop_map(Step::Dismiss),
    ]
}

fn states(chosen: &[usize]) -> News {
    let words: Vec<(&str, &str)> = TARGETS
        .iter()
        .zip(chosen)
        .map(|(id, state)| (*id, State::ALL[*state].as_str()))
        .collect();
    snapshot(&words)
}

proptest! {
    /// Whatever happened: the rate holds, an end follows a beginning and once, and when it is calm the screen shows what
    /// is so.
    #[test]
    fn the_screen_comes_right_by_itself(steps in prop::collection::vec(step(), 1..60)) {
        let mut desk = desk();
        let mut now = Duration::ZERO;
        let mut shown_at: Vec<Duration> = Vec::new();
        let mut screen: std::collections::BTreeMap<String, MessageKind> = std::collections::BTreeMap::new();
        let mut last = vec![0; TARGETS.len()];
        let mut refuse = false;
        let calm = vec![Step::Wait(120); 20];
        let end: Vec<Step> = std::iter::once(Step::Feed(last.clone())).chain(calm).collect();
        for step in steps.into_iter().chain(end) {
            match step {
                Step::Feed(chosen) => {
                    desk.hear(states(&chosen), now);
                    last = chosen;
                }
                Step::Lost => desk.hear(lost(), now),
                Step::Wait(seconds) => now += at(seconds),
                Step::Refuse => refuse = true,
                Step::Dismiss(n) => desk.dismissed(&format!("alarm-{n}")),
            }
            for order in desk.orders(now) {
                if std::mem::take(&mut refuse) {
                    desk.refused(now);
                    break;
                }
                let before = screen.get(&order.slot).copied();
                let open = before.is_some_and(|kind| kind != MessageKind::Resolved);
                let kind = order.message.kind;
                prop_assert_eq!(open, kind != MessageKind::Firing, "{:?} after {:?}", kind, before);
                screen.insert(order.slot.clone(), kind);
                shown_at.push(now);
                let within = shown_at.iter().filter(|at| now.saturating_sub(**at) < RATE_WINDOW).count();
                prop_assert!(within <= RATE);
                desk.shown(order, now);
            }
        }
        // The last feed was all operational: nothing is left that says otherwise.
        prop_assert_eq!(&last, &vec![0; TARGETS.len()]);
        prop_assert!(screen.values().all(|kind| *kind == MessageKind::Resolved), "{:?}", screen);
        prop_assert_eq!(desk.next_wake(now), None);
    }
}
