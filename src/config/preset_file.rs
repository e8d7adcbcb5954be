//! What the files under `probes/providers/` may say, and the step to [`Preset`].

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{
    Address, Auth, BodyKind, Expected, Price, Var, Variant,
    preset::{
        CloudKind, DatedPrice, MAX_STATUS_COMPONENTS, Preset, PresetAuth, PresetCanary, PresetModel,
        PresetReach, STATUS_FORMATS, StatusPage,
    },
};
use crate::protocol::request::Endpoint;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    protocol: Option<String>,
    endpoint: Option<String>,
    base_url: Option<String>,
    auth: Option<String>,
    auth_header: Option<String>,
    auth_service: Option<String>,
    key_env: Option<String>,
    key_required: Option<bool>,
    strict_terminal: Option<bool>,
    default_model: Option<String>,
    free: Option<bool>,
    /// Whether protocol, URLs and auth were seen to be right.
    verified: Option<bool>,
    #[serde(default)]
    vars: BTreeMap<String, Var>,
    #[serde(default)]
    variant: Vec<Variant>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    reach: Option<ReachFile>,
    status: Option<StatusFile>,
    canary: Option<PresetCanary>,
    refuses: Option<RefusesFile>,
    #[serde(default)]
    models: BTreeMap<String, ModelRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReachFile {
    method: String,
    base_url: Option<String>,
    cut: Option<String>,
    path: String,
    body: Option<String>,
    expect_with_key: Vec<u16>,
    expect_without_key: Vec<u16>,
    body_with_key: Option<String>,
    body_without_key: Option<String>,
    verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusFile {
    url: String,
    format: String,
    #[serde(default)]
    components: Vec<String>,
    verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusesFile {
    members: Vec<String>,
    verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRow {
    input_usd_per_mtok: f64,
    output_usd_per_mtok: f64,
    #[serde(default)]
    usd_per_request: f64,
    as_of: String,
    source: String,
    verified: bool,
    max_tokens: Option<u32>,
    extra_output_tokens: Option<u32>,
    #[serde(default)]
    params: serde_json::Map<String, serde_json::Value>,
}

impl PresetFile {
    pub(super) fn check(self, name: &str) -> Result<Preset, String> {
        let wire = self.protocol.as_deref().ok_or("protocol is missing")?.parse()?;
        let auth = auth(self.auth.as_deref(), self.auth_header, self.auth_service)?;
        let unverified = [
            ("address", self.verified),
            ("reach", self.reach.as_ref().and_then(|facts| facts.verified)),
            ("status", self.status.as_ref().and_then(|facts| facts.verified)),
            ("canary", self.canary.as_ref().and_then(|facts| facts.verified)),
            ("refuses", self.refuses.as_ref().and_then(|facts| facts.verified)),
        ];
        let reach = self.reach.ok_or("[reach] is missing")?.check()?;
        let address = Address {
            base_url: self.base_url,
            variants: self.variant,
            vars: self.vars,
        };
        address.check(reach.base_url.as_deref().into_iter())?;
        if matches!(auth.cloud, Some(CloudKind::Aws { .. })) && !address.vars.contains_key("region") {
            return Err("auth = \"aws\" needs [vars.region]".to_owned());
        }
        let mut models = BTreeMap::new();
        for (model, row) in self.models {
            let row = row.check().map_err(|why| format!("price of {model}: {why}"))?;
            models.insert(model, row);
        }
        Ok(Preset {
            name: name.to_owned(),
            wire,
            endpoint: self
                .endpoint
                .as_deref()
                .map_or(Ok(Endpoint::Native), str::parse)?,
            address,
            auth,
            key_env: self.key_env,
            key_required: self.key_required.unwrap_or(true),
            free: self.free.unwrap_or(false),
            headers: self.headers.into_iter().collect(),
            strict_terminal: self.strict_terminal.ok_or("strict_terminal is missing")?,
            reach,
            status: self.status.map(StatusFile::check).transpose()?,
            default_model: self.default_model,
            canary: self.canary.ok_or("[canary] is missing")?,
            refuses: self.refuses.map(|facts| facts.members).unwrap_or_default(),
            models,
            unverified: unverified
                .into_iter()
                .filter(|(_, verified)| *verified == Some(false))
                .map(|(group, _)| group)
                .collect(),
        })
    }
}

fn auth(kind: Option<&str>, header: Option<String>, service: Option<String>) -> Result<PresetAuth, String> {
    let key = |header: Option<String>| header.map_or(Auth::Bearer, Auth::Header);
    let plain = |key| PresetAuth { key, cloud: None };
    match (kind, header, service) {
        (Some("bearer"), None, None) => Ok(plain(Auth::Bearer)),
        (Some("none"), None, None) => Ok(plain(Auth::None)),
        (Some("header"), Some(header), None) => Ok(plain(Auth::Header(header))),
        (Some("aws"), header, Some(service)) => Ok(PresetAuth {
            key: key(header),
            cloud: Some(CloudKind::Aws { service }),
        }),
        (Some("google"), header, None) => Ok(PresetAuth {
            key: key(header),
            cloud: Some(CloudKind::Google),
        }),
        _ => Err(
            "auth is \"bearer\", \"none\", \"google\", \"header\" with auth_header, or \"aws\" with auth_service"
                .to_owned(),
        ),
    }
}

impl ReachFile {
    fn check(self) -> Result<PresetReach, String> {
        if http::Method::from_bytes(self.method.as_bytes()).is_err() {
            return Err(format!("{:?} is no HTTP method", self.method));
        }
        if let Some(body) = &self.body {
            serde_json::from_str::<serde_json::Value>(body)
                .map_err(|e| format!("reach.body is not JSON: {e}"))?;
        }
        if let Some(cut) = self
            .cut
            .as_deref()
            .filter(|cut| !cut.starts_with('/') || cut.ends_with('/'))
        {
            return Err(format!("reach.cut {cut:?} is no path as in \"/v1\""));
        }
        Ok(PresetReach {
            method: self.method,
            base_url: self.base_url,
            cut: self.cut,
            path: self.path,
            body: self.body,
            with_key: Expected {
                status: self.expect_with_key,
                body: body_kind(self.body_with_key.as_deref())?,
            },
            without_key: Expected {
                status: self.expect_without_key,
                body: body_kind(self.body_without_key.as_deref())?,
            },
        })
    }
}

fn body_kind(text: Option<&str>) -> Result<BodyKind, String> {
    let text = text.unwrap_or("any");
    match text.split_once(':').unwrap_or((text, "")) {
        ("any", "") => Ok(BodyKind::Any),
        ("empty", "") => Ok(BodyKind::Empty),
        ("json", "") => Ok(BodyKind::Json),
        ("json", member) => Ok(BodyKind::JsonWith(member.to_owned())),
        ("text", start) if !start.is_empty() => Ok(BodyKind::Text(start.to_owned())),
        _ => Err(format!(
            "unknown body {text:?}, known are any, empty, json, json:MEMBER, text:BEGINNING"
        )),
    }
}

impl StatusFile {
    fn check(self) -> Result<StatusPage, String> {
        if !STATUS_FORMATS.contains(&self.format.as_str()) {
            let known = STATUS_FORMATS.join(", ");
            return Err(format!("status format {:?}, known are {known}", self.format));
        }
        if self.components.len() > MAX_STATUS_COMPONENTS {
            return Err(format!("more than {MAX_STATUS_COMPONENTS} status components"));
        }
        if self.components.iter().any(|name| name.trim().is_empty()) {
            return Err("a status component has no name".to_owned());
        }
        Ok(StatusPage {
            url: Url::parse(&self.url).map_err(|e| format!("{:?} is not a URL: {e}", self.url))?,
            format: self.format,
            components: self.components,
        })
    }
}

impl ModelRow {
    fn check(self) -> Result<PresetModel, String> {
        let price = Price {
            input_usd_per_mtok: self.input_usd_per_mtok,
            output_usd_per_mtok: self.output_usd_per_mtok,
            usd_per_request: self.usd_per_request,
        };
        if !price_is_sane(price) {
            return Err(format!("must lie between 0 and {MAX_USD_PER_MTOK} dollars"));
        }
        if self.as_of.parse::<jiff::civil::Date>().is_err() {
            return Err(format!(
                "as_of {:?} is not a day, write it as in \"2026-10-07\"",
                self.as_of
            ));
        }
        Ok(PresetModel {
            price: DatedPrice {
                price,
                as_of: self.as_of,
                source: self.source,
                verified: self.verified,
            },
            max_tokens: self.max_tokens,
            extra_output_tokens: self.extra_output_tokens,
            params: self.params,
        })
    }
}

/// Dearest price per million tokens that is believed, in dollars.
pub const MAX_USD_PER_MTOK: f64 = 10_000.0;
/// Dearest request beside its tokens that is believed, in dollars.
pub const MAX_USD_PER_REQUEST: f64 = 10.0;

/// Whether every part of a price is finite and within bounds.
pub(super) fn price_is_sane(price: Price) -> bool {
    [price.input_usd_per_mtok, price.output_usd_per_mtok]
        .iter()
        .all(|usd| (0.0..=MAX_USD_PER_MTOK).contains(usd))
        && (0.0..=MAX_USD_PER_REQUEST).contains(&price.usd_per_request)
}
