//! What the operator says, checked as a whole before anything starts.
//!
//! TOML becomes [`Config`] with every error collected, each with line, caret and help. Presets under `probes/` fill
//! in what a provider's entry leaves out. [`load()`] is the way in; it looks at nothing but its arguments and the files
//! that they lead to.

mod address;
mod alert;
mod canaries;
mod canary_file;
mod channel;
mod credential;
mod egress;
mod endpoint;
mod env;
mod error;
mod file;
mod host;
mod keep;
mod key;
mod load;
mod maintenance;
mod mask;
mod model;
mod official;
mod parse;
mod preset;
mod preset_file;
mod provider;
mod quiet;
mod resolve;
mod route;
mod secret;
mod server;
mod telemetry;
mod token;
mod types;

pub use address::{Address, MAX_VAR_BYTES, Var, Variant};
pub use alert::{
    ALERT_AFTER, ALERT_GROUP_WAIT, ALERT_REMIND, AlertGroup, AlertOn, AlertRule, AlertSeverity, Alerts,
    GROUP_WAIT_DEFAULT, MAX_ALERT_RULES, MAX_ALERT_TARGETS, REMIND_DEFAULT, STANDARD_RULE, Trouble,
};
pub use canaries::{MAX_REST_AFTER, MAX_TOKENS, ON_EVERY};
pub use canary_file::{MAX_CANARY_WORDS, SENTINEL_WORD};
pub use channel::{
    Alertmanager, Apprise, AppriseTo, CHANNEL_TIMEOUT, CHANNEL_TIMEOUT_DEFAULT, Channel, Command, Email,
    MAX_ARGUMENTS, MAX_CHANNELS, MAX_RECIPIENTS, MAX_TEMPLATE_BYTES, MAX_TEMPLATED_BYTES, MailTls, Ntfy,
    REPEAT, REPEAT_DEFAULT, Realm, SAMPLE, SIGNING_KEY_BYTES, Template, TemplateError, Way, Webhook,
    WebhookBody, realm, signing_key,
};
pub use egress::{Egress, MAX_CA_BYTES, MAX_CA_CERTIFICATES, MAX_CA_FILES, Proxy, ProxyServer};
pub use endpoint::{MAX_HEADER_BYTES, MAX_HEADERS};
pub use env::Env;
pub use error::{ConfigError, Diagnostic, Diagnostics, Found, MAX_FINDINGS, Position, Severity};
pub use host::{OWN_HOSTS, is_host_of, is_own_host};
pub use keep::{KEEP_DAY, KEEP_HOUR, KEEP_MINUTE, KEEP_RAW};
pub use key::{MAX_SECRET_BYTES, read_key_file};
pub use load::{Loaded, MAX_FILE_BYTES, Note, Origin, load, load_environment, load_text};
pub use maintenance::{
    MAX_OCCURRENCES, MAX_PLANNED, MAX_PLANNED_NAME_BYTES, MIN_PLANNED, PLANNED_AHEAD, PlannedMaintenance,
};
pub use official::OFFICIAL_EVERY;
pub use preset::{
    CloudKind, DatedPrice, MAX_PRESET_BYTES, MAX_PRESET_FILES, MAX_STATUS_COMPONENTS, Preset, PresetAsk,
    PresetAuth, PresetCanary, PresetModel, PresetReach, Presets, STATUS_FORMATS, StatusPage,
};
pub use preset_file::{MAX_USD_PER_MTOK, MAX_USD_PER_REQUEST};
pub use provider::{DEADLINES, FREE_EVERY, PAID_EVERY};
pub use quiet::{MAX_QUIET, Quiet};
pub use resolve::{MAX_ANCHORS, MAX_PROVIDERS, MAX_TARGETS, MAX_USD_PER_DAY, MAX_VANTAGE_BYTES, STORE_BYTES};
pub use route::{
    Fitness, MAX_ROUTE_NAME_BYTES, MAX_ROUTE_TARGETS, MAX_ROUTES, MAX_TAGS, MAX_TTFT, OnExhausted, Prefer,
    Route, RouteTarget,
};
pub use secret::Secret;
pub use server::{MAX_ALLOWED_HOSTS, MAX_NETWORKS, Reading, Server};
pub use telemetry::{
    Conventions, MAX_OTLP_HEADERS, OTLP_INTERVAL, OTLP_INTERVAL_DEFAULT, OTLP_TIMEOUT, OTLP_TIMEOUT_DEFAULT,
    Otlp, OtlpProtocol, OtlpRoute, OtlpSignal, Telemetry,
};
pub use token::{MAX_TOKENS_CONFIGURED, MIN_TOKEN_BYTES, Scope, Scopes, Token};
pub use types::*;

#[cfg(test)]
mod tests;
