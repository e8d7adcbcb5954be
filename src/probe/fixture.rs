//! A configuration for the tests of timetable, budget and plan.

use std::{path::PathBuf, time::Duration};

use crate::{
    config::{
        Answer, Auth, Canary, CanaryScript, Config, Expected, Keep, Model, OfficialPages, Price, ProbeLimits,
        Provider, Reach, Reading, Secret, Server, StoreConfig,
    },
    id::ProviderId,
    protocol::{Protocol, request::Endpoint},
};

/// One provider `p` with models `m0`, `m1` .. at that interval, reach included; a canary costs $0.001.
pub(super) fn config(models: usize, every: Duration) -> Config {
    let id: ProviderId = "p".parse().unwrap();
    Config {
        vantage: "test".to_owned(),
        server: Server {
            listen: ([127, 0, 0, 1], 0).into(),
            allowed_hosts: Vec::new(),
            reading: Reading::Free,
            trusted_proxies: Vec::new(),
            agent: None,
            agent_allow: Vec::new(),
            tokens: Vec::new(),
        },
        store: StoreConfig {
            path: PathBuf::from("test.db"),
            keep: Keep {
                raw: Duration::from_secs(3_600),
                minute: Duration::from_secs(86_400),
                hour: Duration::from_secs(7 * 86_400),
                day: None,
            },
            max_bytes: 1 << 30,
        },
        anchors: Vec::new(),
        usd_per_day: None,
        official: OfficialPages::default(),
        telemetry: crate::config::Telemetry::default(),
        routes: Vec::new(),
        alerts: crate::config::Alerts::default(),
        maintenance: Vec::new(),
        providers: vec![Provider {
            models: (0..models).map(|n| model(&format!("p/m{n}"), every)).collect(),
            id,
            preset: "anthropic".to_owned(),
            protocol: Protocol::Anthropic,
            dialect: None,
            endpoint: Endpoint::Native,
            base_url: "https://p.example".parse().unwrap(),
            auth: Auth::Bearer,
            key: Some(Secret::new("planted-key")),
            cloud: None,
            headers: Vec::new(),
            egress: crate::config::Egress::default(),
            reach: Some(reach(every)),
            strict_terminal: true,
            polite: true,
            usd_per_day: None,
            limits: ProbeLimits::default(),
        }],
    }
}

/// A list of models, 200 with a key and 401 without.
pub(super) fn reach(every: Duration) -> Reach {
    Reach {
        every,
        method: "GET".to_owned(),
        base_url: None,
        path: "/v1/models".to_owned(),
        body: None,
        with_key: Expected::status(200),
        without_key: Expected::status(401),
    }
}

fn model(id: &str, every: Duration) -> Model {
    let script = CanaryScript {
        name: "count20".to_owned(),
        prompt: "count, then SENTINEL_WORD".to_owned(),
        answer: Answer::Words(vec!["one".to_owned()]),
        sentinels: vec!["kestrel".to_owned()],
        input_tokens: 500,
        output_tokens: 100,
    };
    Model {
        canary: Some(Canary {
            every,
            script: script.into(),
            max_tokens: 200,
            reasoning_tokens: 0,
            params: serde_json::Map::new(),
            rest_after: None,
        }),
        price: Some(Price {
            input_usd_per_mtok: 1.0,
            output_usd_per_mtok: 5.0,
            usd_per_request: 0.0,
        }),
        ..Model::new(id.parse().unwrap())
    }
}
