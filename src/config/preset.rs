//! Shipped knowledge about providers and canaries: data under `probes/`, embedded, overridable by files of the same
//! name in a directory of the operator.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use url::Url;

use super::{
    Address, Auth, CanaryScript, Expected, Price,
    canary_file::CanaryFile,
    error::{Diagnostic, Report},
    file::Span,
    parse::parse,
    preset_file::PresetFile,
};
use crate::protocol::{Wire, request::Endpoint};

/// The shipped files.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/probes");
/// Largest preset or canary file in bytes.
pub const MAX_PRESET_BYTES: u64 = 256 * 1024;
/// Most files that are taken from an override directory.
pub const MAX_PRESET_FILES: usize = 256;
/// The canary that a preset asks for when it names none.
const DEFAULT_SCRIPT: &str = "count20";

/// Where a vendor tells its own health, for people beside our verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPage {
    /// Address.
    pub url: Url,
    /// One of [`STATUS_FORMATS`].
    pub format: String,
    /// The components that tell of this provider, as parts of their names in any case; none: the whole page does.
    pub components: Vec<String>,
}

/// Formats of status pages that a preset may name: Statuspage v2 JSON, incident.io JSON, Google's and AWS's lists of
/// incidents, the feed of Azure, other feeds, Better Stack JSON, and pages that only people can read.
pub const STATUS_FORMATS: [&str; 8] = [
    "statuspage",
    "incidentio",
    "google",
    "aws",
    "azure",
    "rss",
    "betterstack",
    "html",
];
/// Most components that may be named of one page.
pub const MAX_STATUS_COMPONENTS: usize = 32;

/// A price with where and when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct DatedPrice {
    /// Dollars per million tokens.
    pub price: Price,
    /// The day it was read, `2026-10-07`.
    pub as_of: String,
    /// Who says so.
    pub source: String,
    /// Whether the vendor's own page or two sources were read.
    pub verified: bool,
}

/// What is known about one model of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetModel {
    /// Its price.
    pub price: DatedPrice,
    /// Token limit, where it needs one of its own.
    pub max_tokens: Option<u32>,
    /// Reasoning tokens that the plan reckons with, where they are its own.
    pub extra_output_tokens: Option<u32>,
    /// Members of the request body that only this model needs.
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// How a provider knows who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetAuth {
    /// How a plain key is sent.
    pub key: Auth,
    /// Which cloud's credentials it takes beside that.
    pub cloud: Option<CloudKind>,
}

/// A cloud whose requests are signed or carry short-lived tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudKind {
    /// AWS Signature Version 4 for that service, in the region that the variable `region` holds.
    Aws {
        /// `bedrock`.
        service: String,
    },
    /// Google access tokens.
    Google,
}

/// What is known about one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// File name without `.toml`.
    pub name: String,
    /// Wire protocol, and in whose manner.
    pub wire: Wire,
    /// Below which path of the base URL it lives.
    pub endpoint: Endpoint,
    /// Base URL.
    pub address: Address,
    /// How the credential is sent.
    pub auth: PresetAuth,
    /// The variable that commonly holds the credential.
    pub key_env: Option<String>,
    /// Whether nothing but reachability can be probed without a credential.
    pub key_required: bool,
    /// Whether a server of this kind charges nothing.
    pub free: bool,
    /// Further request headers.
    pub headers: Vec<(String, String)>,
    /// Whether a missing terminal event is a truncation by itself.
    pub strict_terminal: bool,
    /// Method, path and expected statuses with and without credential of the free probe.
    pub reach: PresetReach,
    /// The vendor's status page.
    pub status: Option<StatusPage>,
    /// The cheap model that is probed unless the file names others.
    pub default_model: Option<String>,
    /// What the canary sends.
    pub canary: PresetCanary,
    /// Members of the request body that its models answer with an error, dotted where they lie deeper.
    pub refuses: Vec<String>,
    /// Prices and settings by model id.
    pub models: BTreeMap<String, PresetModel>,
    /// Which groups of facts nobody has seen for sure: `address`, `reach`, `status`, `canary`, `refuses`.
    pub unverified: Vec<&'static str>,
}

impl Preset {
    /// What a canary of that model sends: the preset's settings and the model's own over them.
    pub fn canary_for(&self, model: &str) -> PresetCanary {
        let mut canary = self.canary.clone();
        if let Some(own) = self.models.get(model) {
            canary.max_tokens = own.max_tokens.unwrap_or(canary.max_tokens);
            canary.extra_output_tokens = own.extra_output_tokens.unwrap_or(canary.extra_output_tokens);
            canary.params.extend(own.params.clone());
        }
        canary
    }
}

/// The free probe of a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetReach {
    /// HTTP method.
    pub method: String,
    /// Template of what `path` lies below, where it isn't the base URL. Only for the preset's own base URL: another one
    /// takes its place here too.
    pub base_url: Option<String>,
    /// Path segments that the base URL is cut before, if it holds them.
    pub cut: Option<String>,
    /// Path below the base URL, query included.
    pub path: String,
    /// JSON to send along.
    pub body: Option<String>,
    /// Expected with a credential.
    pub with_key: Expected,
    /// Expected without one.
    pub without_key: Expected,
}

/// The generation probe of a preset.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetCanary {
    /// How often, unless the file says: where a request is dear.
    #[serde(default, deserialize_with = "span")]
    pub every: Option<Duration>,
    /// Name of the script.
    #[serde(default = "default_script")]
    pub script: String,
    /// Token limit.
    pub max_tokens: u32,
    /// Name of the token-limit parameter.
    pub max_tokens_field: Option<String>,
    /// Reasoning tokens that the plan reckons with beside the text.
    pub extra_output_tokens: u32,
    /// Further members of the request body.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Whether these settings were seen to be right.
    pub verified: Option<bool>,
    /// What the long canary does otherwise.
    #[serde(default)]
    pub long: PresetAsk,
    /// What the JSON canary does otherwise.
    #[serde(default)]
    pub json: PresetAsk,
    /// What the tool canary does otherwise.
    #[serde(default)]
    pub tool: PresetAsk,
}

/// What one kind of canary does otherwise than the short one.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresetAsk {
    /// Name of the script; the kind's own unless given.
    pub script: Option<String>,
    /// Token limit; that of the short canary and four times the tokens that this one's answer is longer by unless given.
    pub max_tokens: Option<u32>,
    /// Reasoning tokens that the plan reckons with beside the text; those of the short canary unless given.
    pub extra_output_tokens: Option<u32>,
    /// Members of the request body over those of the short canary.
    pub params: serde_json::Map<String, serde_json::Value>,
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Span::deserialize(deserializer).map(|span| Some(span.0))
}

fn default_script() -> String {
    DEFAULT_SCRIPT.to_owned()
}

/// All presets and canaries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presets {
    providers: BTreeMap<String, Preset>,
    canaries: BTreeMap<String, Arc<CanaryScript>>,
}

impl Presets {
    /// The shipped files, and those of `dir` over them.
    pub(super) fn load(dir: Option<&Path>, report: &mut Report) -> Self {
        let mut presets = Self::default();
        for (kind, name, text) in embedded() {
            presets.take(
                kind,
                name,
                text,
                &format!("built-in probes/{kind}/{name}.toml"),
                report,
            );
        }
        let Some(dir) = dir else { return presets };
        for kind in ["providers", "canaries"] {
            for (name, path) in list(&dir.join(kind), report) {
                match read_bounded(&path) {
                    Ok(text) => presets.take(kind, &name, &text, &path.display().to_string(), report),
                    Err(why) => {
                        report.push(Diagnostic::error(format!(
                            "cannot read {}: {why}",
                            path.display()
                        )));
                    }
                }
            }
        }
        presets
    }

    /// The preset of that name.
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.providers.get(name)
    }

    /// The canary of that name.
    pub fn canary(&self, name: &str) -> Option<&Arc<CanaryScript>> {
        self.canaries.get(name)
    }

    /// Every preset, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Preset> {
        self.providers.values()
    }

    fn take(&mut self, kind: &str, name: &str, text: &str, shown: &str, report: &mut Report) {
        let source = report.add_source(shown, text);
        let before = report.has_errors();
        let wrong = |what: &str| Diagnostic::error(format!("{shown}: {what}"));
        if kind == "providers" {
            let Some(file) = parse_whole::<PresetFile>(text, source, report, before) else {
                return;
            };
            match file.check(name) {
                Ok(preset) => drop(self.providers.insert(name.to_owned(), preset)),
                Err(what) => report.push(wrong(&what)),
            }
        } else if let Some(file) = parse_whole::<CanaryFile>(text, source, report, before) {
            match file.check(name) {
                Ok(script) => drop(self.canaries.insert(name.to_owned(), Arc::new(script))),
                Err(what) => report.push(wrong(&what)),
            }
        }
    }
}

/// The shipped files: kind, name, text.
fn embedded() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ["providers", "canaries"].into_iter().flat_map(|kind| {
        let files = EMBEDDED.get_dir(kind).map(Dir::files).into_iter().flatten();
        files.filter_map(move |file| {
            let name = file.path().file_stem()?.to_str()?;
            Some((kind, name, file.contents_utf8()?))
        })
    })
}

/// TOML files of a directory by name; none where it doesn't exist.
fn list(dir: &Path, report: &mut Report) -> Vec<(String, std::path::PathBuf)> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    files.sort();
    if files.len() > MAX_PRESET_FILES {
        let message = format!(
            "{} holds {} files, at most {MAX_PRESET_FILES} are read",
            dir.display(),
            files.len()
        );
        report.push(Diagnostic::error(message));
        files.truncate(MAX_PRESET_FILES);
    }
    files
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let bytes = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if bytes > MAX_PRESET_BYTES {
        return Err(format!("{bytes} bytes, at most {MAX_PRESET_BYTES} are read"));
    }
    fs::read_to_string(path).map_err(|e| e.to_string())
}

/// The parsed file unless something in it was refused.
fn parse_whole<T: DeserializeOwned + Default>(
    text: &str,
    source: usize,
    report: &mut Report,
    before: bool,
) -> Option<T> {
    let file = parse(text, source, report);
    (before || !report.has_errors()).then_some(file)
}

#[cfg(test)]
mod tests;
