//! Dashboards, rules and the reference against names.rs, both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use endturn::telemetry::names::{self, Metric, otlp};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn boards() -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("dashboards/grafana"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths
        .iter()
        .map(|path| {
            (
                name(path),
                serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
            )
        })
        .collect()
}

/// Panels that show something.
fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    board["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|panel| panel["type"] != "row")
}

/// Expressions of all dashboards: where, and what.
fn board_queries() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, board) in boards() {
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                all.push((
                    format!("{name}, {title}"),
                    target["expr"].as_str().unwrap().to_owned(),
                ));
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if let Some(query) = variable["query"]["query"].as_str() {
                all.push((format!("{name}, {}", variable["name"]), query.to_owned()));
            }
        }
    }
    all
}

const RULES: [&str; 3] = [
    "dashboards/prometheus/recording.rules.yml",
    "dashboards/prometheus/alerts.rules.yml",
    "dashboards/prometheus/rules.test.yml",
];

/// Metric names in a text, each with the labels that it is matched by.
fn mentions(text: &str) -> Vec<(String, Vec<String>)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("endturn_") {
        let begin = rest[..at].rfind(|c| !is_part(c)).map_or(0, |before| before + 1);
        let from = &rest[begin..];
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let matchers = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let labels = matchers.map_or_else(Vec::new, |(inner, _)| {
            let pairs = inner.split(',').filter_map(|pair| pair.split_once('='));
            pairs
                .map(|(label, _)| label.trim().trim_end_matches(['!', '=']).to_owned())
                .collect()
        });
        found.push((name.to_owned(), labels));
        rest = &rest[begin + end..];
    }
    found
}

fn by_sample() -> BTreeMap<String, Metric> {
    let each = names::ALL
        .iter()
        .flat_map(|metric| metric.samples().into_iter().map(|name| (name, *metric)));
    each.collect()
}

fn recorded() -> BTreeSet<String> {
    let rules = read(RULES[0]);
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    names.map(str::to_owned).collect()
}

#[test]
fn every_name_that_is_asked_for_is_there() {
    let (samples, recorded) = (by_sample(), recorded());
    let mut asked = board_queries();
    asked.extend(RULES.map(|path| (path.to_owned(), read(path))));
    let mut used = BTreeSet::new();
    for (place, text) in asked {
        for (name, labels) in mentions(&text) {
            if name.contains(':') {
                assert!(recorded.contains(&name), "{place}: nothing records {name}");
                continue;
            }
            let metric = samples
                .get(&name)
                .unwrap_or_else(|| panic!("{place}: {name} is not in names.rs"));
            used.insert(metric.base);
            for label in labels {
                let own = metric.labels.contains(&label.as_str());
                let of_scrape = ["job", "instance", "le"].contains(&label.as_str());
                assert!(own || of_scrape, "{place}: {name} has no label {label}");
            }
        }
    }
    let unused: Vec<&str> = names::ALL
        .iter()
        .map(|metric| metric.base)
        .filter(|base| !used.contains(base))
        .collect();
    assert!(unused.is_empty(), "on no dashboard and in no rule: {unused:?}");
}

#[test]
fn every_panel_says_what_it_shows() {
    let mut uids = BTreeSet::new();
    for (name, board) in boards() {
        assert!(board["id"].is_null(), "{name}: an id belongs to one Grafana");
        assert_eq!(board["schemaVersion"], 39, "{name}");
        assert!(uids.insert(board["uid"].as_str().unwrap().to_owned()), "{name}");
        let first = &board["templating"]["list"][0];
        assert_eq!(
            (&first["type"], &first["query"]),
            (&"datasource".into(), &"prometheus".into()),
            "{name}"
        );
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}");
            let at = &panel["gridPos"];
            let n = |key: &str| at[key].as_u64().unwrap();
            for x in n("x")..n("x") + n("w") {
                assert!(x < 24, "{name}: {} leaves the grid", panel["title"]);
                for y in n("y")..n("y") + n("h") {
                    assert!(taken.insert((x, y)), "{name}: {} lies on another", panel["title"]);
                }
            }
        }
        for panel in panels(&board) {
            let place = format!("{name}, {}", panel["title"]);
            assert!(
                panel["description"]
                    .as_str()
                    .is_some_and(|words| words.ends_with('.')),
                "{place}"
            );
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(
                defaults["unit"].as_str().is_some_and(|unit| !unit.is_empty()),
                "{place}"
            );
            assert!(
                defaults["thresholds"]["steps"]
                    .as_array()
                    .is_some_and(|steps| !steps.is_empty()),
                "{place}"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{place}");
            }
        }
    }
}

#[test]
fn every_alert_says_how_bad_and_what() {
    let rules = read(RULES[1]);
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 12);
    let tests = read(RULES[2]);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for key in ["expr:", "severity:", "summary:", "description:"] {
            assert!(alert.contains(key), "{name} has no {key}");
        }
        // One that tells of an increase has its time in the increase.
        assert!(
            alert.contains("for: ") || alert.contains("increase("),
            "{name} fires at once"
        );
        assert!(
            tests.contains(&format!("alertname: {name}")),
            "{name} has no test"
        );
    }
}

#[test]
fn the_reference_names_every_metric_with_its_labels() {
    let docs = read("docs/metrics.md");
    for metric in names::ALL {
        let name = match metric.kind {
            names::Kind::Counter => format!("{}_total", metric.family()),
            names::Kind::Info => format!("{}_info", metric.family()),
            names::Kind::Gauge | names::Kind::Histogram => metric.family(),
        };
        let line = docs
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
        for label in metric.labels {
            assert!(
                line.contains(&format!("`{label}`")),
                "docs/metrics.md: {name} has the label {label}"
            );
        }
    }
    for metric in otlp::METRICS {
        let head = format!("| `{}` | {} |", metric.name, metric.unit);
        assert!(docs.contains(&head), "docs/metrics.md has no line {head}");
    }
    for (name, _) in mentions(&docs)
        .into_iter()
        .filter(|(name, _)| !name.contains(':'))
    {
        let known = names::ALL
            .iter()
            .any(|metric| metric.samples().contains(&name) || metric.family() == name);
        assert!(known, "docs/metrics.md names {name}, which is not there");
    }
}

#[test]
fn names_are_found_in_queries() {
    let text = r#"sum(rate(endturn_errors_total{job=~"$job", class!="x"}[5m])) / target:endturn_attempts:rate5m > endturn_budget_usd"#;
    let labels = vec!["job".to_owned(), "class".to_owned()];
    let expected = [
        ("endturn_errors_total".to_owned(), labels),
        ("target:endturn_attempts:rate5m".to_owned(), Vec::new()),
        ("endturn_budget_usd".to_owned(), Vec::new()),
    ];
    assert_eq!(mentions(text), expected);
}
