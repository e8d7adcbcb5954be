//! Shipped knowledge about providers and canaries: data under `probes/`, embedded, overridable by files of the same
//! name in a directory of the operator.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use include_dir::{Dir, include_dir};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{
    Auth, CanaryScript, Price,
    canary_file::CanaryFile,
    error::{Diagnostic, Report},
    parse::parse,
    preset_file::PresetFile,
};
use crate::protocol::Protocol;

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
    /// `statuspage` (v2 JSON), `incidentio`, `rss`, `google`, `betterstack` or `html`.
    pub format: String,
}

/// Formats of status pages that a preset may name.
pub const STATUS_FORMATS: [&str; 6] = ["statuspage", "incidentio", "rss", "google", "betterstack", "html"];

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

/// What is known about one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// File name without `.toml`.
    pub name: String,
    /// Wire protocol.
    pub protocol: Protocol,
    /// Base URL; `None` where every installation has its own.
    pub base_url: Option<Url>,
    /// How the credential is sent.
    pub auth: Auth,
    /// The variable that commonly holds the credential.
    pub key_env: Option<String>,
    /// Whether nothing but reachability can be probed without a credential.
    pub key_required: bool,
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
    /// Prices by model id.
    pub models: BTreeMap<String, DatedPrice>,
}

/// The free probe of a preset.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetReach {
    /// HTTP method.
    pub method: String,
    /// Path below the base URL.
    pub path: String,
    /// Expected statuses with a credential.
    pub expect_with_key: Vec<u16>,
    /// Expected statuses without one.
    pub expect_without_key: Vec<u16>,
}

/// The generation probe of a preset.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetCanary {
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
