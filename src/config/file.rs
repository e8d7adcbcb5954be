//! What the TOML may say: serde only. Every field may be missing; [`super::resolve`] fills in and judges.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{
    alert::{AlertFile, AlertsFile},
    canaries::CanarySwitch,
    channel::ChannelFile,
    egress::{CaFile, ProxyFile},
    maintenance::MaintenanceFile,
    official::OfficialFile,
    route::RouteFile,
    telemetry::TelemetryFile,
    token::TokenFile,
};

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct FileConfig {
    pub(super) vantage: Option<Spanned<String>>,
    pub(super) server: Option<ServerFile>,
    pub(super) store: Option<StoreFile>,
    pub(super) network: Option<NetworkFile>,
    pub(super) budget: Option<BudgetFile>,
    pub(super) official: Option<Spanned<Switch>>,
    pub(super) telemetry: Option<TelemetryFile>,
    #[serde(default)]
    pub(super) provider: Vec<Spanned<ProviderFile>>,
    #[serde(default)]
    pub(super) route: Vec<Spanned<RouteFile>>,
    pub(super) alerts: Option<AlertsFile>,
    #[serde(default)]
    pub(super) alert: Vec<Spanned<AlertFile>>,
    #[serde(default)]
    pub(super) channel: Vec<Spanned<ChannelFile>>,
    #[serde(default)]
    pub(super) maintenance: Vec<Spanned<MaintenanceFile>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) allowed_hosts: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) public_read: Option<bool>,
    pub(super) trusted_proxies: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) agent: Option<Spanned<String>>,
    pub(super) agent_allow: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) token: Vec<Spanned<TokenFile>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreFile {
    pub(super) path: Option<PathBuf>,
    pub(super) keep: Option<KeepFile>,
    pub(super) max_size: Option<Spanned<Size>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct KeepFile {
    pub(super) raw: Option<Spanned<Span>>,
    pub(super) minute: Option<Spanned<Span>>,
    pub(super) hour: Option<Spanned<Span>>,
    pub(super) day: Option<Spanned<Lasting>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkFile {
    pub(super) anchors: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetFile {
    pub(super) usd_per_day: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    pub(super) id: Option<Spanned<String>>,
    pub(super) preset: Option<Spanned<String>>,
    pub(super) protocol: Option<Spanned<String>>,
    pub(super) base_url: Option<Spanned<String>>,
    pub(super) vars: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    pub(super) api_key: Option<Spanned<SecretRef>>,
    pub(super) aws: Option<Spanned<AwsFile>>,
    pub(super) google: Option<Spanned<GoogleFile>>,
    pub(super) headers: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    pub(super) proxy: Option<Spanned<ProxyFile>>,
    pub(super) ca: Option<Spanned<CaFile>>,
    pub(super) models: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) model: Vec<Spanned<ModelFile>>,
    pub(super) reach: Option<Spanned<Switch>>,
    pub(super) canary: Option<Spanned<CanarySwitch>>,
    pub(super) long: Option<Spanned<CanarySwitch>>,
    pub(super) json: Option<Spanned<CanarySwitch>>,
    pub(super) tool: Option<Spanned<CanarySwitch>>,
    pub(super) limits: Option<LimitsFile>,
    pub(super) usd_per_day: Option<Spanned<f64>>,
    pub(super) polite: Option<bool>,
    pub(super) strict_terminal: Option<bool>,
    pub(super) free: Option<Spanned<bool>>,
    pub(super) official: Option<Spanned<OfficialFile>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct AwsFile {
    pub(super) access_key_id: Option<Spanned<SecretRef>>,
    pub(super) secret_access_key: Option<Spanned<SecretRef>>,
    pub(super) session_token: Option<Spanned<SecretRef>>,
    pub(super) ambient: Option<Spanned<bool>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct GoogleFile {
    pub(super) service_account: Option<Spanned<SecretRef>>,
    pub(super) metadata: Option<Spanned<bool>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) id: Option<Spanned<String>>,
    pub(super) via: Option<Spanned<String>>,
    pub(super) tags: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) canary: Option<Spanned<CanarySwitch>>,
    pub(super) long: Option<Spanned<CanarySwitch>>,
    pub(super) json: Option<Spanned<CanarySwitch>>,
    pub(super) tool: Option<Spanned<CanarySwitch>>,
    pub(super) limits: Option<LimitsFile>,
    pub(super) max_tokens: Option<Spanned<u32>>,
    pub(super) price: Option<Spanned<PriceFile>>,
    pub(super) params: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceFile {
    pub(super) input_usd_per_mtok: f64,
    pub(super) output_usd_per_mtok: f64,
    #[serde(default)]
    pub(super) usd_per_request: f64,
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub(super) connect: Option<Spanned<Span>>,
    pub(super) head: Option<Spanned<Span>>,
    pub(super) first_token: Option<Spanned<Span>>,
    pub(super) gap: Option<Spanned<Span>>,
    pub(super) content_gap: Option<Spanned<Span>>,
    pub(super) total: Option<Spanned<Span>>,
}

/// A probe's timetable, or `false`.
#[derive(Clone, Default)]
pub(super) enum Switch {
    /// Not probed.
    Off,
    /// Probed, at the default interval.
    #[default]
    On,
    /// Probed that often.
    Every(Spanned<Span>),
}

/// A length of time: `"30s"`, `"1m 30s"`, `"500ms"`.
#[derive(Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

/// A length of time, or none that ends: `"10y"`, `"forever"`.
#[derive(Clone, Copy)]
pub(super) struct Lasting(pub(super) Option<Duration>);

/// A size in bytes: `"2GiB"`.
#[derive(Clone, Copy)]
pub(super) struct Size(pub(super) u64);

/// Where a secret lies. The secret itself never stands in the file.
#[derive(Clone)]
pub(super) enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A file below `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time with its unit, as in \"30s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                humantime::parse_duration(text).map(Span).map_err(|_| {
                    E::custom("not a length of time, write it as in \"500ms\", \"30s\" or \"5m\"")
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Lasting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Lasting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"forever\" or a length of time with its unit, as in \"800d\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Lasting, E> {
                if text == "forever" {
                    return Ok(Lasting(None));
                }
                let span = humantime::parse_duration(text);
                span.map(|span| Lasting(Some(span)))
                    .map_err(|_| E::custom("not a length of time, write it as in \"800d\", or \"forever\""))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size with its unit, as in \"2GiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse::<bytesize::ByteSize>()
                    .map(|size| Size(size.as_u64()))
                    .map_err(|_| E::custom("not a size, write it as in \"512MiB\" or \"2GiB\""))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            every: Option<Spanned<Span>>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ every = \"60s\" } or false")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
                Ok(if on { Switch::On } else { Switch::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(table.every.map_or(Switch::On, Switch::Every))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What an inline key is answered with; also how [`super::parse`] knows it.
pub(super) const INLINE_SECRET: &str = "a key must not stand in the file";

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            env: Option<String>,
            file: Option<PathBuf>,
            credential: Option<String>,
        }
        struct Reference;
        impl<'de> Visitor<'de> for Reference {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(E::custom(INLINE_SECRET))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretRef, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                match (table.env, table.file, table.credential) {
                    (Some(name), None, None) => Ok(SecretRef::Env(name)),
                    (None, Some(path), None) => Ok(SecretRef::File(path)),
                    (None, None, Some(name)) => Ok(SecretRef::Credential(name)),
                    _ => Err(de::Error::custom(
                        "a key needs exactly one of `env`, `file` and `credential`",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Reference)
    }
}
