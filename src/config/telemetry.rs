//! `[telemetry]`: what is told to a collector, and where it is. The `OTEL_*` variables fill in what the file leaves
//! open; what the file says counts before them, and `OTEL_SDK_DISABLED` before everything.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    Secret,
    error::{Diagnostic, Place},
    file::{SecretRef, Span},
    key,
    parse::nearest,
    resolve::Resolver,
};

/// Shortest and longest time that one export may take.
pub const OTLP_TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// How long one export may take where nobody says.
pub const OTLP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Shortest and longest interval between two exports of metrics.
pub const OTLP_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
/// How often metrics are exported where nobody says; OpenTelemetry's own default.
pub const OTLP_INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// Most headers of an export.
pub const MAX_OTLP_HEADERS: usize = 16;

/// What is told, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telemetry {
    /// Which names of the `GenAI` conventions are used.
    pub conventions: Conventions,
    /// The way to a collector; `None`: nobody collects.
    pub otlp: Option<Otlp>,
}

/// Names of the `GenAI` conventions, which change while they are in development.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conventions {
    /// Those of semantic conventions 1.41, which backends know.
    #[default]
    V1_41,
    /// Those that are being agreed upon.
    Next,
    /// Both: every figure twice.
    Both,
}

impl Conventions {
    const ALL: [Self; 3] = [Self::V1_41, Self::Next, Self::Both];

    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_41 => "v1.41",
            Self::Next => "next",
            Self::Both => "both",
        }
    }

    /// Whether the names of 1.41 are used.
    pub const fn has_v1_41(self) -> bool {
        matches!(self, Self::V1_41 | Self::Both)
    }

    /// Whether the coming names are used.
    pub const fn has_next(self) -> bool {
        matches!(self, Self::Next | Self::Both)
    }
}

/// The way to a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Where each signal goes; at least one does.
    pub routes: Vec<OtlpRoute>,
    /// Headers of every export, by name. Those of `OTEL_EXPORTER_OTLP_HEADERS` come on top, but never instead.
    pub headers: Vec<(String, Secret)>,
    /// How often metrics are exported.
    pub interval: Duration,
}

/// Where one signal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpRoute {
    /// Which.
    pub signal: OtlpSignal,
    /// How it is spoken.
    pub protocol: OtlpProtocol,
    /// The whole URL; for gRPC that of the server.
    pub url: Url,
    /// How long one export may take.
    pub timeout: Duration,
    /// Whether bodies are packed.
    pub gzip: bool,
}

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OtlpSignal {
    /// Figures.
    Metrics,
    /// A span a probe.
    Traces,
    /// Transitions and incidents.
    Logs,
}

impl OtlpSignal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// The name in the configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// Path below the endpoint.
    const fn path(self) -> &'static str {
        match self {
            Self::Metrics => "v1/metrics",
            Self::Traces => "v1/traces",
            Self::Logs => "v1/logs",
        }
    }

    /// As it stands in names of variables.
    const fn in_variable(self) -> &'static str {
        match self {
            Self::Metrics => "METRICS",
            Self::Traces => "TRACES",
            Self::Logs => "LOGS",
        }
    }
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP.
    Http,
    /// gRPC; only in a build with `otlp-grpc`.
    Grpc,
}

const HTTP: &str = "http/protobuf";
const GRPC: &str = "grpc";

impl OtlpProtocol {
    /// The protocol of that name, if this build speaks it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            HTTP => Ok(Self::Http),
            GRPC if cfg!(feature = "otlp-grpc") => Ok(Self::Grpc),
            GRPC => {
                Err("this build speaks no gRPC: use \"http/protobuf\", or build with --features otlp-grpc")
            }
            _ if cfg!(feature = "otlp-grpc") => Err("use \"http/protobuf\" or \"grpc\""),
            _ => Err("use \"http/protobuf\""),
        }
    }
}

/// `[telemetry]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetryFile {
    conventions: Option<Spanned<String>>,
    otlp: Option<OtlpFile>,
}

/// `[telemetry.otlp]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct OtlpFile {
    endpoint: Option<Spanned<String>>,
    protocol: Option<Spanned<String>>,
    headers: Option<BTreeMap<Spanned<String>, Spanned<SecretRef>>>,
    signals: Option<Spanned<Vec<Spanned<String>>>>,
    interval: Option<Spanned<Span>>,
    timeout: Option<Spanned<Span>>,
}

impl Resolver<'_> {
    pub(super) fn telemetry(&mut self, file: TelemetryFile) -> Telemetry {
        let conventions = file.conventions.map_or_else(Conventions::default, |word| {
            let known = Conventions::ALL;
            let found = known.into_iter().find(|it| it.as_str() == word.get_ref());
            found.unwrap_or_else(|| {
                let message = format!("there are no conventions {:?}", word.get_ref());
                self.error(&word, message, "use \"v1.41\", \"next\" or \"both\"");
                Conventions::default()
            })
        });
        let otlp = self.otlp(file.otlp.unwrap_or_default());
        let disabled = self.env.var("OTEL_SDK_DISABLED").map(str::trim);
        let disabled = disabled.is_some_and(|word| word.eq_ignore_ascii_case("true"));
        Telemetry {
            conventions,
            otlp: otlp.filter(|_| !disabled),
        }
    }

    fn otlp(&mut self, file: OtlpFile) -> Option<Otlp> {
        let headers = self.otlp_headers(file.headers.unwrap_or_default());
        let interval = match &file.interval {
            Some(interval) => self.span("the interval of telemetry", interval, OTLP_INTERVAL),
            None => self
                .millis("OTEL_METRIC_EXPORT_INTERVAL", OTLP_INTERVAL)
                .unwrap_or(OTLP_INTERVAL_DEFAULT),
        };
        let timeout = file
            .timeout
            .as_ref()
            .map(|timeout| self.span("the timeout of telemetry", timeout, OTLP_TIMEOUT));
        let protocol = file.protocol.as_ref().and_then(|word| {
            OtlpProtocol::parse(word.get_ref())
                .map_err(|help| {
                    let message = format!("OTLP is not spoken as {:?}", word.get_ref());
                    self.error(word, message, help);
                })
                .ok()
        });
        let base = file.endpoint.as_ref().and_then(|text| {
            let place = self.place(text);
            self.collector(text.get_ref(), "endpoint", place, true)
        });
        let signals = self.signals(file.signals.as_ref());
        let routes: Vec<OtlpRoute> = signals
            .into_iter()
            .filter_map(|signal| self.route_of(signal, base.as_ref(), protocol, timeout))
            .collect();
        if file.endpoint.is_none() && routes.is_empty() && !headers.is_empty() {
            let message = "telemetry has headers and no endpoint";
            let help = "add endpoint = \"http://127.0.0.1:4318\" to [telemetry.otlp]";
            self.report.push(Diagnostic::error(message).help(help));
        }
        (!routes.is_empty()).then_some(Otlp {
            routes,
            headers,
            interval,
        })
    }

    /// Where one signal goes; `None`: nobody says.
    fn route_of(
        &mut self,
        signal: OtlpSignal,
        base: Option<&Url>,
        protocol: Option<OtlpProtocol>,
        timeout: Option<Duration>,
    ) -> Option<OtlpRoute> {
        let own = |what: &str| format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.in_variable());
        let both = |what: &str| [own(what), format!("OTEL_EXPORTER_OTLP_{what}")];
        let protocol = match protocol {
            Some(protocol) => protocol,
            None => self.env_protocol(&both("PROTOCOL")).ok()?,
        };
        let below = |base: &Url| match protocol {
            OtlpProtocol::Http => below(base, signal.path()),
            OtlpProtocol::Grpc => base.clone(),
        };
        let url = match base {
            Some(base) => below(base),
            None => match self.env_url(&own("ENDPOINT")) {
                Some(url) => url,
                None => below(&self.env_url("OTEL_EXPORTER_OTLP_ENDPOINT")?),
            },
        };
        let timeout = timeout.or_else(|| {
            let [own, every] = both("TIMEOUT");
            self.millis(&own, OTLP_TIMEOUT)
                .or_else(|| self.millis(&every, OTLP_TIMEOUT))
        });
        let packed = both("COMPRESSION");
        let packed = packed.iter().find_map(|name| self.env.var(name));
        Some(OtlpRoute {
            signal,
            protocol,
            url,
            timeout: timeout.unwrap_or(OTLP_TIMEOUT_DEFAULT),
            gzip: packed.is_none_or(|word| !word.trim().eq_ignore_ascii_case("none")),
        })
    }

    /// Which signals are told: those of the file, else all that `OTEL_*_EXPORTER` doesn't take out.
    fn signals(&mut self, file: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<OtlpSignal> {
        let Some(words) = file else {
            let told = |signal: &OtlpSignal| {
                let variable = format!("OTEL_{}_EXPORTER", signal.in_variable());
                self.env.var(&variable).is_none_or(|word| word.trim() != "none")
            };
            return OtlpSignal::ALL.into_iter().filter(told).collect();
        };
        if words.get_ref().is_empty() {
            let help = "name some of \"metrics\", \"traces\" and \"logs\", or take [telemetry.otlp] out";
            self.error(words, "no signal is told", help);
        }
        let mut signals = Vec::new();
        for word in words.get_ref() {
            let name = word.get_ref().as_str();
            let found = OtlpSignal::ALL.into_iter().find(|signal| signal.as_str() == name);
            match found {
                Some(signal) if signals.contains(&signal) => {
                    self.error(word, format!("{name} is named twice"), "once is enough");
                }
                Some(signal) => signals.push(signal),
                None => {
                    let near = nearest(name, OtlpSignal::ALL.map(OtlpSignal::as_str).into_iter());
                    let help = near.map_or_else(
                        || "known are \"metrics\", \"traces\" and \"logs\"".to_owned(),
                        |near| format!("did you mean \"{near}\"?"),
                    );
                    self.error(word, format!("there is no signal {name:?}"), help);
                }
            }
        }
        signals
    }

    fn otlp_headers(&mut self, file: BTreeMap<Spanned<String>, Spanned<SecretRef>>) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for (number, (name, reference)) in file.into_iter().enumerate() {
            if number == MAX_OTLP_HEADERS {
                self.error(
                    &name,
                    format!("more than {MAX_OTLP_HEADERS} headers"),
                    "one or two do",
                );
                break;
            }
            if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
                self.error(
                    &name,
                    "that is no name of a header",
                    "write it as in \"x-api-key\"",
                );
                continue;
            }
            if let Some(secret) = self.named(&reference, key::read_line) {
                headers.push((name.get_ref().to_ascii_lowercase(), secret));
            }
        }
        headers
    }

    /// The protocol that the environment names; HTTP where it names none.
    fn env_protocol(&mut self, names: &[String]) -> Result<OtlpProtocol, ()> {
        let named = names
            .iter()
            .find_map(|name| Some((name, self.env.var(name)?.trim().to_owned())));
        let Some((name, word)) = named else {
            return Ok(OtlpProtocol::Http);
        };
        OtlpProtocol::parse(&word).map_err(|help| {
            let message = format!("{name} is {word:?}, which is not spoken: nothing goes there");
            self.report.push(Diagnostic::warning(message).help(help));
        })
    }

    fn env_url(&mut self, name: &str) -> Option<Url> {
        let text = self.env.var(name)?.trim().to_owned();
        self.collector(&text, name, None, false)
    }

    /// A collector's address. A wrong one of the file is an error, a wrong one of the environment a warning: it was
    /// not written for us alone.
    fn collector(&mut self, text: &str, name: &str, place: Option<Place>, in_file: bool) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| {
            let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain
        });
        if url.is_none() {
            let message = format!("{name} is no plain http or https URL");
            let finding = if in_file {
                Diagnostic::error(message)
            } else {
                Diagnostic::warning(format!("{message}: nothing goes there"))
            };
            let help = "write it as in \"http://127.0.0.1:4318\", credentials as headers";
            self.report.push(finding.at(place).help(help).hiding());
        }
        url
    }

    /// A length of time that the environment gives in milliseconds, within bounds.
    fn millis(&self, name: &str, (low, high): (Duration, Duration)) -> Option<Duration> {
        let millis = self.env.var(name)?.trim().parse().ok()?;
        Some(Duration::from_millis(millis).clamp(low, high))
    }
}

/// A path below a base URL, whether that ends with a slash or not; its query is kept.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests;
