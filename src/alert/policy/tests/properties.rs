//! Whatever happens, and whenever the daemon is started again: nobody is told too much, and nobody is left waiting.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const IDS: [&str; 4] = ["a/1", "a/2", "b/1", "b/2"];

/// What can happen.
#[derive(Debug, Clone)]
enum Deed {
    Fails(usize, State),
    Recovers(usize),
    Closes(usize),
    Unknown(usize),
    Maintenance(usize),
    Blocked(usize, bool),
    Network(bool),
    Store(bool),
    Ack(usize),
    /// So many seconds, looked at whenever the policy asks.
    Pass(u64),
    /// So many seconds in which nobody looks.
    Away(u64),
    Restart,
    /// The last look's transaction was lost with the process.
    Lost,
    Rules(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = 0..IDS.len();
    let ill = prop_oneof![Just(State::Degraded), Just(State::Partial), Just(State::Down)];
    prop_oneof![
        6 => (id.clone(), ill).prop_map(|(id, state)| Deed::Fails(id, state)),
        4 => id.clone().prop_map(Deed::Recovers),
        4 => id.clone().prop_map(Deed::Closes),
        2 => id.clone().prop_map(Deed::Unknown),
        1 => id.clone().prop_map(Deed::Maintenance),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, on)| Deed::Blocked(id, on)),
        2 => any::<bool>().prop_map(Deed::Network),
        1 => any::<bool>().prop_map(Deed::Store),
        1 => id.prop_map(Deed::Ack),
        8 => (1_u64..900).prop_map(Deed::Pass),
        2 => (1_u64..900).prop_map(Deed::Away),
        2 => Just(Deed::Restart),
        2 => Just(Deed::Lost),
        1 => (0_u8..4).prop_map(Deed::Rules),
    ]
}

/// Two channels, one with quiet hours, and two rules.
fn setting() -> Alerts {
    let mut both = rule("both", &AlertOn::STANDARD, &["one", "two"]);
    both.remind = Some(Duration::from_secs(1_200));
    let mut late = rule(
        "late",
        &[AlertOn::State(State::Degraded), AlertOn::State(State::Down)],
        &["two"],
    );
    late.after = Duration::from_secs(120);
    late.group = crate::config::AlertGroup::Rule;
    let mut alerts = alerts(&["one", "two"], vec![both, late]);
    alerts.channels[1].quiet = vec![crate::config::Quiet {
        from: 13 * 60 + 30,
        to: 14 * 60,
        days: Vec::new(),
        zone: jiff::tz::TimeZone::UTC,
        unless: None,
    }];
    alerts
}

/// A message as its receiver remembers it.
type Heard = (MessageKind, Timestamp, Severity);

/// What the people behind the channels have seen.
#[derive(Default)]
struct Seen {
    /// By channel and alarm: kinds in order.
    alarms: HashMap<(String, String), Vec<Heard>>,
    /// By key: channel, alarm, kind, who was named.
    keys: HashMap<String, String>,
}

impl Seen {
    fn take(&mut self, messages: &[Message], offline: bool) {
        for message in messages {
            let names: Vec<_> = message
                .subjects
                .iter()
                .map(|it| (&it.name, it.until.is_some()))
                .collect();
            let content = format!("{} {} {} {names:?}", message.channel, message.alarm, message.kind);
            let known = self.keys.insert(message.key.clone(), content.clone());
            assert_eq!(known, None, "a key stands for one message");
            if offline {
                for subject in &message.subjects {
                    assert_eq!(subject.name, "endturn", "told while our own network is lost");
                }
            }
            let of = (message.channel.clone(), message.alarm.clone());
            let before = self.alarms.entry(of).or_default();
            let open = before.iter().any(|(kind, _, _)| *kind == MessageKind::Firing);
            let over = before.iter().any(|(kind, _, _)| *kind == MessageKind::Resolved);
            assert!(!over, "after its end an alarm is silent: {content}");
            match message.kind {
                MessageKind::Firing => assert!(!open, "an alarm begins once: {content}"),
                MessageKind::Notice | MessageKind::Test => panic!("nobody asked: {content}"),
                _ => assert!(open, "nothing is told of what nobody knows: {content}"),
            }
            before.push((message.kind, message.at.0, message.severity));
        }
    }

    /// Updates keep their distance, unless the severity rises.
    fn check_pace(&self) {
        for ((channel, alarm), told) in &self.alarms {
            for pair in told.windows(2) {
                let ((_, before, was), (kind, at, is)) = (pair[0], pair[1]);
                if kind == MessageKind::Update && is <= was {
                    assert!(at >= before.plus(GROUP_INTERVAL), "{channel} {alarm}: {told:?}");
                }
            }
            let acknowledged = told
                .iter()
                .filter(|(kind, _, _)| *kind == MessageKind::Acknowledged)
                .count();
            assert!(acknowledged <= 1, "{channel} {alarm}: {told:?}");
        }
    }
}

/// Does it; gives the messages that left the house.
fn does(stage: &mut Stage, seen: &mut Seen, deed: &Deed) {
    match deed {
        Deed::Fails(id, state) => stage.fails(IDS[*id], *state),
        Deed::Recovers(id) => stage.recovers(IDS[*id]),
        Deed::Closes(id) => {
            if stage.target(IDS[*id]).state == State::Operational {
                stage.closes(IDS[*id]);
            }
        }
        Deed::Unknown(id) => stage.state(IDS[*id], State::Unknown),
        Deed::Maintenance(id) => stage.state(IDS[*id], State::Maintenance),
        Deed::Blocked(id, on) => {
            stage.target(IDS[*id]).routing.hint = if *on { Hint::Blocked } else { Hint::Allow };
        }
        Deed::Network(on) => stage.network(if *on { Network::Online } else { Network::Offline }),
        Deed::Store(ok) => {
            stage.health.head.store.state = if *ok { StoreState::Ok } else { StoreState::Failing }
        }
        Deed::Ack(n) => {
            let alarms = stage.policy.alarms();
            if let Some(alarm) = alarms.get(*n).filter(|alarm| alarm.phase != Phase::Ended) {
                let told = stage
                    .policy
                    .ack(&alarm.id, "ana", stage.now)
                    .expect("it is there");
                // It goes by what the last look saw.
                seen.take(&told, stage.policy.offline);
            }
        }
        Deed::Pass(seconds) => {
            let told = stage.pass(*seconds);
            seen.take(&told, stage.health.head.network == Network::Offline);
        }
        Deed::Away(seconds) => stage.now = stage.now.plus(Duration::from_secs(*seconds)),
        Deed::Restart => stage.restart(),
        Deed::Lost => {
            let memory = stage.policy.memory();
            // Decided, and lost before it was kept.
            let lost = stage.messages();
            stage.policy = Policy::new(&stage.alerts, "fra-1");
            stage.policy.restore(&memory).expect("its own memory");
            let again = stage.messages();
            let keys = |told: &[Message]| told.iter().map(|told| told.key.clone()).collect::<Vec<_>>();
            assert_eq!(keys(&lost), keys(&again), "the same under the same keys");
            seen.take(&again, stage.health.head.network == Network::Offline);
        }
        Deed::Rules(which) => stage.configure(|alerts| {
            let mut setting = setting();
            if which & 1 != 0 {
                setting.rules.remove(0);
            }
            if which & 2 != 0 {
                setting.rules.pop();
            }
            *alerts = setting;
        }),
    }
}

/// Everything becomes well, and stays so for long enough.
fn calm(stage: &mut Stage, seen: &mut Seen) {
    let ends = [Deed::Network(true), Deed::Store(true), Deed::Rules(0)];
    for deed in &ends {
        does(stage, seen, deed);
    }
    for id in IDS {
        stage.recovers(id);
    }
    seen.take(&stage.pass(61), false);
    for id in IDS {
        stage.closes(id);
    }
    seen.take(&stage.pass(86_400), false);
}

proptest! {
    #[test]
    fn whoever_is_told_that_it_began_is_told_once_that_it_is_over(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut stage = Stage::new(setting(), &IDS);
        let mut seen = Seen::default();
        for deed in &deeds {
            does(&mut stage, &mut seen, deed);
        }
        calm(&mut stage, &mut seen);
        for ((channel, alarm), told) in &seen.alarms {
            let count = |wanted: MessageKind| told.iter().filter(|(kind, _, _)| *kind == wanted).count();
            prop_assert_eq!(
                (count(MessageKind::Firing), count(MessageKind::Resolved)),
                (1, 1),
                "{} {}: {:?}", channel, alarm, told
            );
        }
        seen.check_pace();
        prop_assert!(stage.policy.alarms().is_empty());
        let memory = stage.policy.memory();
        prop_assert!(memory.len() < 200, "nothing is left behind: {}", memory);
        let alarms: HashSet<&String> = seen.alarms.keys().map(|(_, alarm)| alarm).collect();
        prop_assert!(alarms.iter().all(|alarm| alarm.len() <= 24));
    }

    #[test]
    fn looking_more_often_tells_no_more(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut stage = Stage::new(setting(), &IDS);
        let mut seen = Seen::default();
        for deed in &deeds {
            does(&mut stage, &mut seen, deed);
            let told = stage.messages();
            seen.take(&told, stage.health.head.network == Network::Offline);
            prop_assert!(stage.messages().is_empty(), "the same moment again");
        }
    }
}
