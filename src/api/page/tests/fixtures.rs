//! Feeds, days and pasts for the tests of the page.

use super::*;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_781_960_702_000); // 2026-06-20T13:05:02Z

pub(super) fn ago(seconds: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(seconds))
}

pub(super) fn rate(hits: u64, n: u64) -> Rate {
    let value = (n > 0).then(|| hits as f64 / n as f64);
    Rate {
        hits,
        n,
        value,
        low: value.map(|v| v * 0.8),
        high: value.map(|v| (v * 1.2 + 0.01).min(1.0)),
    }
}

pub(super) fn percentiles(p50: f64, n: u64) -> Percentiles {
    let value = |v| (n > 0).then_some(v);
    Percentiles {
        p50: value(p50),
        p95: value(p50 * 2.2),
        p99: value(p50 * 3.7),
        n,
    }
}

/// A target with figures that fit its state.
pub(super) fn view_of(id: &str, state: State, code: ReasonCode, text: &str) -> TargetView {
    let n = if state == State::Unknown { 0 } else { 412 };
    let cut = if state == State::Partial { 70 } else { 0 };
    TargetView {
        id: id.parse().unwrap(),
        state,
        since: ago(if state == State::Operational { 11_000 } else { 242 }),
        reason: Reason {
            code,
            text: text.into(),
            sources: vec![Source::Canary, Source::Report],
        },
        routing: Routing {
            hint: match state {
                State::Operational | State::Degraded => Hint::Allow,
                State::Unknown => Hint::NoOpinion,
                _ => Hint::Avoid,
            },
            weight: Some(1.0),
            retry_at: None,
        },
        figures: Figures {
            attempts: n,
            failure_rate: rate(cut + n / 80, n),
            error_rate: rate(n / 80, n),
            truncation_rate: rate(cut, n.saturating_sub(7)),
            ttft_ms: percentiles(412.0, n),
            ttfo_ms: percentiles(430.0, n),
            itl_ms: percentiles(14.0, n),
            e2e_ms: percentiles(1_900.0, n),
            output_tps: percentiles(71.0, n),
        },
        soft_deadline: Duration::from_secs(2),
        last_complete_at: (n > 0).then(|| ago(7)),
        last_seen_at: Some(ago(2)),
        served_model: None,
        via: None,
        flags: vec!["model_changed"],
        incident: state.is_impaired().then(|| "01978a52-7c1e".to_owned()),
        spent_usd_today: 0.031,
        official: None,
        declared: crate::health::InForce::default(),
    }
}

pub(super) fn well(id: &str) -> TargetView {
    view_of(
        id,
        State::Operational,
        ReasonCode::Healthy,
        "60 of 60 replies finished in 300 s",
    )
}

/// The feed over these targets; each provider is as its worst target.
pub(super) fn feed(targets: Vec<TargetView>) -> Health {
    let mut providers: Vec<ProviderView> = Vec::new();
    for target in &targets {
        let id = target.id.provider();
        match providers.iter_mut().find(|p| &p.id == id) {
            Some(p) if words::severity(target.state) < words::severity(p.state) => p.state = target.state,
            Some(_) => {}
            None => providers.push(ProviderView {
                id: id.clone(),
                state: target.state,
                edge: State::Operational,
                connect_ms: percentiles(18.0, 60),
            }),
        }
    }
    let view = View {
        at: NOW,
        network: Network::Online,
        targets,
        providers,
    };
    let identity = Identity {
        instance: "0197".into(),
        vantage: "fra-1".into(),
    };
    Health::new(&identity, 18_231, &view, &StoreStatus::default())
}

pub(super) fn cut() -> TargetView {
    view_of(
        "anthropic/claude-haiku-4-5",
        State::Partial,
        ReasonCode::Truncated,
        "7 of 12 replies ended before a stop reason in 60 s",
    )
}

pub(super) fn four() -> Vec<TargetView> {
    vec![
        well("openai/gpt-5.2"),
        cut(),
        well("gemini/gemini-3-flash"),
        well("mistral/mistral-large"),
    ]
}

/// Ninety days: ten before anybody watched, one half watched, a bad day for the sick, today.
pub(super) fn calendar(health: &Health) -> Calendar {
    let today = bars::midnight(NOW).as_millis();
    let (mut closed, mut running) = (DaysOf::new(), DaysOf::new());
    for target in &health.targets {
        let sick = target.provider == "anthropic";
        for back in 0..80 {
            let mut day = Day {
                attempts: 1_440,
                began: 1_430,
                ..Day::default()
            };
            let hours = if back == 60 { 9 } else { 24 };
            day.times.add(State::Operational, hours * 3_600_000);
            if sick && back % 13 == 0 {
                day.failed = 40 + 9 * back;
                day.truncated = 31 + 9 * back;
                day.incidents = 1;
                day.times.add(
                    [State::Partial, State::Down, State::Degraded][back as usize % 3],
                    240_000,
                );
            }
            let days = if back == 0 { &mut running } else { &mut closed };
            days.entry(target.id.clone())
                .or_default()
                .insert(today - back.cast_signed() * bars::DAY_MS, day);
        }
    }
    Calendar {
        closed: Arc::new(closed),
        today: Arc::new(running),
    }
}

pub(super) fn scene(health: &Health) -> Scene<'_> {
    Scene {
        health,
        now: NOW,
        budget: Budget {
            usd_per_day: Some(1.0),
        },
    }
}

/// A route that fell back, as the API tells it.
pub(super) fn ways() -> Vec<Way> {
    let route = serde_json::json!({
        "name": "chat", "decision": "use", "target": "openai/gpt-5.2",
        "reason": {"code": "fallback", "text": "openai/gpt-5.2 serves: anthropic/claude-haiku-4-5 is down (<b>)"},
        "prefer": "order", "on_exhausted": "fail_closed", "max_ttft_ms": null, "same_key": true, "requires": [],
        "candidates": [{
            "target": "openai/gpt-5.2", "eligible": true, "share": 1.0, "why": {"code": "ok", "text": ""},
            "hint": "allow", "state": "operational", "weight": 1.0, "ttft_p50_ms": null, "ttft_p95_ms": null,
            "ttft_n": 0, "usd_per_mtok": null, "retry_at": null,
        }],
    });
    let pair = ("anthropic/claude-haiku-4-5", "openai/gpt-5.2");
    vec![Way {
        route: serde_json::from_value(route).unwrap(),
        pair: (pair.0.parse().unwrap(), Some(pair.1.parse().unwrap())),
    }]
}

/// What an agent may expect of it.
pub(super) fn outlook() -> Reliability {
    serde_json::from_value(serde_json::json!({
        "from": "2026-06-19T13:00:00.000Z", "to": "2026-06-20T13:00:00.000Z", "steps": 6,
        "point": 0.9715, "low": 0.962, "high": 0.9781, "n": 812, "deff": 1.0, "per_step": [], "fallback": null,
        "insufficient": null,
    }))
    .unwrap()
}

pub(super) fn render(health: &Health) -> String {
    scene(health).overview(&calendar(health), &[], &[])
}

pub(super) fn observation(at: Timestamp, verdict: Verdict) -> Observation {
    let mut seen = Observation::new(
        "anthropic/claude-haiku-4-5".parse().unwrap(),
        at,
        Source::Canary,
        verdict,
    );
    seen.phases.connect = Some(Duration::from_millis(18));
    seen.phases.head = Some(Duration::from_millis(205));
    seen.phases.first_token = Some(Duration::from_millis(412));
    seen.phases.last_token = Some(Duration::from_millis(1_862));
    seen.http_status = Some(200);
    if verdict == Verdict::Complete {
        seen.phases.terminal = Some(Duration::from_millis(1_870));
        seen.stop_reason = Some("end_turn".into());
    } else {
        seen.request_id = Some("req_011CQ8hbXq4nTzL".into());
        seen.detail = Some("the body ended before message_stop".into());
        seen.tail = Some("eleven twelve thirteen fourt".into());
        seen.purpose = Purpose::Confirm;
    }
    seen
}

pub(super) fn past() -> Past {
    let kinds = [
        Verdict::Truncated(Truncation::Cut),
        Verdict::Complete,
        Verdict::Truncated(Truncation::Silent),
        Verdict::Complete,
        Verdict::Complete,
        Verdict::Errored(Failure {
            class: ErrorClass::Overloaded,
            at: FailedAt::Status(529),
        }),
        Verdict::Refused,
        Verdict::Complete,
    ];
    Past {
        history: Some(history(Range::Hour)),
        failures: (0..)
            .zip(kinds)
            .filter(|(_, verdict)| !matches!(verdict, Verdict::Complete | Verdict::Refused))
            .map(|(i, v)| observation(ago(2 + 9 * i), v))
            .collect(),
        observations: (0..)
            .zip(kinds)
            .map(|(i, v)| observation(ago(2 + 9 * i), v))
            .collect(),
        complete: vec![(
            CanaryKind::Short,
            vec![
                observation(NOW, Verdict::Complete),
                observation(NOW, Verdict::Complete),
            ],
        )],
        standings: standings(),
        evidence: Some(evidence()),
        incidents: vec![incident()],
        incident: Some(incident()),
        missing: None,
    }
}

/// An incident that goes on.
pub(super) fn incident() -> Incident {
    let step = |s, kind, state, text: &str| IncidentEntry {
        at: ago(s),
        kind,
        state,
        text: text.into(),
    };
    Incident {
        id: "01978a52-7c1e".into(),
        target: "anthropic/claude-haiku-4-5".parse().unwrap(),
        started: ago(246),
        detected: ago(242),
        opened: ago(227),
        recovered: None,
        closed: None,
        worst: State::Partial,
        reason: cut().reason,
        timeline: vec![
            step(
                246,
                "first_evidence",
                State::Operational,
                "canary cut before a stop reason",
            ),
            step(
                242,
                "transition",
                State::Partial,
                "3 of 5 replies ended before a stop reason",
            ),
            step(227, "opened", State::Partial, "15 s of impairment have passed"),
        ],
        lead_s: None,
    }
}

/// Ninety days of one target, one of them with an outage of an hour.
fn standings() -> Vec<Standing> {
    (0..90)
        .map(|back| {
            let mut times = StateTimes::default();
            let out = if back == 5 { 3_600_000 } else { 0 };
            times.add(State::Down, out);
            times.add(State::Operational, 86_400_000 - out);
            let day = NOW.as_millis().div_euclid(86_400_000) - back;
            Standing {
                target: "anthropic/claude-haiku-4-5".parse().unwrap(),
                day: Timestamp::from_millis(day * 86_400_000),
                times,
            }
        })
        .collect()
}

pub(super) fn plans() -> Vec<Plan> {
    vec![
        Plan {
            kind: "reach",
            what: "the edge and the credential, without a token".into(),
            every: Duration::from_secs(5),
            usd_per_day: Some(0.0),
        },
        Plan {
            kind: "canary",
            what: "a short reply that ends in a known word".into(),
            every: Duration::from_secs(60),
            usd_per_day: Some(0.31),
        },
    ]
}

pub(super) fn render_target(health: &Health, past: &Past) -> String {
    scene(health)
        .target(&health.targets[0].id, Range::Hour, past, &plans())
        .unwrap()
}
