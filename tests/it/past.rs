//! Questions about the past over a real store: reliability, the report of a month, filters, feed readers and badges.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use endturn::{
    api::{ApiState, Checks, History, MAX_ENTRIES, MAX_LABEL, Readiness, router},
    clock::{Clock, Timestamp},
    feed::{Cause, Hub, v1},
    health::{Change, ChangeKind, Incident, Reason, ReasonCode, Standing, State, StateTimes},
    route::Board,
    store::{Options, Record, Store, Writer},
    verdict::{Observation, Source, Truncation, Verdict},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    feed::{IDS, T0, hub, id, view},
    operate::{Obedient, noticed},
};

const HOUR: i64 = 3_600_000;
/// Requests an hour to each target in the day before [`T0`].
const HOURLY: u64 = 10;

struct Well;

impl Readiness for Well {
    fn checks(&self) -> Checks {
        Checks {
            scheduler_at: T0,
            store: v1::StoreStatus::default(),
            store_queued: 0,
        }
    }
}

pub(crate) struct Remembered {
    pub(crate) router: Router,
    pub(crate) hub: Arc<Hub>,
    clock: Clock,
    writer: Writer,
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::from_millis(T0.as_millis() - hours * HOUR)
}

fn incident(name: &str, target: &str, hours: (i64, Option<i64>), worst: State, code: ReasonCode) -> Incident {
    Incident {
        id: name.to_owned(),
        target: id(target),
        started: ago(hours.0),
        detected: ago(hours.0),
        opened: ago(hours.0),
        recovered: hours.1.map(ago),
        closed: hours.1.map(ago),
        worst,
        reason: Reason {
            code,
            text: "7 of 12 replies".to_owned(),
            sources: vec![Source::Canary],
        },
        timeline: Vec::new(),
        lead_s: hours.1.map(|_| 600),
    }
}

/// A day of two targets: the first cuts every reply of its fourth last hour, the second never failed. The third was
/// never seen. Three incidents, of which the first lies in the month before.
fn contents() -> Vec<Record> {
    let mut all = Vec::new();
    for hour in 1..=24_i64 {
        for n in 0..HOURLY {
            let at = Timestamp::from_millis(ago(hour).as_millis() + 60_000 + i64::try_from(n).unwrap());
            for target in &IDS[..2] {
                let cut = *target == IDS[0] && hour == 4;
                let verdict = if cut {
                    Verdict::Truncated(if n < 3 {
                        Truncation::Cut
                    } else {
                        Truncation::ALL[1]
                    })
                } else {
                    Verdict::Complete
                };
                let mut seen = Observation::new(id(target), at, Source::Canary, verdict);
                seen.phases.first_token = Some(Duration::from_millis(400));
                seen.phases.terminal = Some(Duration::from_millis(1_500));
                seen.cost_usd = 0.001;
                seen.usage.input = Some(20);
                seen.usage.output = Some(30);
                all.push(Record::Observation(seen));
            }
        }
    }
    let day = |day: i64, times: &[(State, i64)]| {
        let mut sum = StateTimes::default();
        for (state, hours) in times {
            sum.add(*state, (hours * HOUR).cast_unsigned());
        }
        Record::Standing(Standing {
            target: id(IDS[0]),
            day: Timestamp::from_millis(T0.as_millis().div_euclid(24 * HOUR) * 24 * HOUR - day * 24 * HOUR),
            times: sum,
        })
    };
    all.push(day(1, &[(State::Operational, 20), (State::Unknown, 4)]));
    all.push(day(
        0,
        &[
            (State::Operational, 11),
            (State::Partial, 1),
            (State::Degraded, 1),
        ],
    ));
    let [down, partial] = [State::Down, State::Partial];
    all.extend(
        [
            incident(
                "i-may",
                IDS[0],
                (24 * 30, Some(24 * 30 - 1)),
                down,
                ReasonCode::Overloaded,
            ),
            incident("i-cut", IDS[0], (4, Some(3)), partial, ReasonCode::Truncated),
            incident("i-open", IDS[1], (1, None), partial, ReasonCode::Slow),
        ]
        .map(Record::Incident),
    );
    all.push(Record::Change(Change {
        target: id(IDS[0]),
        at: ago(2),
        kind: ChangeKind::ModelChanged,
        from: "a".to_owned(),
        to: "b".to_owned(),
    }));
    all
}

pub(crate) fn remembered() -> Remembered {
    let clock = Clock::manual(T0);
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).unwrap();
    for record in contents() {
        writer.send(record);
    }
    assert!(writer.flush(Duration::from_secs(30)));
    let hub = Arc::new(hub());
    let state = ApiState::new(
        Arc::clone(&hub),
        Arc::new(Board::new(&crate::api::rules(), &hub.snapshot())),
        Arc::new(reader) as Arc<dyn History>,
        Arc::new(Well) as Arc<dyn Readiness>,
        crate::support::intake(&clock).0,
        clock.clone(),
        CancellationToken::new(),
    )
    .with_control(Arc::new(Obedient::default()), noticed())
    .with_alerting(Arc::new(crate::alerts::Sample));
    Remembered {
        router: router(state, Router::new()),
        hub,
        clock,
        writer,
    }
}

impl Remembered {
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Body> {
        let request = Request::get(path).header("host", "localhost:7411");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn text(&self, path: &str) -> (StatusCode, String) {
        let response = self.get(path).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.text(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn refused(&self, path: &str, told: &str) {
        let (status, text) = self.text(path).await;
        assert!(
            status == StatusCode::BAD_REQUEST && text.contains(told),
            "{path}: {status} {text}"
        );
    }
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

/// `from` of the whole day; the time of asking is [`T0`].
fn window() -> String {
    format!("from={}", ago(24).to_rfc3339())
}

#[tokio::test]
async fn reliability_multiplies_what_single_requests_met() {
    let world = remembered();
    let whole = 24 * HOURLY;
    let good = whole - HOURLY;
    let (first, second, third) = (IDS[0], IDS[1], IDS[2]);
    let one = world
        .json(&format!("/v1/reliability?target={first}&steps=6&{}", window()))
        .await;
    assert_eq!((&one["steps"], &one["n"]), (&6.into(), &whole.into()));
    assert_eq!(one["per_step"][0]["successes"], good);
    let p = good as f64 / whole as f64;
    near(&one["point"], p.powi(6));
    // All failures in one hour: far fewer independent trials than requests.
    assert!(one["deff"].as_f64().unwrap() > 5.0, "{one}");
    assert!(one["low"].as_f64() < one["point"].as_f64() && one["insufficient"].is_null());
    // Without `from` it is the day before now.
    let day = world
        .json(&format!("/v1/reliability?target={first}&steps=6"))
        .await;
    assert_eq!(day["n"], one["n"]);

    let both = world
        .json(&format!(
            "/v1/reliability?target={first}&target={second}&target={second}&{}",
            window()
        ))
        .await;
    near(&both["point"], p);
    let times: Vec<_> = [0, 1]
        .map(|at| &both["per_step"][at]["times"])
        .into_iter()
        .collect();
    assert_eq!(times, [&Value::from(1), &Value::from(2)]);

    let helped = world
        .json(&format!(
            "/v1/reliability?target={first}&fallback={second}&{}",
            window()
        ))
        .await;
    let fallback = &helped["per_step"][0]["with_fallback"];
    let shared = fallback["shared_failures"].as_f64().unwrap();
    // One hour of failures in which the fallback stood, beside ten of the default.
    near(&fallback["shared_failures"], 1.0 / 11.0);
    near(&helped["point"], 1.0 - (1.0 - p) * shared);
    assert_eq!(helped["fallback"]["target"], second);

    for path in [
        format!("/v1/reliability?target={third}"),
        format!("/v1/reliability?target={first}&target={third}"),
        format!("/v1/reliability?target={first}&fallback={third}"),
    ] {
        let scarce = world.json(&path).await;
        assert!(scarce["point"].is_null() && scarce["low"].is_null(), "{scarce}");
        let why = scarce["insufficient"].as_str().unwrap();
        assert!(why.contains(third) && why.contains("takes 30"), "{why}");
    }
    world.refused("/v1/reliability", "comes 0 times").await;
    world
        .refused(
            &format!("/v1/reliability?target={first}&steps=0"),
            "allowed are 1 to",
        )
        .await;
    world
        .refused(
            &format!("/v1/reliability?target={first}&stepps=1"),
            "unknown field",
        )
        .await;
}

#[tokio::test]
async fn a_month_is_reported_as_it_was_seen() {
    let world = remembered();
    let report = world.json("/v1/report?month=2026-06&objective=99").await;
    assert_eq!(
        (&report["schema"], &report["running"], &report["vantage"]),
        (&"endturn.report.v1".into(), &true.into(), &"fra-1".into())
    );
    let provider = |name: &str| {
        let all = report["providers"].as_array().unwrap();
        all.iter()
            .find(|provider| provider["id"] == name)
            .unwrap()
            .clone()
    };
    let first = &provider("anthropic")["targets"][0]["figures"];
    near(&first["uptime"], 1.0 - 1.0 / 33.0);
    let elapsed = (T0.as_millis()
        - Timestamp::from_rfc3339("2026-06-01T00:00:00Z")
            .unwrap()
            .as_millis()) as f64;
    near(&first["coverage"], (33 * HOUR) as f64 / elapsed);
    assert_eq!(first["attempts"]["canary"], 24 * HOURLY);
    near(&first["truncation_rate"]["value"], 1.0 / 24.0);
    assert!(first["truncation_rate"]["deff"].as_f64().unwrap() > 5.0);
    let width = |rate: &Value| rate["high"].as_f64().unwrap() - rate["low"].as_f64().unwrap();
    assert!(width(&first["truncation_rate"]) > 0.1, "{first}");
    assert_eq!(first["ttft_ms"]["n"], 23 * HOURLY);
    // The incident of May is not in June; MTBF needs two.
    assert_eq!(
        (&first["incidents"]["count"], &first["incidents"]["mttr_s"]),
        (&1.into(), &3_600.into())
    );
    assert!(first["incidents"]["mtbf_s"].is_null());
    near(&first["time_budget_s"]["allowed"], 33.0 * 36.0);
    near(&first["time_budget_s"]["burnt"], 3_600.0);
    near(&first["reply_budget"]["left"], 2.4 - 10.0);
    near(&first["spent_usd"], 0.24);
    assert_eq!(first["input_tokens"], 24 * HOURLY * 20);
    let openai = provider("openai");
    let [second, third] = [0, 1].map(|at| &openai["targets"][at]["figures"]);
    assert_eq!(
        (&second["uptime"], &second["time_budget_s"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&second["seen"], &second["incidents"]["open"]),
        (&true.into(), &1.into())
    );
    assert_eq!(
        (&third["seen"], &third["failure_rate"]["value"]),
        (&false.into(), &Value::Null)
    );
    let lines: Vec<_> = report["incidents"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&lines[0]["id"], &lines[1]["id"]),
        (&"i-cut".into(), &"i-open".into())
    );
    assert_eq!(
        (&lines[1]["open"], &lines[1]["length_s"]),
        (&true.into(), &3_600.into())
    );

    let may = world.json("/v1/report?month=2026-05&targets=anthropic/*").await;
    assert_eq!(may["providers"].as_array().unwrap().len(), 1);
    let sheet = &may["providers"][0]["figures"];
    assert_eq!(
        (&sheet["uptime"], &sheet["incidents"]["count"]),
        (&Value::Null, &1.into())
    );
    let nothing = world.json("/v1/report?month=2020-01").await;
    for provider in nothing["providers"].as_array().unwrap() {
        assert_eq!(
            (&provider["figures"]["seen"], &provider["figures"]["uptime"]),
            (&false.into(), &Value::Null)
        );
    }
    let (status, text) = world.text("/v1/report?month=2026-07").await;
    assert!(
        status == StatusCode::NOT_FOUND && text.contains("has not begun"),
        "{text}"
    );
    for (query, told) in [
        ("month=June", "is no month"),
        ("objective=49", "allowed are 50 to 100"),
        ("objective=101", "allowed are 50 to 100"),
        ("objective=NaN", "allowed are 50 to 100"),
        ("objective=much", "invalid float"),
        ("targets=", "a pattern is empty"),
    ] {
        world.refused(&format!("/v1/report?{query}"), told).await;
    }
}

#[tokio::test]
async fn incidents_are_found_by_what_they_were() {
    let world = remembered();
    let at = |hours: i64| ago(hours).to_rfc3339();
    for (query, expected) in [
        (String::new(), vec!["i-open", "i-cut", "i-may"]),
        ("provider=anthropic".to_owned(), vec!["i-cut", "i-may"]),
        ("provider=anthropi".to_owned(), vec![]),
        (format!("target={}", IDS[1]), vec!["i-open"]),
        ("state=partial".to_owned(), vec!["i-open", "i-cut"]),
        ("state=down&open=true".to_owned(), vec![]),
        ("reason=truncated".to_owned(), vec!["i-cut"]),
        // Those that overlap: one that still lasts has no end.
        (format!("since={}", at(3)), vec!["i-open", "i-cut"]),
        (format!("since={}", at(2)), vec!["i-open"]),
        (format!("until={}", at(4)), vec!["i-may"]),
        (format!("until={}", at(3)), vec!["i-cut", "i-may"]),
        (format!("since={}&until={}", at(5), at(2)), vec!["i-cut"]),
    ] {
        let list = world.json(&format!("/v1/incidents?{query}")).await;
        let ids: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|incident| incident["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    let mut told = Vec::new();
    let mut path = "/v1/incidents?limit=1&state=partial".to_owned();
    loop {
        let page = world.json(&path).await;
        told.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("/v1/incidents?limit=1&state=partial&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(told, ["i-open", "i-cut"]);
    for (query, told) in [
        ("state=operational", "known are degraded, partial, down"),
        ("reason=weather", "known are"),
        ("provider=a/b", "provider id holds"),
        ("since=now", "no RFC 3339 time"),
        ("until=2026", "no RFC 3339 time"),
    ] {
        world.refused(&format!("/v1/incidents?{query}"), told).await;
    }
}

#[tokio::test]
async fn observations_are_found_by_time_and_kind() {
    let world = remembered();
    let at = |hours: i64| ago(hours).to_rfc3339();
    let other = Truncation::ALL[1].as_str();
    for (query, expected) in [
        ("verdict=truncated".to_owned(), 10),
        ("kind=cut".to_owned(), 3),
        (format!("kind={other}"), 7),
        ("kind=none_such".to_owned(), 0),
        (format!("since={}", at(2)), 40),
        (format!("until={}", at(23)), 20),
        (format!("since={}&until={}", at(4), at(2)), 40),
        (format!("since={}&until={}&kind=cut", at(4), at(3)), 3),
        (format!("since={}&kind=cut", at(3)), 0),
    ] {
        let mut found = 0;
        let mut cursor = String::new();
        loop {
            let page = world
                .json(&format!("/v1/observations?limit=3&{query}{cursor}"))
                .await;
            found += page["items"].as_array().unwrap().len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{query}");
    }
    world.refused("/v1/observations?kind=Cut", "is no word").await;
    world.refused("/v1/observations?since=", "no RFC 3339 time").await;
}

#[tokio::test]
async fn feed_readers_get_incidents_with_stable_ids() {
    let world = remembered();
    let response = world.get("/feed.atom").await;
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/atom+xml; charset=utf-8");
    assert_eq!(header("cache-control"), "no-cache");
    let tag = header("etag");
    let (_, text) = world.text("/feed.atom").await;
    assert_eq!(text.matches("<entry>").count(), 3, "{text}");
    assert!(text.contains("http://localhost:7411/incidents/i-cut"), "{text}");
    let again = Request::get("/feed.atom")
        .header("host", "localhost:7411")
        .header("if-none-match", &tag);
    let again = world.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let (_, one) = world.text("/feed.atom?provider=openai").await;
    assert_eq!(one.matches("<entry>").count(), 1);
    world.refused("/feed.atom?limit=3", "unknown field").await;
    for n in 0..MAX_ENTRIES {
        let more = incident(
            &format!("i-{n}"),
            IDS[0],
            (2, Some(1)),
            State::Down,
            ReasonCode::Errors,
        );
        world.writer.send(Record::Incident(more));
    }
    assert!(world.writer.flush(Duration::from_secs(30)));
    let (_, most) = world.text("/feed.atom").await;
    assert_eq!(most.matches("<entry>").count(), MAX_ENTRIES);
}

#[tokio::test]
async fn a_badge_is_green_only_while_it_is_known_to_be_well() {
    let world = remembered();
    let path = format!("/badge/{}", IDS[1]);
    let shield = world.json(&format!("{path}.json")).await;
    assert_eq!(shield["schemaVersion"], 1);
    assert_eq!(
        (&shield["message"], &shield["isError"]),
        (&"operational".into(), &false.into())
    );
    let (_, svg) = world.text(&format!("{path}.svg?label=our+model")).await;
    assert!(svg.contains("<title>our model: operational</title>"), "{svg}");
    let green = shield["color"].as_str().unwrap();
    assert!(svg.contains(green));

    // Nobody publishes any more: past its time the feed tells nothing.
    world.clock.advance(v1::FRESH_FOR + Duration::from_millis(1));
    let shield = world.json(&format!("{path}.json")).await;
    assert_eq!(
        (&shield["message"], &shield["isError"]),
        (&"unknown".into(), &true.into())
    );
    assert_ne!(shield["color"], green);

    let now = world.clock.now();
    world.hub.publish(
        &view(now, State::Down),
        Cause::Heartbeat,
        &v1::StoreStatus::default(),
    );
    let down = world.json(&format!("/badge/{}.json", IDS[0])).await;
    assert_eq!(down["message"], "down");
    for (path, status) in [
        (format!("/badge/{}", IDS[1]), 404),
        ("/badge/no/body.svg".to_owned(), 404),
        ("/badge/nobody.svg".to_owned(), 400),
        (format!("{path}.png"), 404),
        (format!("{path}.svg?label={}", "x".repeat(MAX_LABEL + 1)), 400),
        (format!("{path}.svg?style=flat"), 400),
    ] {
        assert_eq!(world.text(&path).await.0.as_u16(), status, "{path}");
    }
}
