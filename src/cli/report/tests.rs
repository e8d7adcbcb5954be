//! A made-up month, written in each format.

use super::*;

/// Two providers: one with an outage, one that nobody watched.
fn report() -> Report {
    let sheet = serde_json::json!({
        "seen": true, "uptime": 0.997_654, "coverage": 0.612, "elapsed_s": 1_836_000.0,
        "states_s": {"operational": 1_120_000.0, "degraded": 900.0, "partial": 1_200.0, "down": 1_440.0,
            "unknown": 60.0, "maintenance": 0.0},
        "incidents": {"count": 2, "open": 1, "total_s": 2_700, "longest_s": 1_500, "mttr_s": 1_500, "mtbf_s": 560_000},
        "attempts": {"canary": 30_600, "long": 1_020, "report": 0, "tap": 0},
        "failure_rate": {"value": 0.004, "low": 0.002, "high": 0.008, "hits": 126, "n": 31_620, "deff": 14.2},
        "error_rate": {"value": 0.001, "low": 0.000_7, "high": 0.001_4, "hits": 32, "n": 31_620, "deff": 1.0},
        "truncation_rate": {"value": 0.003, "low": 0.001_5, "high": 0.006, "hits": 94, "n": 31_588, "deff": 12.0},
        "ttft_ms": {"p50": 412.0, "p95": 903.0, "p99": 1_530.0, "n": 31_494},
        "e2e_ms": {"p50": 1_412.0, "p95": 2_903.0, "p99": 4_530.0, "n": 31_494},
        "time_budget_s": {"allowed": 5_617.7, "burnt": 2_640.0, "left": 2_977.7, "burnt_share": 0.47},
        "reply_budget": {"allowed": 158.1, "burnt": 126.0, "left": 32.1, "burnt_share": 0.797},
        "lead": {"mentioned": 1, "never": 0, "median_s": 840},
        "spent_usd": 3.217, "input_tokens": 642_000, "output_tokens": 701_000
    });
    let empty = serde_json::json!({
        "seen": false, "uptime": null, "coverage": 0.0, "elapsed_s": 1_836_000.0,
        "states_s": {"operational": 0.0, "degraded": 0.0, "partial": 0.0, "down": 0.0, "unknown": 0.0,
            "maintenance": 0.0},
        "incidents": {"count": 0, "open": 0, "total_s": 0, "longest_s": 0, "mttr_s": null, "mtbf_s": null},
        "attempts": {"canary": 0, "long": 0, "report": 0, "tap": 0},
        "failure_rate": {"value": null, "low": null, "high": null, "hits": 0, "n": 0, "deff": 1.0},
        "error_rate": {"value": null, "low": null, "high": null, "hits": 0, "n": 0, "deff": 1.0},
        "truncation_rate": {"value": null, "low": null, "high": null, "hits": 0, "n": 0, "deff": 1.0},
        "ttft_ms": {"p50": null, "p95": null, "p99": null, "n": 0},
        "e2e_ms": {"p50": null, "p95": null, "p99": null, "n": 0},
        "time_budget_s": null, "reply_budget": null, "lead": null,
        "spent_usd": 0.0, "input_tokens": 0, "output_tokens": 0
    });
    let incident = |id: &str, recovered: Option<&str>| {
        serde_json::json!({
            "id": id, "target": "anthropic/claude-haiku-4-5", "worst": "partial",
            "reason": {"code": "truncated", "text": "7 of 12 replies | <b>ended</b>", "sources": ["canary"]},
            "started_at": "2026-11-03T13:01:07.120Z", "detected_at": "2026-11-03T13:01:12.000Z",
            "recovered_at": recovered, "open": recovered.is_none(), "length_s": 1_500,
            "lead_s": recovered.map(|_| 840)
        })
    };
    serde_json::from_value(serde_json::json!({
        "schema": "endturn.report.v1", "month": "2026-11", "from": "2026-11-01T00:00:00.000Z",
        "until": "2026-11-22T06:00:00.000Z", "running": true, "generated_at": "2026-11-22T06:00:00.000Z",
        "vantage": "fra-1", "objective": 99.5,
        "providers": [
            {"id": "anthropic", "figures": sheet,
             "targets": [{"id": "anthropic/claude-haiku-4-5", "figures": sheet}]},
            {"id": "groq", "figures": empty, "targets": [{"id": "groq/llama", "figures": empty}]}
        ],
        "incidents": [incident("0197a", Some("2026-11-03T13:26:07.120Z")), incident("0197b", None)]
    }))
    .unwrap()
}

#[test]
fn a_month_as_markdown() {
    insta::assert_snapshot!(markdown::write(&report()));
}

#[test]
fn a_month_as_csv() {
    let text = csv::write(&report());
    insta::assert_snapshot!(text);
    let widths: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths.len(), 5);
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
}

#[test]
fn a_month_without_data_is_no_hundred_percent() {
    let mut report = report();
    report.providers.remove(0);
    report.incidents.clear();
    let text = markdown::write(&report);
    assert!(text.contains("**No data.**") && !text.contains("100"), "{text}");
    report.providers.clear();
    assert!(markdown::write(&report).contains("**No data.**"));
}

#[test]
fn arguments_are_checked() {
    for (text, percent) in [
        ("99.5", Some(99.5)),
        ("99.5%", Some(99.5)),
        ("100", Some(100.0)),
        ("50", Some(50.0)),
        ("49.9", None),
        ("100.1", None),
        ("NaN", None),
        ("all", None),
    ] {
        assert_eq!(objective(text).ok(), percent, "{text}");
    }
    assert!(month("2026-11").is_ok() && month("November").is_err());
    assert!(patterns("anthropic/*").is_ok() && patterns("a b").is_err());
}
