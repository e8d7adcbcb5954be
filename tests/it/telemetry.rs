//! What a running daemon tells those who collect figures, and what becomes of it when they don't.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collector;
mod dashboards;

use std::{net::SocketAddr, path::Path, time::Duration};

use endturn::{
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::Daemon,
    probe::http_client,
    telemetry::{
        SHUTDOWN,
        names::{self, otlp},
    },
};
use opentelemetry_proto::tonic::{
    metrics::v1::{AggregationTemporality, Metric, metric::Data},
    trace::v1::{span::SpanKind, status::StatusCode},
};

use crate::support::live::{self, Providers, STOP, get, stop, until};
use collector::{Came, Collector, Manner, attribute};

fn config(entries: &str, dir: &Path) -> Config {
    let text = format!(
        "vantage = \"here\"\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}",
        dir.join("endturn.db").display()
    );
    let env = Env {
        vars: [("KEY", "k"), ("TOKEN", "Bearer planted")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        working_dir: dir.to_owned(),
        ..Env::default()
    };
    let loaded = load_text("test.toml", &text, &env);
    loaded.unwrap_or_else(|error| panic!("{error}")).config
}

fn otlp_to(addr: SocketAddr, more: &str) -> String {
    format!("[telemetry.otlp]\nendpoint = \"http://{addr}\"\ninterval = \"1s\"\n{more}\n")
}

async fn start(config: Config) -> Daemon {
    live::start(config, &Clock::system()).await
}

/// The value of one sample of `/metrics`, its labels included in its name; sums over those that begin like it.
async fn sample(addr: SocketAddr, name: &str) -> f64 {
    let (status, text) = get(addr, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    let of = text.lines().filter(|line| line.starts_with(name));
    of.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

async fn until_sample(addr: SocketAddr, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
    until(name, || async {
        Some(sample(addr, name).await).filter(|value| wanted(*value))
    })
    .await
}

fn find<'a>(metrics: &'a [Metric], name: &str) -> Option<&'a Metric> {
    metrics.iter().find(|metric| metric.name == name)
}

#[tokio::test]
async fn what_was_seen_is_counted_while_the_store_is_locked() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let daemon = start(config(&providers.usual(), dir.path())).await;
    let addr = daemon.addr();
    let attempts =
        "endturn_attempts_total{provider=\"anthropic\",model=\"claude-haiku-4-5\",probe=\"canary\"}";
    until_sample(addr, attempts, |n| n > 2.0).await;
    let other = rusqlite::Connection::open(dir.path().join("endturn.db")).unwrap();
    other.busy_timeout(STOP).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let before = sample(addr, attempts).await;
    providers.truncate("anthropic");
    until_sample(addr, "endturn_truncations_total{provider=\"anthropic\"", |n| {
        n > 2.0
    })
    .await;
    until_sample(addr, attempts, |n| n > before + 2.0).await;
    until_sample(addr, "endturn_store_failing", |failing| failing > 0.0).await;
    other.execute_batch("ROLLBACK").unwrap();
    stop(daemon).await;
}

#[tokio::test]
async fn both_formats_are_answered_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let providers = Providers::start().await;
    let daemon = start(config(&providers.usual(), dir.path())).await;
    let url = format!("http://{}/metrics", daemon.addr());
    for (accept, media, end) in [
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            true,
        ),
        (
            "text/plain; version=0.0.4",
            "text/plain; version=0.0.4; charset=utf-8",
            false,
        ),
    ] {
        let client = http_client().unwrap();
        let answer = client.get(&url).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], media);
        assert_eq!(answer.headers()["vary"], "accept");
        let text = answer.text().await.unwrap();
        assert_eq!(text.ends_with("# EOF\n"), end, "{media}");
    }
    stop(daemon).await;
}

/// Everything that the collector got is as names.rs says.
fn check_metrics(metrics: &[Metric]) {
    for metric in metrics {
        let known = otlp::METRICS.iter().find(|known| known.name == metric.name);
        let known = known.unwrap_or_else(|| panic!("{} is not in names.rs", metric.name));
        assert_eq!(metric.unit, known.unit, "{}", metric.name);
        let cumulative = AggregationTemporality::Cumulative as i32;
        match (metric.data.as_ref().unwrap(), known.kind) {
            (Data::Gauge(gauge), otlp::Kind::Gauge) => assert!(!gauge.data_points.is_empty()),
            (Data::Sum(sum), otlp::Kind::Counter) => {
                assert!(
                    sum.is_monotonic && sum.aggregation_temporality == cumulative,
                    "{}",
                    metric.name
                );
            }
            (Data::ExponentialHistogram(it), otlp::Kind::Histogram(otlp::Buckets::Exponential)) => {
                assert_eq!(it.aggregation_temporality, cumulative);
            }
            (Data::Histogram(it), otlp::Kind::Histogram(buckets)) => {
                let bounds = match buckets {
                    otlp::Buckets::GenAiSeconds => otlp::GENAI_SECONDS.as_slice(),
                    otlp::Buckets::GenAiTokens => &otlp::GENAI_TOKENS,
                    otlp::Buckets::Exponential => panic!("{} has explicit buckets", metric.name),
                };
                assert!(
                    it.data_points.iter().all(|point| point.explicit_bounds == bounds),
                    "{}",
                    metric.name
                );
            }
            (data, kind) => panic!("{} is {data:?}, not {kind:?}", metric.name),
        }
    }
}

#[tokio::test]
async fn a_collector_gets_metrics_spans_and_records() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let collector = Collector::start(Manner::Takes).await;
    let way = otlp_to(
        collector.addr,
        "headers = { Authorization = { env = \"TOKEN\" } }",
    );
    let daemon = start(config(&(way + &providers.usual()), dir.path())).await;
    providers.truncate("openai");
    let addr = daemon.addr();
    until("all three signals", || async {
        let all = |came: &Came| {
            let cut = came
                .spans()
                .iter()
                .any(|span| attribute(&span.attributes, "endturn.truncation.kind").is_some());
            cut && !came.records().is_empty() && find(&came.newest(), otlp::TRUNCATIONS.name).is_some()
        };
        collector.look(all).then_some(())
    })
    .await;
    collector.look(|came| {
        for resource in came.resources() {
            let of = |name: &str| attribute(&resource.attributes, name);
            assert_eq!(of("service.name").as_deref(), Some("endturn"));
            assert_eq!(of("endturn.vantage").as_deref(), Some("here"));
            assert!(of("service.instance.id").is_some() && of("service.version").is_some());
        }
        for headers in &came.headers {
            assert_eq!(headers["authorization"], "Bearer planted");
            assert_eq!(headers["content-encoding"], "gzip");
        }
        let metrics = came.newest();
        check_metrics(&metrics);
        for metric in [
            &otlp::DURATION,
            &otlp::FIRST_CHUNK,
            &otlp::TOKEN_USAGE,
            &otlp::TTFT,
            &otlp::PHASE,
            &otlp::STATE,
        ] {
            assert!(find(&metrics, metric.name).is_some(), "{}", metric.name);
        }
        assert!(find(&metrics, otlp::NEXT_DURATION.name).is_none());
        check_spans(came);
        let moved = came
            .records()
            .into_iter()
            .find(|it| it.event_name == otlp::log::TRANSITION)
            .unwrap();
        assert!(attribute(&moved.attributes, "endturn.state").is_some() && moved.time_unix_nano > 0);
    });
    // Counted once the collector's answer is here, which is after it has what it was sent.
    until_sample(addr, "endturn_export_items_total{signal=\"traces\"}", |n| n > 0.0).await;
    until_sample(addr, "endturn_export_last_success_timestamp_seconds", |at| {
        at > 0.0
    })
    .await;
    stop(daemon).await;
}

fn check_spans(came: &Came) {
    let spans = came.spans();
    let whole = spans.iter().find(|span| {
        span.name == "chat claude-haiku-4-5"
            && attribute(&span.attributes, "endturn.outcome").as_deref() == Some("complete")
    });
    let whole = whole.expect("a span of a complete reply");
    assert_eq!(whole.kind, SpanKind::Client as i32);
    let of = |name: &str| attribute(&whole.attributes, name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(of("gen_ai.operation.name"), "chat");
    assert_eq!(of("gen_ai.provider.name"), "anthropic");
    assert_eq!(of("gen_ai.request.stream"), "true");
    assert_eq!(of("server.address"), "127.0.0.1");
    assert_eq!(of("user_agent.synthetic.type"), "test");
    assert_eq!(of("gen_ai.response.finish_reasons"), "end_turn");
    assert!(of("gen_ai.usage.output_tokens").parse::<u64>().unwrap() > 0);
    assert!(attribute(&whole.attributes, "error.type").is_none());
    let names: Vec<&str> = whole.events.iter().map(|event| event.name.as_str()).collect();
    for event in [
        otlp::event::HEADERS,
        otlp::event::FIRST_TOKEN,
        otlp::event::TERMINAL,
        otlp::event::END,
    ] {
        assert!(names.contains(&event), "{names:?}");
    }
    let times: Vec<u64> = whole.events.iter().map(|event| event.time_unix_nano).collect();
    assert!(
        times.is_sorted() && times[0] >= whole.start_time_unix_nano,
        "{times:?}"
    );
    assert!(*times.last().unwrap() <= whole.end_time_unix_nano);

    let cut = spans
        .iter()
        .find(|span| attribute(&span.attributes, "endturn.truncation.kind").is_some())
        .unwrap();
    let of = |name: &str| attribute(&cut.attributes, name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(of("error.type"), "stream_truncated");
    assert_eq!(of("gen_ai.response.finish_reasons"), "error");
    assert_eq!(cut.status.as_ref().unwrap().code, StatusCode::Error as i32);
}

#[tokio::test]
async fn the_switch_chooses_the_names() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let collector = Collector::start(Manner::Takes).await;
    let way = |word: &str| {
        let way = otlp_to(collector.addr, "signals = [\"metrics\"]");
        config(
            &format!(
                "[telemetry]\nconventions = \"{word}\"\n{way}{}",
                providers.usual()
            ),
            dir.path(),
        )
    };
    let daemon = start(way("next")).await;
    let now = [&otlp::DURATION, &otlp::FIRST_CHUNK, &otlp::TOKEN_USAGE];
    let next = [
        &otlp::NEXT_DURATION,
        &otlp::NEXT_FIRST_CHUNK,
        &otlp::NEXT_INPUT_TOKENS,
        &otlp::NEXT_OUTPUT_TOKENS,
    ];
    let has = |metric: &&otlp::Metric| collector.look(|came| find(&came.newest(), metric.name).is_some());
    until("the coming names", || async {
        next.iter().all(has).then_some(())
    })
    .await;
    assert!(!now.iter().any(has));
    daemon.reload(way("both")).await;
    until("both", || async {
        (next.iter().all(has) && now.iter().all(has)).then_some(())
    })
    .await;
    collector.look(|came| check_metrics(&came.newest()));
    daemon.reload(way("v1.41")).await;
    until("the old names alone", || async {
        (now.iter().all(has) && !next.iter().any(has)).then_some(())
    })
    .await;
    stop(daemon).await;
}

#[tokio::test]
async fn a_hung_collector_delays_nobody_and_what_is_lost_is_counted() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let collector = Collector::start(Manner::Hangs).await;
    // Longer than the end may take: an export is under way when it comes.
    let way = otlp_to(collector.addr, "timeout = \"30s\"");
    let daemon = start(config(&(way + &providers.usual()), dir.path())).await;
    let addr = daemon.addr();
    until("an export", || async {
        collector.look(|came| (came.requests > 0).then_some(()))
    })
    .await;
    let attempts = "endturn_attempts_total";
    let before = sample(addr, attempts).await;
    until_sample(addr, attempts, |n| n > before + 10.0).await;
    let (_, ready) = get(addr, "/readyz").await;
    assert!(ready.contains("\"status\":\"ok\""), "{ready}");
    let clock = Clock::system();
    let begun = clock.mono();
    stop(daemon).await;
    assert!(
        clock.mono() - begun < STOP,
        "bounded by {SHUTDOWN:?} and the rest of the end"
    );
}

#[tokio::test]
async fn whatever_a_collector_does_not_take_is_counted() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let collector = Collector::start(Manner::Busy).await;
    let way = otlp_to(collector.addr, "timeout = \"200ms\"");
    let daemon = start(config(&(way + &providers.usual()), dir.path())).await;
    let addr = daemon.addr();
    for signal in ["metrics", "traces", "logs"] {
        let lost = format!("endturn_export_lost_items_total{{signal=\"{signal}\",why=\"failed\"}}");
        until_sample(addr, &lost, |n| n > 0.0).await;
        let taken = format!("endturn_export_items_total{{signal=\"{signal}\"}}");
        assert!(sample(addr, &taken).await < 1.0, "{signal}");
    }
    collector.now(Manner::Talks);
    let failed = "endturn_export_lost_items_total{signal=\"metrics\",why=\"failed\"}";
    let before = sample(addr, failed).await;
    until_sample(addr, failed, |n| n > before).await;
    assert!(
        sample(addr, "endturn_export_items_total").await < 1.0,
        "an endless answer is none"
    );
    collector.now(Manner::Partial);
    let rejected = "endturn_export_lost_items_total{signal=\"metrics\",why=\"rejected\"}";
    until_sample(addr, rejected, |n| n >= 3.0 && n % 3.0 == 0.0).await;
    until_sample(addr, "endturn_export_items_total{signal=\"logs\"}", |n| n >= 0.0).await;
    collector.now(Manner::Takes);
    until_sample(addr, "endturn_export_items_total{signal=\"traces\"}", |n| n > 0.0).await;
    stop(daemon).await;
}

#[tokio::test]
async fn nobody_at_the_address_is_a_loss_and_no_more() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let way = otlp_to(nobody, "timeout = \"200ms\"");
    let daemon = start(config(&(way + &providers.usual()), dir.path())).await;
    let addr = daemon.addr();
    until_sample(
        addr,
        "endturn_export_lost_items_total{signal=\"metrics\",why=\"failed\"}",
        |n| n > 0.0,
    )
    .await;
    until_sample(addr, "endturn_attempts_total", |n| n > 4.0).await;
    stop(daemon).await;
}

#[tokio::test]
async fn a_reload_changes_the_way_out() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let (first, second) = (
        Collector::start(Manner::Takes).await,
        Collector::start(Manner::Takes).await,
    );
    let usual = providers.usual();
    let daemon = start(config(&usual, dir.path())).await;
    let addr = daemon.addr();
    assert!(sample(addr, "endturn_export").await < 1.0, "nobody collects");
    for collector in [&first, &second] {
        daemon
            .reload(config(&(otlp_to(collector.addr, "") + &usual), dir.path()))
            .await;
        until("metrics", || async {
            collector.look(|came| (!came.metrics.is_empty()).then_some(()))
        })
        .await;
    }
    daemon.reload(config(&usual, dir.path())).await;
    // What was told before is sent, then nothing.
    until("the end of exports", || async {
        let n = second.look(|came| came.requests);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        (second.look(|came| came.requests) == n).then_some(())
    })
    .await;
    stop(daemon).await;
}

#[test]
fn check_says_where_it_goes_and_no_secret() {
    let text = "[telemetry.otlp]\nendpoint = \"http://h:4318\"\nheaders = { authorization = { env = \"TOKEN\" } }\n\
        [[provider]]\nid = \"anthropic\"\ncanary = false\n";
    let env = Env {
        vars: [("TOKEN".to_owned(), "planted-9f86d081884c7d65".to_owned())].into(),
        ..Env::default()
    };
    let loaded = load_text("t.toml", text, &env).unwrap();
    let mut told = Vec::new();
    endturn::cli::check::write_plan(&loaded, false, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    for signal in ["metrics", "traces", "logs"] {
        assert!(
            told.contains(&format!("{signal} go to http://h:4318/v1/{signal}\n")),
            "{told}"
        );
    }
    assert!(!format!("{told}{loaded:?}").contains("planted"));
}

/// Our own exports are never taken for somebody's traffic: not by ourselves, not by another endturn.
#[tokio::test]
async fn our_own_telemetry_is_no_traffic() {
    let (dirs, providers) = (
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
        Providers::start().await,
    );
    let receiver = start(config(&providers.usual(), dirs[0].path())).await;
    let way = otlp_to(receiver.addr(), "");
    let sender = start(config(&(way.clone() + &providers.usual()), dirs[1].path())).await;
    receiver
        .reload(config(&(way + &providers.usual()), dirs[0].path()))
        .await;
    for addr in [sender.addr(), receiver.addr()] {
        for signal in ["metrics", "traces", "logs"] {
            let taken = format!("endturn_export_items_total{{signal=\"{signal}\"}}");
            until_sample(addr, &taken, |n| n > 0.0).await;
        }
    }
    let (_, text) = get(receiver.addr(), "/metrics").await;
    assert!(!text.contains("probe=\"report\""), "{text}");
    assert!(
        sample(receiver.addr(), "endturn_target_state{").await < 2.5,
        "two targets, as configured"
    );
    assert_eq!(names::otlp::SERVICE, "endturn");
    stop(sender).await;
    stop(receiver).await;
}
