//! Targets for the tests of what load balancers and status boards are told.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    feed::v1::TargetHealth,
    health::{
        Declaration, Declares, Figures, Hint, InForce, Reason, ReasonCode, Routing, Scope, State, TargetView,
    },
};

/// When everything in these tests is: 2026-06-20T13:01:00Z.
pub(super) const T0: Timestamp = Timestamp::from_millis(1_781_960_460_000);

/// Maintenance from then on, for two hours, as ana declared it.
pub(super) fn maintenance(from: Timestamp) -> InForce {
    let one = Declaration {
        id: "3fa9c1d2".to_owned(),
        what: Declares::Maintenance,
        targets: Scope::new(["*"]).expect("a pattern"),
        from,
        until: from.plus(Duration::from_secs(7_200)),
        by: "ana".to_owned(),
        why: "<b>announced</b>".to_owned(),
        planned: false,
    };
    InForce {
        maintenance: Some(Arc::new(one)),
        ..InForce::default()
    }
}

/// A target that is in that state and gets that advice.
pub(super) fn view(id: &str, state: State, hint: Hint, weight: Option<f64>) -> TargetView {
    let code = match state {
        State::Operational => ReasonCode::Healthy,
        State::Unknown => ReasonCode::Stale,
        State::Maintenance => ReasonCode::Maintenance,
        State::Degraded | State::Partial | State::Down => ReasonCode::Truncated,
    };
    TargetView {
        id: id.parse().expect("a target id"),
        state,
        since: T0,
        reason: Reason {
            code,
            text: "7 of 12 replies ended before a stop reason".to_owned(),
            sources: Vec::new(),
        },
        routing: Routing {
            hint,
            weight,
            retry_at: None,
        },
        figures: Figures::default(),
        soft_deadline: Duration::from_secs(1),
        last_complete_at: Some(T0),
        last_seen_at: Some(T0),
        served_model: None,
        via: None,
        flags: Vec::new(),
        incident: None,
        spent_usd_today: 0.0,
        official: None,
        declared: if state == State::Maintenance {
            maintenance(T0)
        } else {
            InForce::default()
        },
    }
}

/// The same as it stands in the feed.
pub(super) fn target(state: State, hint: Hint, weight: Option<f64>) -> TargetHealth {
    TargetHealth::from(&view("anthropic/claude", state, hint, weight))
}
