//! Feeds for tests.

use serde_json::json;

use crate::{
    clock::Timestamp,
    feed::v1::{Health, Rate},
};

/// When the fixture's feed was made: 2026-06-20T13:05:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_781_960_700_000);

/// A fresh feed of targets `p0/m`, `p1/m`, .. in these states.
pub(crate) fn health(states: &[&str]) -> Health {
    let targets: Vec<_> = states
        .iter()
        .enumerate()
        .map(|(at, state)| (format!("p{at}/m"), *state))
        .collect();
    let targets: Vec<_> = targets.iter().map(|(id, state)| (id.as_str(), *state)).collect();
    named(&targets)
}

/// A fresh feed of these targets.
pub(crate) fn named(targets: &[(&str, &str)]) -> Health {
    let targets: Vec<_> = targets.iter().map(|(id, state)| target(id, state)).collect();
    let head = json!({
        "schema": "endturn.health.v1", "instance": "i-1", "vantage": "fra-1", "revision": 18_231,
        "generated_at": NOW.to_rfc3339(), "stale_after": "2026-06-20T13:05:15Z", "network": "online",
        "store": {"state": "ok", "dropped": 0}, "targets": targets, "providers": [],
    });
    serde_json::from_value(head).expect("a feed")
}

fn target(id: &str, state: &str) -> serde_json::Value {
    let (provider, model) = id.split_once('/').expect("provider/model");
    let (hint, weight, breaker, cut) = match state {
        "operational" | "maintenance" => ("allow", Some(1.0), "closed", 0),
        "degraded" => ("suspect", Some(0.5), "closed", 2),
        "unknown" => ("no_opinion", None, "closed", 0),
        _ => ("avoid", Some(0.0), "open", 7),
    };
    let (code, text) = match state {
        "operational" => ("healthy", "12 of 12 replies finished"),
        "unknown" => ("starting", "not enough evidence since start"),
        "maintenance" => ("maintenance", "declared by a person"),
        _ => ("truncated", "7 of 12 replies ended before a stop reason in 60 s"),
    };
    let none = json!({"p50": null, "p95": null, "p99": null, "n": 0});
    json!({
        "id": id, "provider": provider, "model": model, "state": state, "since": "2026-06-20T13:01:00Z",
        "reason": {"code": code, "text": text, "sources": ["canary"]},
        "routing": {"hint": hint, "weight": weight, "breaker": breaker, "retry_at": null},
        "window_s": 300, "attempts": 12,
        "failure_rate": rate(cut, 12), "error_rate": rate(0, 12), "truncation_rate": rate(cut, 12),
        "ttft_ms": {"p50": 412.0, "p95": 903.0, "p99": 1530.0, "n": 12 - cut},
        "ttfo_ms": none, "itl_ms": none, "e2e_ms": none, "output_tps": none,
        "last_complete_at": null, "flags": [], "official": null, "incident": null, "spent_usd_today": 0.031,
    })
}

/// That many of so many, with a made-up interval.
pub(crate) fn rate(hits: u64, n: u64) -> Rate {
    let value = (n > 0).then(|| hits as f64 / n as f64);
    Rate {
        value,
        low: value.map(|value| value / 2.0),
        high: value.map(|value| value.midpoint(1.0)),
        n,
    }
}
