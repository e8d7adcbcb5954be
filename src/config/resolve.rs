//! [`FileConfig`] over presets over defaults to [`Config`], collecting every finding.

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Config, Env, OfficialPages, Provider, StatusPage, StoreConfig,
    canaries::CanarySwitch,
    error::{Diagnostic, Place, Report},
    file::{BudgetFile, FileConfig, LimitsFile, NetworkFile, ServerFile, Size, Span, StoreFile, Switch},
    load::Note,
    parse::{nearest, parse},
    preset::Presets,
};
use crate::id::{ProviderId, TargetId};

/// Every default. Embedded and really read.
const DEFAULTS: &str = include_str!("default.toml");

/// Most providers.
pub const MAX_PROVIDERS: usize = 64;
/// Most targets of all providers together.
pub const MAX_TARGETS: usize = 1_024;
/// Most anchors.
pub const MAX_ANCHORS: usize = 8;
/// Longest vantage name in bytes.
pub const MAX_VANTAGE_BYTES: usize = 64;
/// Smallest and largest size bound of the database in bytes.
pub const STORE_BYTES: (u64, u64) = (16 << 20, 1 << 40);
/// Largest budget in dollars a day.
pub const MAX_USD_PER_DAY: f64 = 100_000.0;

/// The embedded defaults, in the shape of the file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    vantage: Option<Spanned<String>>,
    pub(super) server: Option<ServerFile>,
    store: Option<StoreFile>,
    network: Option<NetworkFile>,
    budget: Option<BudgetFile>,
    pub(super) official: Option<Switch>,
    #[serde(default)]
    pub(super) provider: ProviderDefaults,
}

/// What a provider's entry and its preset leave open.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderDefaults {
    pub(super) polite: Option<bool>,
    pub(super) reach: Option<Switch>,
    pub(super) canary: Option<CanarySwitch>,
    pub(super) long: Option<CanarySwitch>,
    pub(super) json: Option<CanarySwitch>,
    pub(super) tool: Option<CanarySwitch>,
    pub(super) limits: Option<LimitsFile>,
}

impl Defaults {
    /// The embedded file.
    pub(super) fn embedded(report: &mut Report) -> Self {
        let source = report.add_source("built-in default.toml", DEFAULTS);
        parse(DEFAULTS, source, report)
    }
}

/// What resolving looks at, and where it puts its findings.
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Env,
    pub(super) presets: &'a Presets,
    pub(super) defaults: Defaults,
    /// Number of the file's text in the report; `None` without a file.
    pub(super) source: Option<usize>,
    /// Directory of the file: relative key files lie there.
    pub(super) dir: &'a Path,
    pub(super) report: &'a mut Report,
    pub(super) notes: Vec<Note>,
    /// Targets that are said to be another one's model, until all are known.
    pub(super) vias: Vec<(TargetId, Spanned<String>)>,
    /// Status pages that are to be read.
    pub(super) pages: Vec<(ProviderId, StatusPage)>,
}

impl Resolver<'_> {
    pub(super) fn place<T>(&self, value: &Spanned<T>) -> Option<Place> {
        let span = value.span();
        self.source.map(|source| Place { source, span })
    }

    pub(super) fn error<T>(
        &mut self,
        value: &Spanned<T>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.place(value);
        self.report.push(Diagnostic::error(message).at(place).help(help));
    }

    /// The whole configuration. Where something was wrong, a harmless value stands in for it, and the report says so.
    pub(super) fn config(&mut self, file: FileConfig) -> Config {
        let vantage = self.vantage(file.vantage);
        let server = self.server(file.server.unwrap_or_default());
        let store = self.store(file.store.unwrap_or_default());
        let anchors = self.anchors(file.network.unwrap_or_default());
        let default = self.defaults.budget.as_ref().and_then(|b| b.usd_per_day.clone());
        let budget = file.budget.unwrap_or_default().usd_per_day.or(default);
        let usd_per_day = budget.and_then(|usd| self.dollars(&usd));
        if file.provider.is_empty() && self.source.is_some() && !self.report.has_errors() {
            let help = "add [[provider]] with id = \"anthropic\", or with the base_url and models of a server of your own \
                        (docs/providers.md); or remove the file to probe what the environment has keys for";
            self.report
                .push(Diagnostic::error("no provider is configured").help(help));
        }
        let official = self.official_every(file.official.as_ref());
        let telemetry = self.telemetry(file.telemetry.unwrap_or_default());
        let mut seen = BTreeSet::new();
        let mut providers = Vec::new();
        let starts: Vec<usize> = file.provider.iter().map(|entry| entry.span().start).collect();
        for (number, entry) in file.provider.into_iter().enumerate() {
            let extent = entry.span().start..starts.get(number + 1).copied().unwrap_or(usize::MAX);
            if number == MAX_PROVIDERS {
                self.error(
                    &entry,
                    format!("more than {MAX_PROVIDERS} providers"),
                    "split them over two daemons",
                );
                break;
            }
            if let Some(provider) = self.provider(entry, extent, &mut seen) {
                providers.push(provider);
            }
        }
        self.join_vias(&mut providers);
        let routes = self.routes(&file.route, &providers);
        let channels = self.channels(&file.channel);
        let named = file.channel.iter().filter_map(|entry| entry.get_ref().name());
        let named: Vec<String> = named.map(str::to_owned).collect();
        let entries = file.alerts.unwrap_or_default();
        let alerts = self.alerts(&entries, &file.alert, channels, &named, &providers);
        let maintenance = self.maintenance(&file.maintenance, &providers);
        let targets: usize = providers.iter().map(|p| p.models.len()).sum();
        if targets > MAX_TARGETS {
            let message = format!("{targets} targets, at most {MAX_TARGETS} are probed by one daemon");
            self.report.push(Diagnostic::error(message));
        }
        Config {
            vantage,
            server,
            store,
            anchors,
            usd_per_day,
            providers,
            official: OfficialPages {
                every: official,
                pages: std::mem::take(&mut self.pages),
            },
            telemetry,
            routes,
            alerts,
            maintenance,
        }
    }

    /// Looks up what `via` names, once every target is known.
    fn join_vias(&mut self, providers: &mut [Provider]) {
        let known: Vec<TargetId> = providers
            .iter()
            .flat_map(|provider| provider.models.iter().map(|model| model.id.clone()))
            .collect();
        for (id, named) in std::mem::take(&mut self.vias) {
            let Some(other) = known.iter().find(|target| target.to_string() == *named.get_ref()) else {
                let names: Vec<String> = known
                    .iter()
                    .filter(|target| **target != id)
                    .map(ToString::to_string)
                    .collect();
                let help = match nearest(named.get_ref(), names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "name a target of this file, as in \"anthropic/claude-haiku-4-5\"".to_owned(),
                };
                self.error(&named, format!("there is no target {:?}", named.get_ref()), help);
                continue;
            };
            if *other == id {
                self.error(
                    &named,
                    format!("{id} is named as another way to itself"),
                    "name the other target",
                );
                continue;
            }
            let models = providers.iter_mut().flat_map(|provider| &mut provider.models);
            for model in models.filter(|model| model.id == id) {
                model.via = Some(other.clone());
            }
        }
    }

    fn vantage(&mut self, value: Option<Spanned<String>>) -> String {
        let Some(value) = value.or_else(|| self.defaults.vantage.clone()) else {
            return String::new();
        };
        let name = value.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > MAX_VANTAGE_BYTES || !name.chars().all(plain) {
            let help =
                format!("use 1 to {MAX_VANTAGE_BYTES} letters, digits, `-`, `_` and `.`, as in \"fra-1\"");
            self.error(&value, "vantage is not a plain name", help);
        }
        value.into_inner()
    }

    fn store(&mut self, file: StoreFile) -> StoreConfig {
        let default = self.defaults.store.take().unwrap_or_default();
        let keep = self.keep(file.keep.unwrap_or_default(), default.keep.unwrap_or_default());
        let max_bytes = match file.max_size.or(default.max_size) {
            Some(value) => self.size(&value),
            None => STORE_BYTES.0,
        };
        StoreConfig {
            path: file.path.unwrap_or_else(|| self.env.store_path()),
            keep,
            max_bytes,
        }
    }

    fn size(&mut self, value: &Spanned<Size>) -> u64 {
        let bytes = value.get_ref().0;
        if !(STORE_BYTES.0..=STORE_BYTES.1).contains(&bytes) {
            let show = |bytes| bytesize::ByteSize(bytes).display().iec().to_string();
            let message = format!("max_size is {}", show(bytes));
            let help = format!("use {} to {}", show(STORE_BYTES.0), show(STORE_BYTES.1));
            self.error(value, message, help);
        }
        bytes.clamp(STORE_BYTES.0, STORE_BYTES.1)
    }

    fn anchors(&mut self, file: NetworkFile) -> Vec<String> {
        let default = self
            .defaults
            .network
            .as_ref()
            .and_then(|network| network.anchors.clone());
        let anchors = file.anchors.or(default).unwrap_or_default();
        if let Some(extra) = anchors.get(MAX_ANCHORS) {
            self.error(
                extra,
                format!("more than {MAX_ANCHORS} anchors"),
                "three of distinct operators are enough",
            );
        }
        let mut seen = BTreeSet::new();
        for anchor in &anchors {
            let (host, port) = anchor.get_ref().rsplit_once(':').unwrap_or_default();
            let host_ok = url::Host::parse(host).is_ok();
            if !host_ok || !port.parse::<u16>().is_ok_and(|port| port > 0) {
                self.error(
                    anchor,
                    "an anchor is not host:port",
                    "write it as in \"1.1.1.1:443\"",
                );
            } else if !seen.insert(anchor.get_ref().clone()) {
                self.error(anchor, "an anchor is named twice", "distinct operators tell more");
            }
        }
        anchors.into_iter().map(Spanned::into_inner).collect()
    }

    /// A budget: more than nothing, finite, believable.
    pub(super) fn dollars(&mut self, value: &Spanned<f64>) -> Option<f64> {
        let usd = *value.get_ref();
        if usd > 0.0 && usd <= MAX_USD_PER_DAY {
            return Some(usd);
        }
        let help = format!(
            "use more than 0 and at most {MAX_USD_PER_DAY} dollars a day; to spend nothing, set canary = false"
        );
        self.error(value, "usd_per_day is out of range", help);
        None
    }

    /// A length of time within bounds.
    pub(super) fn span(
        &mut self,
        what: &str,
        value: &Spanned<Span>,
        (low, high): (Duration, Duration),
    ) -> Duration {
        let span = value.get_ref().0;
        if span < low || span > high {
            let help = format!("use {} to {}", plain(low), plain(high));
            self.error(value, format!("{what} is {}", plain(span)), help);
        }
        span.clamp(low, high)
    }
}

/// A length of time as people write it: whole days as days, since `400d` says what `1year 1month ..` hides.
pub(super) fn plain(span: Duration) -> String {
    const DAY: u64 = 86_400;
    if span.subsec_nanos() == 0 && span.as_secs() >= DAY && span.as_secs().is_multiple_of(DAY) {
        format!("{}d", span.as_secs() / DAY)
    } else {
        humantime::format_duration(span).to_string()
    }
}
