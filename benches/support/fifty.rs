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
    // No two targets have the same figures, or packing the feed would be too easy.
    let attempts = 300 + (index as u64 * 7919) % 400;
    let own = 0.5 + attempts as f64 / 400.0;
    let percentiles = |typical: f64| {
        let [p50, p95, p99] =
            [1.0, 2.1, 3.2].map(|times| Some((typical * own * times * 10.0).round() / 10.0));
        Percentiles {
            p50,
            p95,
            p99,
            n: attempts - 74,
        }
    };
    let rate = |hits: u64| Rate::of(hits, attempts);
    TargetView {
        id: format!("provider-{}/some-model-{index}", index % 9)
            .parse()
            .unwrap(),
        state: State::Operational,
        since: Timestamp::from_millis(0),
        reason: Reason {
            code: ReasonCode::Healthy,
            text: format!("{attempts} of {attempts} replies finished in 300 s"),
            sources: vec![Source::Canary, Source::Report],
        },
        routing: Routing {
            hint: Hint::Allow,
            weight: Some(1.0),
            retry_at: None,
        },
        figures: Figures {
            attempts,
            failure_rate: rate(5),
            error_rate: rate(3),
            truncation_rate: rate(2),
            ttft_ms: percentiles(412.3),
            ttfo_ms: percentiles(431.7),
            itl_ms: percentiles(14.2),
            e2e_ms: percentiles(1904.0),
            output_tps: percentiles(71.4),
        },
        soft_deadline: Duration::from_millis(1129 + attempts),
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
