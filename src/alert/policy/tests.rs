use std::{collections::HashMap, time::Duration};

use super::*;
use crate::{
    alert::{Message, MessageKind, Severity},
    config::{AlertOn, Secret, Trouble, Way},
    feed::{
        fixture::named,
        v1::{Health, SetAside, StoreState, TargetHealth},
    },
    health::{Change, ChangeKind, Hint, Incident, Network, Reason, ReasonCode, State},
};

mod endings;
mod limits;
mod properties;
mod quiet;
mod stories;

/// Saturday, 20 June 2026, 13:05 UTC.
const START: Timestamp = crate::feed::fixture::NOW;

/// A daemon's world in virtual time: a feed, its incidents, and a policy that looks at them.
struct Stage {
    policy: Policy,
    alerts: Alerts,
    health: Health,
    incidents: HashMap<String, Incident>,
    routes: Vec<crate::feed::route::Route>,
    changes: Vec<Change>,
    now: Timestamp,
    number: usize,
}

fn channel(name: &str) -> Channel {
    let way = Way::Slack {
        url: Secret::new("https://hooks.example/x"),
    };
    Channel::new(name, way)
}

fn rule(name: &str, on: &[AlertOn], channels: &[&str]) -> AlertRule {
    AlertRule {
        on: on.to_vec(),
        ..AlertRule::standard(name, channels.iter().map(|name| (*name).to_owned()).collect())
    }
}

const ILL: [AlertOn; 2] = AlertOn::DEFAULT;

fn alerts(channels: &[&str], rules: Vec<AlertRule>) -> Alerts {
    Alerts {
        public_url: None,
        channels: channels.iter().map(|name| channel(name)).collect(),
        rules,
    }
}

/// One channel with the standard rule.
fn standard() -> Alerts {
    alerts(
        &["oncall"],
        vec![AlertRule::standard("default", vec!["oncall".to_owned()])],
    )
}

/// `oncall firing critical: a/m is down`.
fn brief(messages: &[Message]) -> Vec<String> {
    let line = |message: &Message| {
        let severity = message.severity.as_str();
        format!(
            "{} {} {severity}: {}",
            message.channel, message.kind, message.title
        )
    };
    messages.iter().map(line).collect()
}

impl Stage {
    fn new(alerts: Alerts, targets: &[&str]) -> Self {
        let targets: Vec<_> = targets.iter().map(|id| (*id, "operational")).collect();
        Self {
            policy: Policy::new(&alerts, "fra-1"),
            alerts,
            health: named(&targets),
            incidents: HashMap::new(),
            routes: Vec::new(),
            changes: Vec::new(),
            now: START,
            number: 0,
        }
    }

    fn target(&mut self, id: &str) -> &mut TargetHealth {
        let mut targets = self.health.targets.iter_mut();
        targets
            .find(|target| target.id.to_string() == id)
            .expect("a target of the stage")
    }

    /// A state without anything that follows from it.
    fn state(&mut self, id: &str, state: State) {
        let now = self.now;
        let shown = named(&[(id, state.as_str())]).targets.remove(0);
        let target = self.target(id);
        let incident = target.incident.take();
        *target = shown;
        target.since = now.into();
        target.incident = incident;
    }

    /// It fails, and health has just opened an incident.
    fn fails(&mut self, id: &str, state: State) {
        self.state(id, state);
        if let Some(known) = self.target(id).incident.clone() {
            self.incidents.get_mut(&known).unwrap().recovered = None;
            return;
        }
        self.number += 1;
        let incident = format!("incident-{}", self.number);
        let at = |s| self.now.minus(Duration::from_secs(s));
        self.incidents.insert(
            incident.clone(),
            Incident {
                id: incident.clone(),
                target: id.parse().unwrap(),
                started: at(20),
                detected: at(15),
                opened: self.now,
                recovered: None,
                closed: None,
                worst: state,
                reason: Reason {
                    code: ReasonCode::Truncated,
                    text: "cut".to_owned(),
                    sources: Vec::new(),
                },
                timeline: Vec::new(),
                lead_s: None,
            },
        );
        self.target(id).incident = Some(incident);
    }

    /// It answers well again; the incident stays open for a minute.
    fn recovers(&mut self, id: &str) {
        self.state(id, State::Operational);
        let now = self.now;
        if let Some(known) = self.target(id).incident.clone() {
            self.incidents.get_mut(&known).unwrap().recovered = Some(now);
        }
    }

    /// Health closes its incident.
    fn closes(&mut self, id: &str) {
        if let Some(known) = self.target(id).incident.take() {
            self.incidents.remove(&known);
        }
    }

    /// It recovers, and a minute later its incident is closed.
    fn ends(&mut self, id: &str) -> Vec<String> {
        self.recovers(id);
        let mut told = self.run(60);
        self.closes(id);
        told.extend(self.look());
        told
    }

    fn messages(&mut self) -> Vec<Message> {
        let facts = Facts {
            health: &self.health,
            incidents: &self.incidents,
            routes: &self.routes,
            changes: &self.changes,
        };
        let messages = self.policy.look(&facts, self.now);
        self.changes.clear();
        messages
    }

    fn look(&mut self) -> Vec<String> {
        brief(&self.messages())
    }

    /// Time passes: the policy looks only when it wants to be woken, and at the end.
    fn pass(&mut self, seconds: u64) -> Vec<Message> {
        let end = self.now.plus(Duration::from_secs(seconds));
        let mut told = self.messages();
        while let Some(wake) = self.policy.next_wake().filter(|wake| *wake < end) {
            assert!(wake > self.now, "it never asks to be woken in the past");
            self.now = wake;
            told.extend(self.messages());
        }
        self.now = end;
        told.extend(self.messages());
        told
    }

    fn run(&mut self, seconds: u64) -> Vec<String> {
        brief(&self.pass(seconds))
    }

    /// The daemon is started again.
    fn restart(&mut self) {
        let memory = self.policy.memory();
        self.policy = Policy::new(&self.alerts, "fra-1");
        self.policy.restore(&memory).unwrap();
        assert_eq!(self.policy.memory(), memory, "nothing is lost on the way");
    }

    fn configure(&mut self, change: impl FnOnce(&mut Alerts)) {
        change(&mut self.alerts);
        self.policy.reconfigure(&self.alerts);
    }

    fn network(&mut self, network: Network) {
        self.health.head.network = network;
    }
}
