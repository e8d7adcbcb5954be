//! `report` and `history` as a person calls them, against a running daemon.

use serde_json::Value;

use super::{Place, running::Running};
use crate::support::live::{Providers, json, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_month_and_a_history_are_told_by_the_running_daemon() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &providers.entry("anthropic", "anthropic", "\"haiku\"", "100ms"),
    );
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    providers.truncate("anthropic");
    until("some cut replies", || async {
        let counts = json(addr, "/v1/series/anthropic/haiku?metric=counts&step=1d").await;
        let cut: u64 = counts["points"]
            .as_array()?
            .iter()
            .filter_map(|point| point["truncated"].as_u64())
            .sum();
        (cut >= 10).then_some(())
    })
    .await;
    let url = format!("http://{addr}");

    let markdown = place
        .run(&["report", "--url", &url, "--objective", "99.9"])
        .await
        .expect(0);
    for part in [
        "# Reliability of LLM providers",
        "## anthropic",
        "The month still runs",
        "objective of 99.9 %",
        "| `haiku` |",
    ] {
        assert!(markdown.out.contains(part), "{part}: {}", markdown.out);
    }
    let report = place
        .run(&["report", "--url", &url, "--format", "json"])
        .await
        .expect(0);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    let figures = &report["providers"][0]["targets"][0]["figures"];
    assert!(
        figures["truncation_rate"]["hits"].as_u64().unwrap() >= 10,
        "{figures}"
    );
    let csv = place
        .run(&["report", "--url", &url, "--format", "csv"])
        .await
        .expect(0);
    assert_eq!(csv.out.lines().count(), 3, "{}", csv.out);
    let nobody = place
        .run(&["report", "--url", &url, "--targets", "openai/*"])
        .await
        .expect(0);
    assert!(nobody.out.contains("**No data.**"), "{}", nobody.out);
    let early = place
        .run(&["report", "--url", &url, "--month", "9999-01"])
        .await
        .expect(2);
    assert!(early.err.contains("has not begun"), "{}", early.err);

    let target = "anthropic/haiku";
    let table = place
        .run(&["history", target, "--url", &url, "--step", "1h"])
        .await
        .expect(0);
    assert!(
        table.out.contains("TRUNCATED") && table.out.contains('–'),
        "{}",
        table.out
    );
    let one = [
        "history", target, "--url", &url, "--since", "2h", "--step", "1h", "--metric", "verdicts",
    ];
    let verdicts = place.run(&[&one[..], &["--csv"]].concat()).await.expect(0);
    assert!(verdicts.out.starts_with("at,attempts,"), "{}", verdicts.out);
    assert!(verdicts.out.contains("truncated/"), "{}", verdicts.out);
    let series = place.run(&[&one[..], &["--json"]].concat()).await.expect(0);
    let series: Value = serde_json::from_str(&series.out).unwrap();
    assert_eq!(
        (&series["metric"], &series["step_s"]),
        (&"verdicts".into(), &3_600.into())
    );
    let all = place
        .run(&["history", target, "--url", &url, "--json"])
        .await
        .expect(0);
    let all: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);

    for form in [&[][..], &["--metric", "spend_usd", "--csv"], &["--json"]] {
        let nobody = ["history", "anthropic/opus", "--url", &url];
        let refused = place.run(&[&nobody[..], form].concat()).await.expect(2);
        assert!(refused.out.is_empty(), "{}", refused.out);
        assert!(
            refused.err.contains("does not watch anthropic/opus"),
            "{}",
            refused.err
        );
        assert!(
            refused.err.contains("it watches anthropic/haiku"),
            "{}",
            refused.err
        );
    }
    // Nothing was seen then, but it is watched.
    let empty = [
        "history",
        target,
        "--url",
        &url,
        "--from",
        "2001-01-01",
        "--to",
        "2001-01-02",
    ];
    place.run(&empty).await.expect(0);
    // What is watched no more still has its past.
    place.configure(
        "endturn.toml",
        &providers.entry("anthropic", "anthropic", "\"opus\"", "100ms"),
    );
    place.run(&["reload", "--url", &url]).await.expect(0);
    let health = json(addr, "/v1/health").await;
    assert_eq!(health["targets"][0]["id"], "anthropic/opus");
    let past = place.run(&["history", target, "--url", &url]).await.expect(0);
    assert!(past.out.contains("TRUNCATED"), "{}", past.out);

    daemon.signal("TERM");
    daemon.end().await.expect(0);
    for args in [
        &["report", "--url", &url][..],
        &["history", target, "--url", &url],
    ] {
        let gone = place.run(args).await.expect(4);
        assert!(gone.err.contains("no endturn answers at"), "{}", gone.err);
    }
}
