//! The checked configuration: what the rest of the program reads.

use std::{path::PathBuf, sync::Arc, time::Duration};

use url::Url;

use super::{Alerts, Egress, PlannedMaintenance, Route, Secret, Server, Telemetry, preset::StatusPage};
use crate::{
    id::{ProviderId, TargetId},
    protocol::{Dialect, Protocol, request::Endpoint},
    verdict::CanaryKind,
};

/// Everything, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where this daemon runs, as shown in feed and observations.
    pub vantage: String,
    /// HTTP surface.
    pub server: Server,
    /// Database.
    pub store: StoreConfig,
    /// Anchors: `host:port`.
    pub anchors: Vec<String>,
    /// Dollars a day for all probes together; `None` is no limit (only where every model is free).
    pub usd_per_day: Option<f64>,
    /// Providers in file order.
    pub providers: Vec<Provider>,
    /// The vendors' own status pages.
    pub official: OfficialPages,
    /// What is told to a collector.
    pub telemetry: Telemetry,
    /// Routes in file order.
    pub routes: Vec<Route>,
    /// Who is told what.
    pub alerts: Alerts,
    /// Maintenance that comes again.
    pub maintenance: Vec<PlannedMaintenance>,
}

impl Config {
    /// The model of that target with its provider.
    pub fn find(&self, target: &TargetId) -> Option<(&Provider, &Model)> {
        let provider = self.providers.iter().find(|p| &p.id == target.provider())?;
        provider
            .models
            .iter()
            .find(|m| &m.id == target)
            .map(|m| (provider, m))
    }
}

/// Which status pages are read, and how often. They are shown beside our verdict and never evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfficialPages {
    /// Interval; `None`: none is read.
    pub every: Option<Duration>,
    /// Whose pages, in file order. Several providers may share one.
    pub pages: Vec<(ProviderId, StatusPage)>,
}

/// Database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// File.
    pub path: PathBuf,
    /// How long history is kept.
    pub keep: Keep,
    /// Size bound of the file in bytes.
    pub max_bytes: u64,
}

/// How long each step of history is kept. A step lasts at least as long as the finer one before it; raw rows may outlast
/// all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Raw observations.
    pub raw: Duration,
    /// Minutes.
    pub minute: Duration,
    /// Hours.
    pub hour: Duration,
    /// Days; `None` for ever.
    pub day: Option<Duration>,
}

/// One provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its id.
    pub id: ProviderId,
    /// The preset that it was filled in from.
    pub preset: String,
    /// Wire protocol.
    pub protocol: Protocol,
    /// In whose manner it is spoken; `None`: the protocol's own.
    pub dialect: Option<&'static Dialect>,
    /// Whose front door it is spoken through.
    pub endpoint: Endpoint,
    /// Base URL, without trailing slash. `{model}` in it stands for the model's id; a query is kept.
    pub base_url: Url,
    /// How the credential is sent.
    pub auth: Auth,
    /// The credential, if one was found.
    pub key: Option<Secret>,
    /// What a signature or a short-lived token is made from, where [`Auth`] asks for one.
    pub cloud: Option<CloudCredential>,
    /// Further request headers.
    pub headers: Vec<(String, String)>,
    /// The way out to it.
    pub egress: Egress,
    /// Reachability probe.
    pub reach: Option<Reach>,
    /// Whether a missing terminal event is a truncation by itself.
    pub strict_terminal: bool,
    /// Whether to hold back while it is overloaded.
    pub polite: bool,
    /// Dollars a day for this provider.
    pub usd_per_day: Option<f64>,
    /// Deadlines and caps; of its edge, and of each model that has none of its own.
    pub limits: ProbeLimits,
    /// Its models, in file order.
    pub models: Vec<Model>,
}

impl Provider {
    /// Deadlines and caps of a generation of that model.
    pub fn limits_of(&self, model: &Model) -> ProbeLimits {
        model.limits.unwrap_or(self.limits)
    }
}

/// How a credential is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header of that name.
    Header(String),
    /// AWS Signature Version 4 over the whole request; needs [`Provider::cloud`].
    SigV4 {
        /// Region that is signed for, `us-east-1`.
        region: String,
        /// Service that is signed for, `bedrock`.
        service: String,
    },
    /// `Authorization: Bearer` with a Google access token of scope `cloud-platform`; needs [`Provider::cloud`].
    GoogleToken,
}

/// What a signature or a short-lived token is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudCredential {
    /// An AWS access key.
    AwsKeys {
        /// Key id; not secret, but not shown either.
        access_key_id: Secret,
        /// Secret access key.
        secret_access_key: Secret,
        /// Session token of temporary keys.
        session_token: Option<Secret>,
    },
    /// Whatever the machine offers in the order of the AWS tools: shared files, web identity, container, instance.
    AwsAmbient,
    /// The JSON of a Google service account's key, or of a user's login.
    GoogleServiceAccount(Secret),
    /// The metadata server of the Google machine that we run on.
    GoogleMetadata,
}

/// A free probe of a provider's edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Interval.
    pub every: Duration,
    /// HTTP method.
    pub method: String,
    /// What `path` lies below, where it isn't the provider's base URL; a query of it is kept.
    pub base_url: Option<Url>,
    /// Path below the base URL, query included.
    pub path: String,
    /// JSON that is sent along, for a question that is no `GET`.
    pub body: Option<String>,
    /// What the preset expects with a credential.
    pub with_key: Expected,
    /// What the preset expects without one.
    pub without_key: Expected,
}

/// The answer that a reach request should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Statuses, one of which it has.
    pub status: Vec<u16>,
    /// What its body is.
    pub body: BodyKind,
}

impl Expected {
    /// That status, whatever the body.
    pub fn status(status: u16) -> Self {
        Self {
            status: vec![status],
            body: BodyKind::Any,
        }
    }
}

/// What the body of a reach answer is. A captive portal says 200 too, but it doesn't know this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyKind {
    /// Anything but a page for people.
    Any,
    /// Nothing.
    Empty,
    /// JSON.
    Json,
    /// A JSON object with that member.
    JsonWith(String),
    /// Text that begins like this.
    Text(String),
}

/// One model at one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its target id.
    pub id: TargetId,
    /// The short canary; `None`: not probed.
    pub canary: Option<Canary>,
    /// The long canary; `None`: not probed.
    pub long: Option<Canary>,
    /// The JSON canary; `None`: not probed.
    pub json: Option<Canary>,
    /// The tool canary; `None`: not probed.
    pub tool: Option<Canary>,
    /// Canaries that no timetable asks for, but a person may. Empty where nothing can be generated.
    pub manual: Vec<(CanaryKind, Canary)>,
    /// Price per million tokens; `None`: unknown, which is an error for paid providers.
    pub price: Option<Price>,
    /// The name of the token-limit parameter where it varies (`max_tokens`, `max_completion_tokens`).
    pub max_tokens_field: Option<String>,
    /// Further members of the request body, from preset and file.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// This target is the same model as that one, reached another way.
    pub via: Option<TargetId>,
    /// What it can do, in the operator's words; routes ask for them.
    pub tags: Vec<String>,
    /// Its own deadlines and caps, whole; `None`: the provider's.
    pub limits: Option<ProbeLimits>,
}

impl Model {
    /// A model that nothing is asked of.
    pub fn new(id: TargetId) -> Self {
        Self {
            id,
            canary: None,
            long: None,
            json: None,
            tool: None,
            manual: Vec::new(),
            price: None,
            max_tokens_field: None,
            params: serde_json::Map::new(),
            via: None,
            tags: Vec::new(),
            limits: None,
        }
    }

    /// The canary of that kind, if it is on the timetable.
    pub const fn scheduled(&self, kind: CanaryKind) -> Option<&Canary> {
        match kind {
            CanaryKind::Short => self.canary.as_ref(),
            CanaryKind::Long => self.long.as_ref(),
            CanaryKind::Json => self.json.as_ref(),
            CanaryKind::Tool => self.tool.as_ref(),
        }
    }

    /// The canary of that kind, for a person who asks.
    pub fn any(&self, kind: CanaryKind) -> Option<&Canary> {
        let manual = || self.manual.iter().find(|(have, _)| *have == kind);
        self.scheduled(kind)
            .or_else(|| manual().map(|(_, canary)| canary))
    }

    /// The canaries that are on the timetable.
    pub fn canaries(&self) -> impl Iterator<Item = (CanaryKind, &Canary)> {
        CanaryKind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.scheduled(kind)?)))
    }

    /// The place of that kind's canary.
    pub const fn slot_mut(&mut self, kind: CanaryKind) -> &mut Option<Canary> {
        match kind {
            CanaryKind::Short => &mut self.canary,
            CanaryKind::Long => &mut self.long,
            CanaryKind::Json => &mut self.json,
            CanaryKind::Tool => &mut self.tool,
        }
    }
}

/// A canary's timetable, text and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Canary {
    /// Interval.
    pub every: Duration,
    /// What is asked and expected.
    pub script: Arc<CanaryScript>,
    /// Token limit of the request.
    pub max_tokens: u32,
    /// Reasoning tokens that the plan reckons with beside those of the script.
    pub reasoning_tokens: u32,
    /// Members of the request body over the model's own: merged as they are.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// The canary rests while so many whole replies of real traffic came within its interval, and none that failed.
    /// `None`: it never rests. Only the short one does.
    pub rest_after: Option<u32>,
}

impl Canary {
    /// Output tokens that one probe is planned with.
    pub fn output_tokens(&self) -> u64 {
        u64::from(self.script.output_tokens) + u64::from(self.reasoning_tokens)
    }
}

/// What a canary asks and expects: `probes/canaries/<name>.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryScript {
    /// Its name, `count20`.
    pub name: String,
    /// The prompt; `SENTINEL_WORD` is replaced by the word drawn.
    pub prompt: String,
    /// What is expected.
    pub answer: Answer,
    /// The words that a sentinel is drawn from.
    pub sentinels: Vec<String>,
    /// Input tokens that a probe is planned with.
    pub input_tokens: u32,
    /// Output tokens that a probe is planned with.
    pub output_tokens: u32,
}

/// What a canary expects. `SENTINEL_WORD` in it stands for the word drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These words in order, then the sentinel. A hyphen joins two words to one.
    Words(Vec<String>),
    /// This JSON document.
    Json(serde_json::Value),
    /// One call of this tool.
    Tool(CanaryTool),
}

/// The tool that a canary offers, and how it is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryTool {
    /// Its name.
    pub name: String,
    /// What it does, in words.
    pub description: String,
    /// JSON schema of its arguments.
    pub parameters: serde_json::Value,
    /// The arguments that it is to be called with.
    pub arguments: serde_json::Value,
}

/// Price of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Dollars per million input tokens.
    pub input_usd_per_mtok: f64,
    /// Dollars per million output tokens.
    pub output_usd_per_mtok: f64,
    /// Dollars per request beside its tokens; mostly 0.
    pub usd_per_request: f64,
}

impl Price {
    /// Cost of one exchange in dollars.
    pub fn cost(&self, input: u64, output: u64) -> f64 {
        (input as f64 * self.input_usd_per_mtok + output as f64 * self.output_usd_per_mtok) / 1e6
            + self.usd_per_request
    }
}

/// Deadlines per phase and caps on foreign bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLimits {
    /// DNS, TCP and TLS.
    pub connect: Duration,
    /// Response head.
    pub head: Duration,
    /// First token.
    pub first_token: Duration,
    /// Between any two bytes; keep-alives reset it.
    pub gap: Duration,
    /// Between content events; keep-alives don't reset it.
    pub content_gap: Duration,
    /// Whole exchange.
    pub total: Duration,
    /// Line, body and event caps.
    pub bytes: crate::protocol::Limits,
}

impl Default for ProbeLimits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            connect: s(5),
            head: s(30),
            first_token: s(30),
            gap: s(30),
            content_gap: s(90),
            total: s(180),
            bytes: crate::protocol::Limits::default(),
        }
    }
}
