use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Timestamp,
    feed::v1,
    health::{Hint, InForce, Network, Reason, ReasonCode, Routing, State, TargetView, View},
    telemetry::{
        Nobody, NotSent, Own, OwnChannel, OwnExport, OwnIntake, OwnStore, OwnTap,
        names::{self, Kind},
    },
    verdict::{Observation, Source, Truncation, Verdict},
};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn target(id: &str) -> TargetView {
    TargetView {
        id: id.parse().unwrap(),
        state: State::Partial,
        since: NOW,
        reason: Reason {
            code: ReasonCode::Truncated,
            text: String::new(),
            sources: Vec::new(),
        },
        routing: Routing {
            hint: Hint::NoOpinion,
            weight: None,
            retry_at: None,
        },
        figures: crate::health::Figures::default(),
        soft_deadline: Duration::ZERO,
        last_complete_at: None,
        last_seen_at: None,
        served_model: None,
        via: None,
        flags: vec!["forged"],
        incident: None,
        spent_usd_today: 0.0,
        official: None,
        declared: InForce::default(),
    }
}

fn hub(ids: &[&str]) -> Arc<Hub> {
    let view = View {
        at: NOW,
        network: Network::Online,
        targets: ids.iter().map(|id| target(id)).collect(),
        providers: Vec::new(),
    };
    let identity = v1::Identity {
        instance: "i".to_owned(),
        vantage: "v".to_owned(),
    };
    Arc::new(Hub::new(identity, || 7, &view, &v1::StoreStatus::default()))
}

fn seen(id: &str, source: Source, verdict: Verdict) -> Observation {
    let mut seen = Observation::new(id.parse().unwrap(), NOW, source, verdict);
    seen.phases.head = Some(Duration::from_millis(30));
    seen.phases.first_token = Some(Duration::from_millis(60));
    seen.phases.first_output = Some(Duration::from_millis(60));
    seen.phases.last_token = Some(Duration::from_millis(160));
    seen.phases.terminal = Some(Duration::from_millis(160));
    seen.usage.output = Some(11);
    seen
}

/// Everything that a daemon may know.
struct All;

impl Owner for All {
    fn own(&self) -> Own {
        Own {
            started: NOW,
            store: Some(OwnStore {
                failing: true,
                dropped: vec![("observation", 3)],
                ..OwnStore::default()
            }),
            intake: Some(OwnIntake::default()),
            tap: Some(OwnTap {
                unjudged: vec![("coding", 1)],
                ..OwnTap::default()
            }),
            budget_usd: Some(1.0),
            provider_budgets_usd: vec![("p".parse().unwrap(), 0.5)],
            intervals: vec![("p/m".parse().unwrap(), Source::Reach, Duration::from_secs(5))],
            exports: vec![OwnExport {
                signal: "logs",
                taken: 4,
                lost: vec![("refused", 2)],
                last_success: Some(NOW),
            }],
            channels: vec![OwnChannel {
                name: "oncall".to_owned(),
                delivered: 3,
                failed: 2,
                dead: 1,
                pending: 1,
                oldest: Some(NOW),
                open: true,
            }],
        }
    }
}

fn exposition() -> Exposition {
    let ledger = Arc::new(Ledger::default());
    ledger.add(&seen("p/m", Source::Canary, Verdict::Complete));
    ledger.add(&seen("p/m", Source::Canary, Verdict::Truncated(Truncation::Cut)));
    ledger.add(&seen("p/m", Source::Reach, Verdict::Complete));
    ledger.round(NOW, Some(Duration::from_millis(2)));
    ledger.probes(1, NotSent::default());
    Exposition::new(hub(&["p/m"]), ledger, Arc::new(All))
}

#[test]
fn whoever_asks_for_open_metrics_gets_it() {
    const BOTH: &str = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, format) in [
        ("", Format::Classic),
        ("*/*", Format::Classic),
        ("text/plain", Format::Classic),
        ("application/openmetrics-text", Format::OpenMetrics),
        (
            "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text; version=2.0.0", Format::Classic),
        ("application/openmetrics-text;q=0", Format::Classic),
        (
            "application/openmetrics-text;q=0.1, text/plain;q=0.9",
            Format::Classic,
        ),
        ("application/openmetrics-text;q=x", Format::Classic),
        (BOTH, Format::OpenMetrics),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Format::Classic),
        (",;=;q=,", Format::Classic),
    ] {
        assert_eq!(Format::negotiate(accept), format, "{accept}");
    }
}

/// Families as the text has them: name to kind.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (family, kind) = line.split_once(' ').unwrap();
            (family.to_owned(), kind.to_owned())
        })
        .collect()
}

/// Samples: name, labels, value.
fn samples(text: &str) -> Vec<(String, String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            (
                name.to_owned(),
                labels.trim_end_matches('}').to_owned(),
                value.to_owned(),
            )
        })
        .collect()
}

#[test]
fn both_formats_hold_every_metric_and_the_same_samples() {
    let exposition = exposition();
    let (open, classic) = (
        exposition.text(Format::OpenMetrics),
        exposition.text(Format::Classic),
    );
    assert!(open.ends_with("# EOF\n") && !classic.contains("# EOF") && !classic.contains("# UNIT"));
    assert_eq!(samples(&open), samples(&classic));
    let absent = [
        // Figures of a target without an attempt.
        "endturn_target_weight_ratio",
        "endturn_target_last_complete_timestamp_seconds",
        "endturn_target_last_seen_timestamp_seconds",
        "endturn_target_failure_ratio",
        "endturn_target_failure_low_ratio",
        "endturn_target_failure_high_ratio",
        "endturn_target_error_ratio",
        "endturn_target_truncation_ratio",
        "endturn_target_truncation_low_ratio",
        "endturn_target_truncation_high_ratio",
        // The feed of this test names none.
        "endturn_provider_state",
        "endturn_edge_state",
    ];
    let (open_families, classic_families) = (families(&open), families(&classic));
    for metric in names::ALL {
        let family = metric.family();
        if absent.contains(&family.as_str()) {
            assert!(!open_families.contains_key(&family), "{family} is not known");
            continue;
        }
        let (suffix, open_kind, classic_kind) = match metric.kind {
            Kind::Counter => ("_total", "counter", "counter"),
            Kind::Gauge => ("", "gauge", "gauge"),
            Kind::Histogram => ("", "histogram", "histogram"),
            Kind::Info => ("_info", "info", "gauge"),
        };
        assert_eq!(
            open_families.get(&family).map(String::as_str),
            Some(open_kind),
            "{family}"
        );
        let named = format!("{family}{suffix}");
        assert_eq!(
            classic_families.get(&named).map(String::as_str),
            Some(classic_kind),
            "{named}"
        );
        let of_family = samples(&open);
        for sample in metric.samples() {
            assert!(of_family.iter().any(|(name, ..)| *name == sample), "{sample}");
        }
    }
    let known: Vec<String> = names::ALL.iter().map(names::Metric::family).collect();
    assert!(open_families.keys().all(|family| known.contains(family)));
}

#[test]
fn samples_have_the_labels_and_values_of_what_was_seen() {
    let text = exposition().text(Format::OpenMetrics);
    let of = r#"provider="p",model="m",probe="canary""#;
    for line in [
        format!("endturn_attempts_total{{{of}}} 2"),
        format!("endturn_began_total{{{of}}} 2"),
        format!("endturn_truncations_total{{{of},kind=\"cut\"}} 1"),
        format!("endturn_observations_total{{{of},outcome=\"complete\"}} 1"),
        format!("endturn_ttft_seconds_count{{{of}}} 1"),
        format!("endturn_ttft_seconds_bucket{{le=\"0.05\",{of}}} 0"),
        format!("endturn_ttft_seconds_bucket{{le=\"0.1\",{of}}} 1"),
        format!("endturn_itl_seconds_bucket{{le=\"0.01\",{of}}} 1"),
        format!("endturn_truncations_total{{{of},kind=\"stall\"}} 0"),
        format!("endturn_errors_total{{{of},class=\"overloaded\"}} 0"),
        format!("endturn_own_failures_total{{{of},class=\"auth\"}} 0"),
        "endturn_observations_total{provider=\"p\",probe=\"reach\",outcome=\"complete\"} 1".to_owned(),
        "endturn_probe_interval_seconds{provider=\"p\",probe=\"reach\"} 5.0".to_owned(),
        "endturn_target_state{provider=\"p\",model=\"m\",state=\"partial\"} 1.0".to_owned(),
        "endturn_target_state{provider=\"p\",model=\"m\",state=\"down\"} 0.0".to_owned(),
        "endturn_target_reason_info{provider=\"p\",model=\"m\",reason=\"truncated\"} 1".to_owned(),
        "endturn_store_failing 1.0".to_owned(),
        "endturn_export_lost_items_total{signal=\"logs\",why=\"refused\"} 2".to_owned(),
        "endturn_start_timestamp_seconds 1000.0".to_owned(),
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    assert!(!text.contains("endturn_attempts_total{provider=\"p\",probe=\"reach\""));
    assert!(!text.contains(&format!("endturn_errors_total{{{of},class=\"auth\"}}")));
}

#[test]
fn whoever_knows_nothing_of_the_daemon_shows_no_zeros_for_it() {
    let text = Exposition::new(hub(&[]), Arc::default(), Arc::new(Nobody)).text(Format::OpenMetrics);
    for absent in [
        "store",
        "intake",
        "tap",
        "budget",
        "scheduler",
        "probes",
        "start",
        "attempts",
    ] {
        assert!(!text.contains(&format!("endturn_{absent}")), "{absent}\n{text}");
    }
    assert!(text.contains("endturn_network_online 1"));
}

/// Reads a label's value back as a scraper does.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().unwrap() {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            '"' | '\n' => panic!("{c:?} stands bare in {text:?}"),
            c => out.push(c),
        }
    }
    out
}

proptest! {
    /// Whatever stands in the feed: it stays in its label, and the text stays one line a sample.
    #[test]
    fn foreign_text_stays_inside_its_label(vantage in any::<String>(), flag in "[\\PC\\n\"\\\\{},= ]{1,40}") {
        let view = View {
            at: NOW,
            network: Network::Online,
            targets: Vec::new(),
            providers: Vec::new(),
        };
        let identity = v1::Identity { instance: flag.clone(), vantage: vantage.clone() };
        let hub = Hub::new(identity, || 1, &view, &v1::StoreStatus::default());
        let text = Exposition::new(Arc::new(hub), Arc::default(), Arc::new(Nobody)).text(Format::Classic);
        let lines: Vec<&str> = text.split('\n').filter(|line| line.starts_with("endturn_vantage_info")).collect();
        prop_assert_eq!(lines.len(), 1, "{}", text);
        let inner = lines[0].strip_prefix("endturn_vantage_info{").unwrap().strip_suffix("} 1").unwrap();
        let instance = if vantage.is_empty() {
            inner
        } else {
            let rest = inner.strip_prefix("vantage=\"").unwrap();
            let mut end = 0;
            let bytes = rest.as_bytes();
            while bytes[end] != b'"' { end += if bytes[end] == b'\\' { 2 } else { 1 }; }
            prop_assert_eq!(unescape(&rest[..end]), vantage);
            rest[end + 1..].strip_prefix(',').unwrap()
        };
        let value = instance.strip_prefix("instance=\"").unwrap().strip_suffix('"').unwrap();
        prop_assert_eq!(unescape(value), flag);
        for line in text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
            prop_assert!(line.starts_with("endturn_"), "{}", line);
        }
    }
}
