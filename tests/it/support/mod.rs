//! What several integration tests need: providers, jobs, and servers that misbehave on demand.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

pub(crate) mod h2;
pub(crate) mod live;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod tls;

use std::{fmt::Write, net::SocketAddr, sync::Arc, time::Duration};

use endturn::{
    clock::Clock,
    config::{
        Answer, Auth, Canary, CanaryScript, Env, Expected, Model, Price, ProbeLimits, Provider, Reach,
        Secret, load_text,
    },
    health::Deadlines,
    id::{ProviderId, TargetId},
    intake::{Intake, Queue},
    probe::{ProbeJob, ProbeKind, ProbeReport, Prober},
    protocol::Protocol,
    verdict::Purpose,
};

/// The credential of every test provider: must never come out again.
pub(crate) const KEY: &str = "sk-marked-0123456789";

/// The sentinel that seed 0 draws.
pub(crate) const SENTINEL: &str = "kestrel";

/// The words of the canary without its sentinel.
pub(crate) const WORDS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Short deadlines for servers that never finish.
pub(crate) fn short_limits() -> ProbeLimits {
    let ms = Duration::from_millis;
    ProbeLimits {
        connect: ms(400),
        head: ms(400),
        first_token: ms(500),
        gap: ms(300),
        content_gap: ms(400),
        total: ms(900),
        ..ProbeLimits::default()
    }
}

/// An OpenAI-compatible provider at that origin.
pub(crate) fn provider(origin: &str, limits: ProbeLimits) -> Provider {
    Provider {
        id: ProviderId::new("test").unwrap(),
        preset: "openai".to_owned(),
        protocol: Protocol::OpenaiChat,
        dialect: None,
        endpoint: endturn::protocol::request::Endpoint::Native,
        base_url: origin.parse().unwrap(),
        auth: Auth::Bearer,
        key: Some(Secret::new(KEY)),
        cloud: None,
        headers: Vec::new(),
        egress: endturn::config::Egress::default(),
        reach: Some(Reach {
            every: Duration::from_secs(5),
            method: "GET".to_owned(),
            base_url: None,
            path: "/models".to_owned(),
            body: None,
            with_key: Expected::status(200),
            without_key: Expected::status(401),
        }),
        strict_terminal: true,
        polite: true,
        usd_per_day: None,
        limits,
        models: Vec::new(),
    }
}

/// A short counting canary.
pub(crate) fn model() -> Model {
    let target: TargetId = "test/small".parse().unwrap();
    Model {
        canary: Some(Canary {
            every: Duration::from_secs(60),
            script: CanaryScript {
                name: "count6".to_owned(),
                prompt: "Count from one to six, then write SENTINEL_WORD.".to_owned(),
                answer: Answer::Words(WORDS.map(str::to_owned).to_vec()),
                sentinels: vec![SENTINEL.to_owned(), "amber".to_owned()],
                input_tokens: 30,
                output_tokens: 10,
            }
            .into(),
            max_tokens: 64,
            reasoning_tokens: 0,
            params: serde_json::Map::new(),
            rest_after: None,
        }),
        price: Some(Price {
            input_usd_per_mtok: 1.0,
            output_usd_per_mtok: 10.0,
            usd_per_request: 0.0,
        }),
        ..Model::new(target)
    }
}

/// A scheduled probe of that provider.
pub(crate) fn job(provider: Provider, kind: ProbeKind) -> ProbeJob {
    ProbeJob {
        connect: None,
        provider: Arc::new(provider),
        model: Arc::new(model()),
        kind,
        purpose: Purpose::Scheduled,
        deadlines: Deadlines {
            soft: Duration::from_millis(200),
            hard: Duration::from_secs(5),
        },
        check_text: true,
        seed: 0,
    }
}

/// A canary against a plain-HTTP server, with its own client.
pub(crate) async fn canary(addr: SocketAddr, limits: ProbeLimits) -> ProbeReport {
    let prober = Prober::new(Clock::system()).unwrap();
    let job = job(provider(&format!("http://{addr}"), limits), ProbeKind::Canary);
    prober.run(&job, |_, _| {}).await
}

/// The events of an OpenAI chat stream that answers the canary rightly, each with its blank line.
pub(crate) fn events() -> Vec<String> {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"small\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut events = vec![chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    let mut lead = "";
    for word in WORDS.into_iter().chain([SENTINEL]) {
        events.push(chunk(&format!("{{\"content\":\"{lead}{word}\"}}"), "null"));
        lead = " ";
    }
    events.push(chunk("{}", "\"stop\""));
    events.push(
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"small\",\
         \"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":9,\"total_tokens\":39}}\n\n"
            .to_owned(),
    );
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// A whole right answer over HTTP/1.1, chunked and cleanly ended.
pub(crate) fn good_answer() -> String {
    let mut answer =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for event in events() {
        let _ = write!(answer, "{:x}\r\n{event}\r\n", event.len());
    }
    answer + "0\r\n\r\n"
}

/// Where real traffic comes in, with one configured target `local/m`, and what comes out.
pub(crate) fn intake(clock: &Clock) -> (Intake, Queue) {
    let text = "[[provider]]\nid = \"local\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [\"m\"]\n";
    let config = load_text("endturn.toml", text, &Env::default())
        .expect("a configuration")
        .config;
    Intake::new(&config, &[], clock.clone())
}
