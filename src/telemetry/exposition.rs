//! `/metrics` as text: `OpenMetrics` 1.0, or the classic format for those who don't ask for it.

use std::sync::Arc;

use prometheus_client::{encoding::text, registry::Registry};

use super::{Ledger, Owner, collect::Page};
use crate::feed::Hub;

/// A format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus's own text format, 0.0.4.
    Classic,
}

impl Format {
    /// Its media type, as it is answered.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What an `Accept` header asks for: `OpenMetrics` where it is named with at least the weight of plain text and in
    /// a version that we speak, else the classic format, which everything reads.
    pub fn negotiate(accept: &str) -> Self {
        let mut open = 0.0_f64;
        let mut classic = 0.0_f64;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut spoken) = (1.0, true);
            for parameter in parts {
                match parameter
                    .split_once('=')
                    .map(|(key, value)| (key.trim(), value.trim()))
                {
                    Some(("q" | "Q", value)) => weight = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => {
                        spoken = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1" | "0.0.4");
                    }
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if spoken => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => classic = classic.max(weight),
                _ => {}
            }
        }
        if open > 0.0 && open >= classic {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }
}

/// Everything that a scrape shows.
pub struct Exposition {
    hub: Arc<Hub>,
    ledger: Arc<Ledger>,
    owner: Arc<dyn Owner>,
}

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

impl Exposition {
    /// What is published, what was counted, and what the daemon knows of itself.
    pub fn new(hub: Arc<Hub>, ledger: Arc<Ledger>, owner: Arc<dyn Owner>) -> Self {
        Self { hub, ledger, owner }
    }

    /// The text as of now. Takes time in proportion to the number of series: some milliseconds for a hundred targets.
    pub fn text(&self, format: Format) -> String {
        let page = Page::new(
            self.hub.snapshot(),
            &self.ledger,
            self.owner.own(),
            (self.hub.subscribers() as u64, self.hub.lagged()),
        );
        render(page, format)
    }
}

/// A page as text.
pub(super) fn render(page: Page, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut text = String::new();
    // Writing to a string can't fail, and the collector has no errors of its own.
    let _ = text::encode(&mut text, &registry);
    match format {
        Format::OpenMetrics => text,
        Format::Classic => classic(&text),
    }
}

/// The same samples with the head lines that the classic format knows: families of counters and facts are named as
/// their samples are, and there are no units and no end mark.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + 1024);
    let mut help = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some(words) = help.take().and_then(|help| help.strip_prefix(family)) {
                text.extend(["# HELP ", family, suffix, words, "\n"]);
            }
            text.extend(["# TYPE ", family, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests;
