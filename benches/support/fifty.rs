//! The world that the benches of the feed publish: 50 targets of nine providers, with figures of the usual length.

use std::{sync::Arc, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    feed::{Cause, Hub, v1},
    health::{
        Figures, Hint, Network, Percentiles, ProviderView, Rate, Reason, ReasonCode, Routing, State,
        TargetView, Transition, View,
    },
    verdict::Source,
};

/// How many targets there are.
pub(crate) const TARGETS: usize = 50;

fn target(index: usize) -> TargetView {
    let percentiles = |p50: f64| Percentiles {
        p50: Some(p50),
        p95: Some(p50 * 2.0),
        p99: Some(p50 * 3.0),
        n: 338,
    };
    let rate = Rate {
        hits: 5,
        n: 412,
        value: Some(5.0 / 412.0),
        low: Some(0.005),
        high: Some(0.027),
    };
    TargetView {
        id: format!("provider-{}/some-model-{index}", index % 9)
            .parse()
            .unwrap(),
        state: State::Operational,
        since: Timestamp::from_millis(0),
        reason: Reason {
            code: ReasonCode::Healthy,
            text: "412 of 412 replies finished in 300 s".to_owned(),
            sources: vec![Source::Canary, Source::Report],
        },
        routing: Routing {
            hint: Hint::Allow,
            weight: Some(1.0),
            retry_at: None,
        },
        figures: Figures {
            attempts: 412,
            failure_rate: rate,
            error_rate: rate,
            truncation_rate: rate,
            ttft_ms: percentiles(412.3),
            ttfo_ms: percentiles(431.7),
            itl_ms: percentiles(14.2),
            e2e_ms: percentiles(1904.0),
            output_tps: percentiles(71.4),
        },
        soft_deadline: Duration::from_millis(1129),
        last_complete_at: Some(Timestamp::from_millis(1_781_960_460_000)),
        last_seen_at: Some(Timestamp::from_millis(1_781_960_460_000)),
        served_model: None,
        via: None,
        flags: Vec::new(),
        incident: None,
        spent_usd_today: 0.031,
        official: None,
        declared: endturn::health::InForce::default(),
    }
}

/// All of them well, as of now.
pub(crate) fn world(clock: &Clock) -> View {
    View {
        at: clock.now(),
        network: Network::Online,
        targets: (0..TARGETS).map(target).collect(),
        providers: (0..9)
            .map(|n| ProviderView {
                id: format!("provider-{n}").parse().unwrap(),
                state: State::Operational,
                edge: State::Operational,
                connect_ms: Percentiles::default(),
            })
            .collect(),
    }
}

/// Moves one target back and forth: what a real transition costs, figures of all others unchanged.
pub(crate) struct Mover {
    hub: Arc<Hub>,
    view: View,
    clock: Clock,
}

impl Mover {
    pub(crate) fn new(hub: &Arc<Hub>, clock: &Clock) -> Self {
        Self {
            hub: Arc::clone(hub),
            view: world(clock),
            clock: clock.clone(),
        }
    }

    pub(crate) fn publish(&mut self) {
        let moved = &mut self.view.targets[TARGETS / 2];
        let from = moved.state;
        moved.state = if from == State::Down {
            State::Operational
        } else {
            State::Down
        };
        moved.since = self.clock.now();
        let transition = Transition {
            target: moved.id.clone(),
            at: moved.since,
            from,
            to: moved.state,
            routing: moved.routing,
            reason: moved.reason.clone(),
            first_evidence: None,
        };
        self.view.at = transition.at;
        self.hub
            .publish(
                &self.view,
                Cause::Transition(&[transition]),
                &v1::StoreStatus::default(),
            )
            .unwrap();
    }
}
