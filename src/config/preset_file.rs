//! What the files under `probes/providers/` may say, and the step to [`Preset`].

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{
    Auth, Price,
    preset::{
        DatedPrice, MAX_STATUS_COMPONENTS, Preset, PresetCanary, PresetReach, STATUS_FORMATS, StatusPage,
    },
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    protocol: Option<String>,
    base_url: Option<String>,
    auth: Option<String>,
    auth_header: Option<String>,
    key_env: Option<String>,
    key_required: Option<bool>,
    strict_terminal: Option<bool>,
    default_model: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    reach: Option<PresetReach>,
    status: Option<StatusFile>,
    canary: Option<PresetCanary>,
    #[serde(default)]
    models: BTreeMap<String, PriceRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusFile {
    url: String,
    format: String,
    #[serde(default)]
    components: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRow {
    input_usd_per_mtok: f64,
    output_usd_per_mtok: f64,
    as_of: String,
    source: String,
    verified: bool,
}

impl PresetFile {
    pub(super) fn check(self, name: &str) -> Result<Preset, String> {
        let url = |text: &str| Url::parse(text).map_err(|e| format!("{text:?} is not a URL: {e}"));
        let auth = match (self.auth.as_deref(), self.auth_header) {
            (Some("bearer"), None) => Auth::Bearer,
            (Some("none"), None) => Auth::None,
            (Some("header"), Some(header)) => Auth::Header(header),
            _ => return Err("auth is \"bearer\", \"none\", or \"header\" with auth_header".to_owned()),
        };
        let status = match self.status {
            Some(page) if !STATUS_FORMATS.contains(&page.format.as_str()) => {
                return Err(format!(
                    "status format {:?}, known are {}",
                    page.format,
                    STATUS_FORMATS.join(", ")
                ));
            }
            Some(page) if page.components.len() > MAX_STATUS_COMPONENTS => {
                return Err(format!("more than {MAX_STATUS_COMPONENTS} status components"));
            }
            Some(page) if page.components.iter().any(|name| name.trim().is_empty()) => {
                return Err("a status component has no name".to_owned());
            }
            Some(page) => Some(StatusPage {
                url: url(&page.url)?,
                format: page.format,
                components: page.components,
            }),
            None => None,
        };
        let mut models = BTreeMap::new();
        for (model, row) in self.models {
            models.insert(
                model.clone(),
                row.check().map_err(|why| format!("price of {model}: {why}"))?,
            );
        }
        Ok(Preset {
            name: name.to_owned(),
            protocol: self.protocol.ok_or("protocol is missing")?.parse()?,
            base_url: self.base_url.as_deref().map(url).transpose()?,
            auth,
            key_env: self.key_env,
            key_required: self.key_required.unwrap_or(true),
            headers: self.headers.into_iter().collect(),
            strict_terminal: self.strict_terminal.ok_or("strict_terminal is missing")?,
            reach: self.reach.ok_or("[reach] is missing")?,
            status,
            default_model: self.default_model,
            canary: self.canary.ok_or("[canary] is missing")?,
            models,
        })
    }
}

impl PriceRow {
    fn check(self) -> Result<DatedPrice, String> {
        let price = Price {
            input_usd_per_mtok: self.input_usd_per_mtok,
            output_usd_per_mtok: self.output_usd_per_mtok,
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
        Ok(DatedPrice {
            price,
            as_of: self.as_of,
            source: self.source,
            verified: self.verified,
        })
    }
}

/// Dearest price per million tokens that is believed, in dollars.
pub const MAX_USD_PER_MTOK: f64 = 10_000.0;

/// Whether both halves of a price are finite and within bounds.
pub(super) fn price_is_sane(price: Price) -> bool {
    [price.input_usd_per_mtok, price.output_usd_per_mtok]
        .iter()
        .all(|usd| (0.0..=MAX_USD_PER_MTOK).contains(usd))
}
