use std::path::PathBuf;

use super::*;
use crate::config::{ConfigError, Env, load_text};

/// 1 where gRPC is built in.
const GRPC_BUILT: usize = if cfg!(feature = "otlp-grpc") { 1 } else { 0 };
const REACHED: &str = "[[provider]]\nid = \"anthropic\"\ncanary = false\n";

fn load(file: &str, vars: &[(&str, &str)]) -> Result<(Telemetry, usize), ConfigError> {
    let env = Env {
        vars: vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        working_dir: std::env::temp_dir(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    let told = |loaded: crate::config::Loaded| {
        let about = |text: &str| text.contains("OTEL");
        let warnings = loaded
            .warnings
            .items()
            .iter()
            .filter(|item| about(&item.message))
            .count();
        (loaded.config.telemetry, warnings)
    };
    load_text("t.toml", &format!("{REACHED}{file}"), &env).map(told)
}

/// Signal and URL of every route.
fn urls(telemetry: &Telemetry) -> Vec<String> {
    let routes = telemetry.otlp.iter().flat_map(|otlp| &otlp.routes);
    routes.map(|route| route.url.to_string()).collect()
}

#[test]
fn without_an_endpoint_nobody_is_told() {
    let (telemetry, _) = load("", &[]).unwrap();
    assert_eq!(telemetry, Telemetry::default());
    let (telemetry, _) = load("[telemetry]\nconventions = \"both\"", &[]).unwrap();
    assert_eq!((telemetry.conventions, telemetry.otlp), (Conventions::Both, None));
}

#[test]
fn what_the_file_says_counts_before_the_environment() {
    const FILE: &str = "[telemetry.otlp]\nendpoint = \"http://here:1/base/\"\ntimeout = \"2s\"\ninterval = \"5s\"\n\
        signals = [\"logs\", \"metrics\"]\nheaders = { Authorization = { env = \"TOKEN\" } }";
    let vars = [
        ("TOKEN", "Bearer planted"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:2"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://elsewhere:3"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "9000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "9000"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
    ];
    let (telemetry, _) = load(FILE, &vars).unwrap();
    assert_eq!(
        urls(&telemetry),
        ["http://here:1/base/v1/logs", "http://here:1/base/v1/metrics"]
    );
    assert!(!format!("{telemetry:?}").contains("planted"));
    let otlp = telemetry.otlp.unwrap();
    assert_eq!(otlp.interval, Duration::from_secs(5));
    assert_eq!(
        otlp.headers,
        [("authorization".to_owned(), Secret::new("Bearer planted"))]
    );
    for route in otlp.routes {
        assert_eq!(route.timeout, Duration::from_secs(2));
        assert!(!route.gzip, "the file has no word for it");
    }
}

#[test]
fn the_environment_alone_is_enough() {
    let vars = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:2"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://elsewhere:3/mine"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "900000"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
    ];
    let (telemetry, warnings) = load("", &vars).unwrap();
    assert_eq!(warnings, 0);
    assert_eq!(
        urls(&telemetry),
        [
            "http://there:2/v1/metrics",
            "http://there:2/v1/traces",
            "http://elsewhere:3/mine"
        ]
    );
    let otlp = telemetry.otlp.unwrap();
    assert_eq!(otlp.interval, Duration::from_secs(2));
    let timeouts: Vec<u64> = otlp.routes.iter().map(|route| route.timeout.as_secs()).collect();
    assert_eq!(timeouts, [3, 60, 3], "bounded");
    assert!(otlp.routes.iter().all(|route| route.gzip));
}

#[test]
fn the_environment_can_turn_it_off() {
    const FILE: &str = "[telemetry.otlp]\nendpoint = \"http://here:1\"";
    for word in ["true", "TRUE", " true "] {
        assert_eq!(
            load(FILE, &[("OTEL_SDK_DISABLED", word)]).unwrap().0.otlp,
            None,
            "{word}"
        );
    }
    assert!(
        load(FILE, &[("OTEL_SDK_DISABLED", "false")])
            .unwrap()
            .0
            .otlp
            .is_some()
    );
    let (telemetry, _) = load(FILE, &[("OTEL_TRACES_EXPORTER", "none")]).unwrap();
    assert_eq!(
        urls(&telemetry),
        ["http://here:1/v1/metrics", "http://here:1/v1/logs"]
    );
}

#[test]
fn a_wrong_variable_is_a_warning() {
    for (name, value, left) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "there:2", 0),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:planted@there:2", 0),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", 0),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "carrier-pigeon", 2),
    ] {
        let mut vars = vec![(name, value)];
        if name != "OTEL_EXPORTER_OTLP_ENDPOINT" {
            vars.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://there:2"));
        }
        let (telemetry, warnings) = load("", &vars).unwrap();
        assert_eq!(urls(&telemetry).len(), left, "{name}={value}");
        assert!(warnings > 0, "{name}={value}");
    }
}

#[test]
fn mistakes_in_the_file_are_told() {
    let many: Vec<String> = (0..=MAX_OTLP_HEADERS)
        .map(|n| format!("x-{n} = {{ env = \"T\" }}"))
        .collect();
    let many = many.join(", ");
    for (file, told) in [
        (
            "[telemetry]\nconventions = \"v2\"".to_owned(),
            "there are no conventions",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"localhost:4318\"".to_owned(),
            "no plain http or https URL",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://u:p@h\"".to_owned(),
            "no plain http or https URL",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\nprotocol = \"http/json\"".to_owned(),
            "OTLP is not spoken as",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\nsignals = [\"trace\"]".to_owned(),
            "there is no signal",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\nsignals = [\"logs\", \"logs\"]".to_owned(),
            "named twice",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\nsignals = []".to_owned(),
            "no signal is told",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\ninterval = \"999ms\"".to_owned(),
            "the interval of telemetry",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\ntimeout = \"61s\"".to_owned(),
            "the timeout of telemetry",
        ),
        (
            "[telemetry.otlp]\nendpoint = \"http://h\"\nheaders = { \"a b\" = { env = \"T\" } }".to_owned(),
            "no name of a header",
        ),
        (
            "[telemetry.otlp]\nheaders = { a = { env = \"T\" } }".to_owned(),
            "headers and no endpoint",
        ),
        (
            format!("[telemetry.otlp]\nendpoint = \"http://h\"\nheaders = {{ {many} }}"),
            "more than 16 headers",
        ),
        (
            "[telemetry.otlp]\nendpont = \"http://h\"".to_owned(),
            "unknown key",
        ),
    ] {
        match load(&file, &[("T", "x")]) {
            Err(ConfigError::Invalid(found)) => {
                let all: Vec<&str> = found.items().iter().map(|item| item.message.as_str()).collect();
                assert!(
                    all.iter().any(|message| message.contains(told)),
                    "{file}: {all:?}"
                );
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[test]
fn grpc_is_spoken_by_the_builds_that_have_it() {
    let file = "[telemetry.otlp]\nendpoint = \"http://h:4317\"\nprotocol = \"grpc\"";
    match load(file, &[]) {
        Ok((telemetry, _)) => {
            assert_eq!(urls(&telemetry), vec!["http://h:4317/"; 3 * GRPC_BUILT]);
        }
        Err(_) => assert_eq!(GRPC_BUILT, 0),
    }
}
