//! The brain in virtual time: scripted targets, no sockets, no clock.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::*;
use crate::{
    config::{Env, load_text},
    health::{Hint, State},
    verdict::{CanaryKind, FailedAt, Failure, Flags, OffScript, Source, Truncation},
};

mod declared;
mod kinds;
mod traffic;

/// Midnight UTC, so that a budget's day is whole.
const START: Timestamp = Timestamp::from_millis(1_781_913_600_000);
const SEED: u64 = 20_260_620;

/// What a target does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// A whole reply in 800 ms.
    Well,
    /// Nothing, ever.
    Hang,
    /// HTTP 529 at once, with this wait.
    Overloaded(Option<Duration>),
    /// HTTP 500 at once.
    Broken,
    /// Cuts the text of that kind under a natural stop.
    Cuts(ProbeKind),
    /// Answers a tool with text.
    CannotCall,
    /// Sends a call whole, after 8 s.
    CallsLate,
    /// Thinks for 35 s before it says anything.
    Thinks,
}

/// One probe that was sent.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    at: Timestamp,
    id: u64,
    target: String,
    kind: ProbeKind,
    purpose: Purpose,
}

struct Driver {
    brain: Brain,
    now: Timestamp,
    manners: HashMap<String, Manner>,
    sent: Vec<Sent>,
    transitions: Vec<Transition>,
    replies: BTreeMap<(Timestamp, u64), Observation>,
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn entry(id: &str, rest: &str) -> String {
    format!(
        "[[provider]]\nid = \"{id}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
         reach = false\ncanary = {{ every = \"10s\" }}\nlong = false\n{rest}\n"
    )
}

const FREE: &str = "free = true\nmodels = [\"m\"]\npolite = false";

fn config(entries: &[String]) -> Config {
    let env = Env {
        working_dir: std::env::temp_dir(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    let text = format!("[network]\nanchors = []\n{}", entries.concat());
    match load_text("test.toml", &text, &env) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

impl Driver {
    fn new(config: &Config) -> Self {
        Self {
            brain: Brain::new(config, SEED, START),
            now: START,
            manners: HashMap::new(),
            sent: Vec::new(),
            transitions: Vec::new(),
            replies: BTreeMap::new(),
        }
    }

    fn with(mut self, target: &str, manner: Manner) -> Self {
        self.manners.insert(target.to_owned(), manner);
        self
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Probe(launch) => self.send(&launch),
                Act::Transition(transition) => self.transitions.push(transition),
                Act::Anchors | Act::Incident(..) | Act::Network(_) | Act::Change(_) => {}
            }
        }
    }

    fn send(&mut self, launch: &Launch) {
        let target = launch.model.id.to_string();
        let manner = self.manners.get(&target).copied().unwrap_or(Manner::Well);
        self.sent.push(Sent {
            at: self.now,
            id: launch.id,
            target,
            kind: launch.kind,
            purpose: launch.purpose,
        });
        let failed = |class, status| {
            let at = FailedAt::Status(status);
            Verdict::Errored(Failure { class, at })
        };
        let (verdict, after) = match manner {
            Manner::Hang => return,
            // The edge answers whatever the models behind it do.
            Manner::Well => (Verdict::Complete, 800),
            _ if launch.kind == ProbeKind::Reach => (Verdict::Complete, 50),
            Manner::Overloaded(_) => (failed(ErrorClass::Overloaded, 529), 50),
            Manner::Broken => (failed(ErrorClass::ServerError, 500), 50),
            Manner::Cuts(kind) if kind == launch.kind => (Verdict::Truncated(Truncation::Silent), 800),
            Manner::CannotCall if launch.kind == ProbeKind::Tool && launch.check_text => {
                (Verdict::OffScript(OffScript::Text), 800)
            }
            Manner::CallsLate if launch.kind == ProbeKind::Tool && launch.deadlines.hard < s(8) => {
                (failed(ErrorClass::Timeout, 200), 8_000)
            }
            Manner::CallsLate if launch.kind == ProbeKind::Tool => (Verdict::Complete, 8_100),
            Manner::Thinks if launch.deadlines.hard < s(35) => (failed(ErrorClass::Timeout, 200), 30_000),
            Manner::Thinks => (Verdict::Complete, 35_100),
            Manner::Cuts(_) | Manner::CannotCall | Manner::CallsLate => (Verdict::Complete, 800),
        };
        let canary = launch.kind.canary();
        let source = canary.map_or(Source::Reach, CanaryKind::source);
        let at = self.now.plus(Duration::from_millis(after));
        let mut reply = Observation::new(launch.model.id.clone(), at, source, verdict);
        reply.started = self.now;
        reply.canary = canary.filter(|kind| kind.source().canary() != Some(*kind));
        reply.purpose = launch.purpose;
        reply.expected = verdict == Verdict::Complete;
        if verdict == Verdict::Complete && launch.kind != ProbeKind::Reach {
            reply.phases.first_token =
                Some(Duration::from_millis(if after > 800 { after - 100 } else { 300 }));
            let right = manner != Manner::CannotCall || launch.kind != ProbeKind::Tool;
            reply.flags.set(Flags::SENTINEL_FOUND, right);
            reply.cost_usd = launch.model.price.map_or(0.0, |price| price.cost(60, 32));
        }
        if let Manner::Overloaded(wait) = manner {
            reply.retry_after = wait.filter(|_| launch.kind != ProbeKind::Reach);
        }
        self.replies.insert((at, launch.id), reply);
    }

    fn run(&mut self, span: Duration) {
        let until = self.now.plus(span);
        loop {
            let reply = self.replies.first_key_value().map(|(key, _)| key.0);
            let wake = self.brain.next_wake(self.now);
            let next = reply.map_or(wake, |at| at.min(wake)).max(self.now);
            if next >= until {
                break;
            }
            self.now = next;
            let acts = match self.replies.first_entry().filter(|entry| entry.key().0 <= next) {
                Some(reply) => {
                    let ((_, id), observation) = reply.remove_entry();
                    self.brain.finished(id, &observation, next)
                }
                None => self.brain.wake(next),
            };
            self.act(acts);
            // Time passes even where everything is due at once.
            if self.brain.next_wake(next) <= next && self.replies.keys().all(|key| key.0 > next) {
                let acts = self.brain.wake(next);
                self.act(acts);
                self.now = next.plus(Duration::from_millis(1));
            }
        }
        self.now = until;
    }

    fn of(&self, target: &str) -> Vec<(Timestamp, ProbeKind, Purpose)> {
        let mine = self.sent.iter().filter(|sent| sent.target == target);
        mine.map(|sent| (sent.at, sent.kind, sent.purpose)).collect()
    }

    fn view(&mut self, target: &str) -> Option<crate::health::TargetView> {
        let view = self.brain.view(self.now);
        view.targets
            .into_iter()
            .find(|view| view.id.to_string() == target)
    }

    fn state(&mut self, target: &str) -> Option<State> {
        self.view(target).map(|view| view.state)
    }
}

#[test]
fn a_hung_target_delays_nobody() {
    let all: Vec<String> = ["a", "b", "c"].map(|id| entry(id, FREE)).to_vec();
    let config = config(&all);
    let mut healthy = Driver::new(&config);
    healthy.run(s(3_600));
    let mut hung = Driver::new(&config).with("b/m", Manner::Hang);
    hung.run(s(3_600));
    for other in ["a/m", "c/m"] {
        let sent = hung.of(other);
        assert_eq!(sent, healthy.of(other), "{other} is probed as if nothing were");
        assert!(sent.len() > 350, "{} probes of {other} in an hour", sent.len());
        assert_eq!(hung.state(other), Some(State::Operational));
    }
    // Its own slots pass one by one, are counted, and it isn't silenced for good.
    let (sent, skipped) = (hung.of("b/m").len(), hung.brain.skipped().overdue);
    assert!((2..60).contains(&sent), "{sent} probes into the void");
    assert!(skipped > 300, "{skipped} skipped");
    assert_eq!(hung.state("b/m"), Some(State::Unknown));
}

#[test]
fn what_is_due_while_too_many_are_under_way_is_skipped_and_counted() {
    let models: Vec<String> = (0..1_010).map(|n| format!("\"m{n}\"")).collect();
    let rest = format!("free = true\npolite = false\nmodels = [{}]", models.join(", "));
    let mut driver = Driver::new(&config(&[entry("a", &rest)]));
    for n in 0..1_010 {
        driver.manners.insert(format!("a/m{n}"), Manner::Hang);
    }
    driver.run(s(12));
    assert_eq!(driver.brain.in_flight(), MAX_IN_FLIGHT);
    assert!(driver.brain.skipped().overdue >= 10);
    // A place that comes free is taken again.
    let lost = driver.sent[0].id;
    driver.brain.lost(lost, driver.now);
    assert_eq!(driver.brain.in_flight(), MAX_IN_FLIGHT - 1);
    driver.run(s(10));
    assert_eq!(driver.brain.in_flight(), MAX_IN_FLIGHT);
}

#[test]
fn a_lost_probe_frees_its_place_and_counts_as_paid() {
    let paid =
        "[[provider.model]]\nid = \"m\"\nprice = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }";
    let config = config(&["[budget]\nusd_per_day = 100.0\n".to_owned(), entry("a", paid)]);
    let mut driver = Driver::new(&config).with("a/m", Manner::Hang);
    driver.run(s(25));
    let overdue = driver.brain.skipped().overdue;
    let (id, sent) = (driver.sent[0].id, driver.sent.len());
    assert!(
        overdue > 0 && sent == 1,
        "{sent} sent, {overdue} skipped while the first is under way"
    );
    driver.brain.lost(id, driver.now);
    assert_eq!(driver.brain.in_flight(), 0);
    let spent = driver.view("a/m").expect("a target").spent_usd_today;
    let worst = worst_case(&config.providers[0].models[0], CanaryKind::Short);
    assert!(worst > 0.0 && (spent - worst).abs() < 1e-9, "{spent} of {worst}");
    driver.run(s(11));
    assert_eq!(driver.sent.len(), 2, "its next slot is its own again");
    // Heard of once more by mistake: nothing is booked twice.
    driver.brain.lost(id, driver.now);
    assert_eq!(driver.brain.in_flight(), 1);
}

#[test]
fn a_spent_budget_stops_canaries_and_nothing_else() {
    let paid = "reach = { every = \"10s\" }\n[[provider.model]]\nid = \"m\"\n\
                price = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }";
    let text = entry("a", paid).replacen("reach = false\n", "", 1);
    let config = config(&["[budget]\nusd_per_day = 0.02\n".to_owned(), text]);
    let mut driver = Driver::new(&config);
    driver.run(s(6 * 3_600));
    let canaries = |driver: &Driver| {
        let sent = driver.sent.iter();
        sent.filter(|sent| sent.kind == ProbeKind::Canary).count()
    };
    let reaches = |driver: &Driver| driver.sent.len() - canaries(driver);
    let (before, reached) = (canaries(&driver), reaches(&driver));
    let view = driver.view("a/m").expect("a target");
    assert!(view.flags.contains(&"budget_spent"), "{:?}", view.flags);
    // A fifth is kept for confirming and recovery; the next one at its worst would not fit into the rest.
    let (spent, worst) = (
        view.spent_usd_today,
        worst_case(&config.providers[0].models[0], CanaryKind::Short),
    );
    assert!(spent <= 0.016 && spent + worst > 0.016, "{spent}, {worst} each");
    assert_ne!(view.state, State::Operational, "nobody generates: nobody knows");
    driver.run(s(3_600));
    assert_eq!(canaries(&driver), before, "no money, no canary");
    assert!(reaches(&driver) >= reached + 350, "reach goes on");
    assert!(driver.brain.skipped().budget >= 350);
    driver.run(s(17 * 3_600 + 60));
    let view = driver.view("a/m").expect("a target");
    assert!(canaries(&driver) > before, "a new day has money");
    assert!(!view.flags.contains(&"budget_spent"), "{:?}", view.flags);
    assert_eq!(view.state, State::Operational);
}

#[test]
fn a_reload_drops_who_is_gone_and_keeps_what_is_known() {
    let both = config(&[entry("a", FREE), entry("b", FREE)]);
    let mut driver = Driver::new(&both)
        .with("a/m", Manner::Broken)
        .with("b/m", Manner::Hang);
    driver.run(s(300));
    let before = driver.view("a/m").expect("a target");
    assert_eq!(before.state, State::Down);
    let hung = driver.sent.iter().rfind(|sent| sent.target == "b/m");
    let hung = hung.expect("a probe under way").id;

    let config = config(&[entry("a", FREE), entry("c", FREE)]);
    let acts = driver.brain.reconfigure(&config, driver.now);
    driver.act(acts);
    let after = driver.view("a/m").expect("a target");
    assert_eq!(
        (after.state, after.since, after.incident, after.figures),
        (before.state, before.since, before.incident, before.figures)
    );
    assert_eq!(driver.state("b/m"), None);
    assert_eq!(driver.state("c/m"), Some(State::Unknown));

    // A probe of a target that is gone comes back: no ghost.
    let now = driver.now;
    let target: TargetId = "b/m".parse().expect("a target");
    let late = Observation::new(target, now, Source::Canary, Verdict::Complete);
    let acts = driver.brain.finished(hung, &late, now);
    assert!(acts.is_empty(), "{acts:?}");
    assert_eq!(driver.state("b/m"), None);

    driver.sent.clear();
    driver.manners.clear();
    driver.run(s(300));
    assert!(driver.of("b/m").is_empty(), "nobody probes who is gone");
    assert!(driver.of("c/m").len() >= 29);
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    assert_eq!(driver.state("c/m"), Some(State::Operational));
}

#[test]
fn a_model_that_is_given_time_is_not_late_for_taking_it() {
    let models = format!("{FREE}\n[[provider.model]]\nid = \"slow\"\nlimits = {{ first_token = \"120s\" }}");
    let mut driver = Driver::new(&config(&[entry("a", &models)]))
        .with("a/m", Manner::Thinks)
        .with("a/slow", Manner::Thinks);
    driver.run(s(6 * 3_600));
    assert_eq!(driver.state("a/m"), Some(State::Down));
    assert_eq!(driver.state("a/slow"), Some(State::Operational));
    let own = driver
        .transitions
        .iter()
        .filter(|told| told.target.model().as_str() == "slow");
    assert_eq!(own.filter(|told| told.to.is_impaired()).count(), 0);
    let target: TargetId = "a/slow".parse().expect("an id");
    let learnt = driver.brain.engine.deadlines(&target, Length::Short);
    assert!((s(43)..s(45)).contains(&learnt.soft), "{learnt:?}");
}

#[test]
fn an_unchanged_reload_changes_no_timetable() {
    let config = config(&[entry("a", FREE), entry("b", FREE)]);
    let mut plain = Driver::new(&config);
    plain.run(s(600));
    let mut reloaded = Driver::new(&config);
    for _ in 0..20 {
        reloaded.run(s(30));
        let acts = reloaded.brain.reconfigure(&config, reloaded.now);
        assert!(acts.is_empty(), "{acts:?}");
    }
    assert_eq!(plain.sent, reloaded.sent);
}

#[test]
fn retry_after_goes_before_everything_but_money() {
    let polite = FREE.replace("polite = false", "polite = true");
    let mut driver = Driver::new(&config(&[entry("a", &polite)]));
    driver.run(s(300));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    driver
        .manners
        .insert("a/m".to_owned(), Manner::Overloaded(Some(s(120))));
    driver.sent.clear();
    driver.run(s(3_600));
    let sent = driver.of("a/m");
    assert!(sent.len() > 5, "{sent:?}");
    for (at, ..) in &sent {
        let answered = at.plus(Duration::from_millis(50));
        let waits =
            |sent: &&(Timestamp, ProbeKind, Purpose)| (answered..answered.plus(s(120))).contains(&sent.0);
        let early: Vec<_> = sent.iter().filter(waits).collect();
        assert!(
            early.is_empty(),
            "told to wait at {answered:?}, and yet {early:?}"
        );
    }
    // A recovery probe waits until the very end of the wait, it isn't dropped.
    let wait = s(120) + Duration::from_millis(50);
    let waited = |pair: &[(Timestamp, ProbeKind, Purpose)]| {
        pair[1].2 == Purpose::Recovery && pair[1].0 == pair[0].0.plus(wait)
    };
    assert!(sent.windows(2).any(waited), "{sent:?}");
    let (state, hint) = driver
        .view("a/m")
        .map(|view| (view.state, view.routing.hint))
        .expect("a target");
    assert!(
        state.is_impaired() || state == State::Unknown,
        "{state} with {hint:?}"
    );
    assert_ne!(hint, Hint::Allow);

    driver.manners.clear();
    driver.run(s(600));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
}

#[test]
fn confirming_probes_of_an_overloaded_provider_are_dropped_and_counted() {
    let polite = FREE.replace("polite = false", "polite = true");
    let mut driver = Driver::new(&config(&[entry("a", &polite)]));
    driver.run(s(300));
    driver.manners.insert("a/m".to_owned(), Manner::Broken);
    driver.sent.clear();
    while driver.sent.is_empty() {
        driver.run(Duration::from_millis(10));
    }
    // The answer to another model's request, before the first bad one of this target comes in.
    let provider = ProviderId::new("a").expect("an id");
    driver
        .brain
        .schedule
        .overload(&provider, Some(s(120)), driver.now);
    driver.run(s(110));
    assert_eq!(driver.sent.len(), 1, "{:?}", driver.sent);
    assert!(driver.brain.skipped().polite > 0);
    driver.run(s(60));
    assert!(driver.sent.len() > 1, "and then it goes on");
}

#[test]
fn a_provider_that_asks_for_nothing_is_confirmed_at_once() {
    // The counterpart: without politeness the same outage is confirmed within seconds.
    let mut driver = Driver::new(&config(&[entry("a", FREE)]));
    driver.run(s(300));
    driver
        .manners
        .insert("a/m".to_owned(), Manner::Overloaded(Some(s(120))));
    driver.sent.clear();
    driver.run(s(60));
    let sent = driver.of("a/m");
    assert!(sent.iter().any(|sent| sent.2 == Purpose::Confirm), "{sent:?}");
    assert_eq!(driver.state("a/m"), Some(State::Down));
    assert_eq!(driver.brain.skipped().polite, 0);
}

#[test]
fn an_edge_that_answers_does_not_end_a_wait() {
    let polite = FREE.replace("polite = false", "polite = true");
    let with_reach = entry("a", &polite).replace("reach = false", "reach = { every = \"5s\" }");
    let mut driver = Driver::new(&config(&[with_reach]));
    driver.run(s(300));
    assert!(driver.sent.iter().any(|sent| sent.kind == ProbeKind::Reach));
    driver
        .manners
        .insert("a/m".to_owned(), Manner::Overloaded(Some(s(120))));
    driver.sent.clear();
    driver.run(s(1_000));
    let canaries: Vec<_> = driver
        .of("a/m")
        .into_iter()
        .filter(|sent| sent.1 == ProbeKind::Canary)
        .collect();
    assert!(canaries.len() > 2, "{canaries:?}");
    for pair in canaries.windows(2) {
        assert!(pair[1].0.since(pair[0].0) >= s(120), "{pair:?}");
    }
}

#[test]
fn recovery_probes_that_wait_do_not_pile_up() {
    let polite = FREE.replace("polite = false", "polite = true");
    let mut driver = Driver::new(&config(&[entry("a", &polite)]));
    let target: TargetId = "a/m".parse().expect("an id");
    let provider = target.provider().clone();
    driver
        .brain
        .schedule
        .overload(&provider, Some(s(200)), driver.now);
    let order = ProbeOrder {
        subject: Subject::Model(target, Length::Short),
        due: driver.now,
        purpose: Purpose::Recovery,
    };
    for _ in 0..5 {
        let acts = driver.brain.acts(vec![Effect::Probe(order.clone())], driver.now);
        assert!(acts.is_empty(), "{acts:?}");
    }
    assert_eq!(driver.brain.orders.len(), 1, "{:?}", driver.brain.orders);
}
