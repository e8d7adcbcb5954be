//! The page's routes over a shelf made by hand: status, headers, assets, encoded ids, one read for many viewers.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use endturn::{
    api::page::{
        Budget, CLOSED_FRESH, Case, DaysOf, Pair, Past, Plan, Range, Rules, Shelf, Spells, TODAY_FRESH, Way,
        routes,
    },
    clock::{Clock, Timestamp},
    feed::{
        reliability::Reliability,
        v1::{Health, Identity, StoreStatus},
    },
    health::{
        Figures, Hint, InForce, Network, ProviderView, Reason, ReasonCode, Routing, State, TargetView, View,
    },
    id::{ProviderId, TargetId},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

const TARGET: &str = "openrouter/meta-llama/llama-3.1-8b:free";
const START: Timestamp = Timestamp::from_millis(1_781_960_702_000);

#[derive(Clone)]
struct Fake {
    clock: Clock,
    health: Arc<Health>,
    reads: Arc<AtomicUsize>,
}

impl Fake {
    fn new() -> Self {
        let id: TargetId = TARGET.parse().unwrap();
        let view = View {
            at: START,
            network: Network::Online,
            providers: vec![ProviderView {
                id: id.provider().clone(),
                state: State::Operational,
                edge: State::Operational,
                connect_ms: endturn::health::Percentiles::default(),
            }],
            targets: vec![TargetView {
                id,
                state: State::Operational,
                since: START,
                reason: Reason {
                    code: ReasonCode::Healthy,
                    text: "replies finish".into(),
                    sources: Vec::new(),
                },
                routing: Routing {
                    hint: Hint::Allow,
                    weight: Some(1.0),
                    retry_at: None,
                },
                figures: Figures::default(),
                soft_deadline: Duration::from_secs(2),
                last_complete_at: None,
                last_seen_at: None,
                served_model: None,
                via: None,
                flags: Vec::new(),
                incident: None,
                spent_usd_today: 0.0,
                official: None,
                declared: InForce::default(),
            }],
        };
        let identity = Identity {
            instance: "i".into(),
            vantage: "v".into(),
        };
        Self {
            clock: Clock::manual(START),
            health: Arc::new(Health::new(&identity, 1, &view, &StoreStatus::default())),
            reads: Arc::default(),
        }
    }
}

impl Shelf for Fake {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    fn budget(&self) -> Budget {
        Budget::default()
    }

    fn plans(&self, _: &TargetId) -> Vec<Plan> {
        Vec::new()
    }

    async fn days(&self, _: Timestamp, _: Timestamp) -> Option<DaysOf> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Some(DaysOf::new())
    }

    fn ways(&self) -> Vec<Way> {
        Vec::new()
    }

    async fn outlooks(&self, _: Vec<Pair>) -> Option<Vec<Reliability>> {
        None
    }

    fn rules(&self) -> Rules {
        Rules::default()
    }

    async fn incidents(&self, _: Option<&ProviderId>, _: Option<i64>) -> Option<Spells> {
        None
    }

    async fn incident(&self, _: &str) -> Result<Option<Case>, String> {
        Ok(None)
    }

    async fn past(&self, _: &TargetId, _: Range) -> Past {
        Past {
            missing: Some("the disk is gone".into()),
            ..Past::default()
        }
    }
}

struct Answer {
    status: StatusCode,
    kind: String,
    cache: String,
    body: String,
}

async fn get(router: &Router, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let text = |name| {
        let value = response.headers().get(name).map(|v| v.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    Answer {
        status: response.status(),
        kind: text(header::CONTENT_TYPE),
        cache: text(header::CACHE_CONTROL),
        body: String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn pages_answer_with_html_that_nobody_keeps() {
    let router = routes::<Fake>().with_state(Fake::new());
    for (path, status, part) in [
        ("/", StatusCode::OK, "OpenRouter finishes its replies."),
        (
            "/targets/openrouter/meta-llama/llama-3.1-8b:free",
            StatusCode::OK,
            "the disk is gone",
        ),
        (
            "/targets/openrouter/meta-llama/llama-3.1-8b%3Afree",
            StatusCode::OK,
            "the disk is gone",
        ),
        (
            "/targets/openrouter%2Fmeta-llama%2Fllama-3.1-8b%3afree",
            StatusCode::OK,
            "the disk is gone",
        ),
        (
            "/targets/openrouter/nobody",
            StatusCode::NOT_FOUND,
            "There is no such target.",
        ),
        ("/targets/%3Cscript%3E", StatusCode::NOT_FOUND, "&#60;script&#62;"),
        ("/targets/a", StatusCode::NOT_FOUND, "Nobody watches"),
        ("/methodology", StatusCode::OK, "No anchors are configured"),
        ("/incidents", StatusCode::OK, "the store does not answer"),
        ("/incidents?before=x", StatusCode::OK, "the store does not answer"),
        (
            "/incidents/none",
            StatusCode::NOT_FOUND,
            "There is no such incident.",
        ),
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.kind, "text/html; charset=utf-8", "{path}");
        assert_eq!(answer.cache, "no-store", "{path}");
        assert!(answer.body.contains(part), "{path}: {part} is missing");
    }
}

#[tokio::test]
async fn a_range_that_nobody_knows_is_the_first() {
    let router = routes::<Fake>().with_state(Fake::new());
    let path = "/targets/openrouter/meta-llama/llama-3.1-8b:free";
    for (query, range) in [
        ("", "1h"),
        ("?range=1h", "1h"),
        ("?range=24h", "24h"),
        ("?x=1&range=90d", "90d"),
        ("?range=2h", "1h"),
        ("?range=%00", "1h"),
        ("?range", "1h"),
    ] {
        let page = get(&router, &format!("{path}{query}")).await.body;
        let current = format!("data-range=\"{range}\" aria-current=\"true\"");
        assert!(page.contains(&current), "{query}");
        assert_eq!(page.matches("aria-current=\"true\"").count(), 1, "{query}");
    }
}

#[tokio::test]
async fn a_targets_page_brings_its_own_script() {
    let router = routes::<Fake>().with_state(Fake::new());
    let page = get(&router, "/targets/openrouter/meta-llama/llama-3.1-8b:free")
        .await
        .body;
    let (_, rest) = page.split_once("<script src=\"").unwrap();
    let script = rest.split('"').next().unwrap();
    let asset = get(&router, script).await;
    assert!(asset.body.contains("data-readout") && asset.cache.contains("immutable"));
}

#[tokio::test]
async fn assets_are_named_by_the_page_and_kept_for_ever() {
    let router = routes::<Fake>().with_state(Fake::new());
    let page = get(&router, "/").await.body;
    let paths: Vec<&str> = page
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .collect();
    let kinds = [
        "image/svg+xml",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
    ];
    assert_eq!(paths.len(), kinds.len(), "icon, stylesheet, script: {paths:?}");
    for (path, kind) in paths.into_iter().zip(kinds) {
        let asset = get(&router, path).await;
        assert_eq!(asset.status, StatusCode::OK, "{path}");
        assert_eq!(asset.kind, kind, "{path}");
        assert!(asset.cache.contains("immutable"), "{path}");
        assert!(!asset.body.is_empty());
    }
    assert_eq!(
        get(&router, "/assets/status.css").await.status,
        StatusCode::NOT_FOUND
    );
    let icon = get(&router, "/favicon.ico").await;
    assert_eq!((icon.status, icon.kind.as_str()), (StatusCode::OK, kinds[0]));
}

#[tokio::test]
async fn many_viewers_cost_one_read_of_the_days() {
    let fake = Fake::new();
    let router = routes::<Fake>().with_state(fake.clone());
    for (pause, reads) in [
        (Duration::ZERO, 2),
        (TODAY_FRESH, 3),
        (CLOSED_FRESH.saturating_sub(TODAY_FRESH), 5),
        (Duration::from_secs(86_400), 7),
    ] {
        fake.clock.advance(pause);
        for _ in 0..20 {
            get(&router, "/").await;
            // What is read behind the answers is read now.
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.reads.load(Ordering::SeqCst), reads, "after {pause:?}");
    }
}

#[tokio::test]
async fn a_feed_past_its_time_is_not_believed() {
    let fake = Fake::new();
    let router = routes::<Fake>().with_state(fake.clone());
    fake.clock.advance(Duration::from_secs(16));
    let page = get(&router, "/").await.body;
    assert!(page.contains("the monitor itself is silent"));
    assert!(!page.contains("finishes its replies"));
}

#[tokio::test]
async fn the_words_of_each_day_are_told_to_whoever_asks() {
    let router = routes::<Fake>().with_state(Fake::new());
    let answer = get(&router, "/days/openrouter/meta-llama/llama-3.1-8b%3Afree").await;
    assert_eq!(
        (answer.status, answer.kind.as_str(), answer.cache.as_str()),
        (StatusCode::OK, "application/json", "no-store")
    );
    let days: Vec<String> = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(days.len(), endturn::api::page::DAYS);
    assert_eq!(days[88], "19 June 2026\nno data: nobody watched");
    for path in ["/days/openrouter/nobody", "/days/x"] {
        assert_eq!(get(&router, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn every_page_names_the_feed_of_incidents() {
    let router = routes::<Fake>().with_state(Fake::new());
    for path in [
        "/",
        "/incidents",
        "/methodology",
        "/targets/openrouter/meta-llama/llama-3.1-8b:free",
    ] {
        let page = get(&router, path).await.body;
        assert!(
            page.contains("<link rel=\"alternate\" type=\"application/atom+xml\" title=\"Incidents\" href=\"/feed.atom\">"),
            "{path}"
        );
    }
}
