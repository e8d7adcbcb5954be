//! Names of OTLP: metrics, spans, log records, attributes.
//!
//! `gen_ai.*` follows OpenTelemetry's conventions for generative AI in semantic conventions 1.41, or in the text that
//! is to follow them (read November 2026); both are in development, so a switch chooses. What they have no name for is
//! ours.

/// How a histogram is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Exponential: what has no convention of its own.
    Exponential,
    /// [`GENAI_SECONDS`], which the conventions ask for.
    GenAiSeconds,
    /// [`GENAI_TOKENS`], which the conventions ask for.
    GenAiTokens,
}

/// What an instrument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A monotonic sum.
    Counter,
    /// A value as of now.
    Gauge,
    /// A distribution.
    Histogram(Buckets),
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, as UCUM writes it.
    pub unit: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($name:ident = $kind:expr, $text:literal, $unit:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: Metric = Metric {
            name: $text, unit: $unit, kind: $kind, help: $help,
        };)*
        /// Every metric.
        pub const METRICS: &[Metric] = &[$($name),*];
    };
}

const SECONDS: Kind = Kind::Histogram(Buckets::GenAiSeconds);
const OURS: Kind = Kind::Histogram(Buckets::Exponential);

metrics! {
    DURATION = SECONDS, "gen_ai.client.operation.duration", "s",
        "Length of our generation probes, connecting included";
    FIRST_CHUNK = SECONDS, "gen_ai.client.operation.time_to_first_chunk", "s",
        "From the begin of a generation probe, connecting included, to the first byte of its body";
    TOKEN_USAGE = Kind::Histogram(Buckets::GenAiTokens), "gen_ai.client.token.usage", "{token}",
        "Tokens of our generation probes, by type";
    NEXT_DURATION = SECONDS, "gen_ai.client.inference.duration", "s",
        "Length of our generation probes, connecting included";
    NEXT_FIRST_CHUNK = SECONDS, "gen_ai.client.inference.time_to_first_chunk", "s",
        "From the begin of a generation probe, connecting included, to the first byte of its body";
    NEXT_INPUT_TOKENS = Kind::Counter, "gen_ai.client.inference.usage.input_tokens", "{token}",
        "Prompt tokens of our generation probes";
    NEXT_OUTPUT_TOKENS = Kind::Counter, "gen_ai.client.inference.usage.output_tokens", "{token}",
        "Generated tokens of our generation probes";
    ATTEMPTS = Kind::Counter, "endturn.probe.attempts", "{attempt}",
        "Requests for a reply that count, by outcome: probes, reports and the tap";
    BEGAN = Kind::Counter, "endturn.probe.began", "{reply}", "Replies that began with a 200 head";
    ERRORS = Kind::Counter, "endturn.probe.errors", "{attempt}",
        "Attempts that ended in an error of the provider or its edge, by class";
    TRUNCATIONS = Kind::Counter, "endturn.probe.truncations", "{reply}", "Replies that ended early, by kind";
    OWN_FAILURES = Kind::Counter, "endturn.probe.own_failures", "{request}",
        "Requests that failed by our own doing, by class; no attempts";
    COST = Kind::Counter, "endturn.probe.cost", "{USD}", "Dollars that probes cost";
    TTFT = OURS, "endturn.probe.ttft", "s",
        "Time to the first token of any channel, over complete replies, from the request on an open connection";
    TTFO = OURS, "endturn.probe.ttfo", "s", "Time to the first visible token, over complete replies";
    ITL = OURS, "endturn.probe.itl", "s", "Time between two tokens, one figure a complete reply";
    E2E = OURS, "endturn.probe.e2e", "s", "Time to the end of the reply, over complete replies";
    PHASE = OURS, "endturn.probe.phase.duration", "s",
        "Length of each phase of our probes that was finished, whatever came of the reply";
    STATE = Kind::Gauge, "endturn.health.state", "1", "1 for the state that the target is in, 0 for every other";
    BREAKER = Kind::Gauge, "endturn.breaker.state", "1", "1 for the breaker's position, 0 for every other";
    WEIGHT = Kind::Gauge, "endturn.routing.weight", "1",
        "Share of the normal traffic that the target should get; absent without an opinion";
    INCIDENT = Kind::Gauge, "endturn.incident.open", "1", "1 while an incident is open";
    ONLINE = Kind::Gauge, "endturn.network.online", "1", "1 while our own network works";
    STORE_DROPPED = Kind::Counter, "endturn.store.dropped", "{record}", "Records that the store lost for good";
    EXPORT_LOST = Kind::Counter, "endturn.export.lost", "{item}",
        "Spans, log records and data points that no collector got";
}

/// Bounds of the conventions for seconds: 0.01 doubling to 81.92.
pub const GENAI_SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// Bounds of the conventions for tokens: powers of four to 4^13.
pub const GENAI_TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The service's name; our own receiver leaves out what comes from a service of that name.
pub const SERVICE: &str = "endturn";

/// Attributes of resource, metrics, spans and log records.
pub mod attribute {
    #![expect(missing_docs, reason = "each is its own name")]
    pub const SERVICE_VERSION: &str = "service.version";
    pub const SERVICE_INSTANCE: &str = "service.instance.id";
    pub const VANTAGE: &str = "endturn.vantage";
    pub const OPERATION: &str = "gen_ai.operation.name";
    pub const PROVIDER: &str = "gen_ai.provider.name";
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
    pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub const TOKEN_TYPE: &str = "gen_ai.token.type";
    pub const SERVER_ADDRESS: &str = "server.address";
    pub const SERVER_PORT: &str = "server.port";
    pub const STATUS_CODE: &str = "http.response.status_code";
    pub const ERROR_TYPE: &str = "error.type";
    pub const SYNTHETIC: &str = "user_agent.synthetic.type";
    pub const TARGET: &str = "endturn.target";
    pub const SOURCE: &str = "endturn.source";
    pub const CANARY: &str = "endturn.canary";
    pub const PURPOSE: &str = "endturn.purpose";
    pub const OUTCOME: &str = "endturn.outcome";
    pub const TRUNCATION_KIND: &str = "endturn.truncation.kind";
    pub const PHASE: &str = "endturn.phase";
    pub const COST: &str = "endturn.cost_usd";
    pub const TTFT: &str = "endturn.ttft";
    pub const STATE: &str = "endturn.state";
    pub const STATE_BEFORE: &str = "endturn.state.before";
    pub const BREAKER: &str = "endturn.breaker";
    pub const HINT: &str = "endturn.hint";
    pub const WEIGHT: &str = "endturn.weight";
    pub const REASON: &str = "endturn.reason";
    pub const INCIDENT: &str = "endturn.incident.id";
    pub const WORST: &str = "endturn.incident.worst";
    pub const CHANGE: &str = "endturn.change";
    pub const CHANGE_FROM: &str = "endturn.change.from";
    pub const CHANGE_TO: &str = "endturn.change.to";
    pub const RECORD: &str = "endturn.record";
    pub const SIGNAL: &str = "endturn.signal";
    pub const WHY: &str = "endturn.why";
}

/// `gen_ai.operation.name` of our generation probes.
pub const CHAT: &str = "chat";
/// `user_agent.synthetic.type` of every span of ours: no user asked.
pub const TEST: &str = "test";
/// `error.type` of a reply that ended early.
pub const STREAM_TRUNCATED: &str = "stream_truncated";
/// The finish reason of a reply that ended early, after the newest text of the conventions.
pub const FINISH_ERROR: &str = "error";

/// Events of a span: moments of an exchange.
pub mod event {
    #![expect(missing_docs, reason = "each is its own name")]
    pub const DNS: &str = "endturn.dns";
    pub const CONNECTED: &str = "endturn.connected";
    pub const HEADERS: &str = "endturn.headers";
    pub const FIRST_TOKEN: &str = "endturn.first_token";
    pub const FIRST_OUTPUT: &str = "endturn.first_output";
    pub const TERMINAL: &str = "endturn.terminal";
    pub const END: &str = "endturn.end";
}

/// Names of log records.
pub mod log {
    #![expect(missing_docs, reason = "each is its own name")]
    pub const TRANSITION: &str = "endturn.health.transition";
    pub const INCIDENT_OPENED: &str = "endturn.incident.opened";
    pub const INCIDENT_UPDATED: &str = "endturn.incident.updated";
    pub const INCIDENT_CLOSED: &str = "endturn.incident.closed";
    pub const CHANGE: &str = "endturn.model.changed";
    pub const NETWORK: &str = "endturn.network.changed";
}

/// Our presets' names for providers whose name in the conventions is another one.
const PROVIDERS: [(&str, &str); 10] = [
    ("azure", "azure.ai.openai"),
    ("azure-openai", "azure.ai.openai"),
    ("bedrock", "aws.bedrock"),
    ("gemini", "gcp.gemini"),
    ("mistral", "mistral_ai"),
    ("moonshot", "moonshot_ai"),
    ("openai-responses", "openai"),
    ("vertex", "gcp.vertex_ai"),
    ("watsonx", "ibm.watsonx.ai"),
    ("xai", "x_ai"),
];

/// `gen_ai.provider.name` of a preset: the conventions' name where there is one, else its own.
pub fn provider(preset: &str) -> &str {
    let named = PROVIDERS.iter().find(|(ours, _)| *ours == preset);
    named
        .or_else(|| {
            // `bedrock-converse`, `vertex-anthropic`: the first word is whose front door it is.
            let first = preset.split('-').next()?;
            PROVIDERS.iter().find(|(ours, _)| *ours == first)
        })
        .map_or(preset, |(_, theirs)| theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_conventions() {
        assert!(
            GENAI_SECONDS
                .windows(2)
                .all(|pair| (pair[1] / pair[0] - 2.0).abs() < 1e-9)
        );
        assert!(
            GENAI_TOKENS
                .windows(2)
                .all(|pair| (pair[1] / pair[0] - 4.0).abs() < 1e-9)
        );
        assert!((GENAI_SECONDS[13] - 81.92).abs() < 1e-9 && (GENAI_TOKENS[13] - 4f64.powi(13)).abs() < 1e-9);
    }

    #[test]
    fn metrics_are_named_once_and_their_units_are_base_units() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{}", metric.name);
            assert!(metric.name.starts_with("gen_ai.client.") || metric.name.starts_with("endturn."));
            assert!(
                metric.unit == "s" || metric.unit == "1" || metric.unit.starts_with('{'),
                "{}",
                metric.name
            );
            assert!(!metric.name.starts_with("gen_ai.server."), "for model servers");
        }
    }

    #[test]
    fn providers_have_the_names_of_the_conventions() {
        for (preset, name) in [
            ("anthropic", "anthropic"),
            ("openai", "openai"),
            ("openai-responses", "openai"),
            ("gemini", "gcp.gemini"),
            ("vertex-anthropic", "gcp.vertex_ai"),
            ("bedrock", "aws.bedrock"),
            ("xai", "x_ai"),
            ("groq", "groq"),
            ("llama.cpp", "llama.cpp"),
        ] {
            assert_eq!(provider(preset), name, "{preset}");
        }
    }
}
