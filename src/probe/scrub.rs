//! Keeps our secrets out of texts that came from outside.

use std::borrow::Cow;

use url::Url;

use crate::{
    config::{Provider, Secret},
    protocol::StreamEvent,
    verdict::{Ending, Timeline},
};

/// Shortest text that counts as a secret; shorter ones would blank out ordinary words.
const MIN_SECRET_BYTES: usize = 4;

/// Parts of the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 5] = ["auth", "key", "token", "secret", "cookie"];

/// The secrets of one provider: its credential, what stands in its URL's query and password, and the values of its own
/// headers that are named like a secret.
pub(super) struct Scrub {
    secrets: Vec<Secret>,
}

impl Scrub {
    /// The secrets of that provider.
    pub(super) fn new(provider: &Provider) -> Self {
        let mut secrets: Vec<Secret> = provider.key.iter().cloned().collect();
        secrets.extend(url_secrets(&provider.base_url));
        secrets.extend(header_secrets(&provider.headers));
        secrets.retain(|secret| secret.expose().len() >= MIN_SECRET_BYTES);
        Self { secrets }
    }

    /// The text without secrets.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret.expose()) {
                Cow::Owned(secret.scrub(&text))
            } else {
                text
            }
        })
    }

    fn string(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// Cleans everything that a timeline holds.
    pub(super) fn timeline(&self, timeline: &mut Timeline) {
        for (_, value) in &mut timeline.headers {
            self.string(value);
        }
        if !timeline.raw.is_empty() {
            let raw = String::from_utf8_lossy(&timeline.raw);
            if let Cow::Owned(clean) = self.text(&raw) {
                timeline.raw = clean.into_bytes();
            }
        }
        for event in &mut timeline.events {
            self.event(event);
        }
        if let Some(Ending::Failed(fault)) = &mut timeline.ending {
            self.string(&mut fault.detail);
        }
    }

    fn event(&self, event: &mut StreamEvent) {
        match event {
            StreamEvent::Meta { model, response_id } => {
                for text in [model, response_id].into_iter().flatten() {
                    self.string(text);
                }
            }
            StreamEvent::Delta { text, .. } => self.string(text),
            StreamEvent::Stop(stop) => self.string(&mut stop.raw),
            StreamEvent::Error(error) => {
                self.string(&mut error.message);
                if let Some(code) = &mut error.code {
                    self.string(code);
                }
            }
            StreamEvent::Garbled { detail } => self.string(detail),
            StreamEvent::KeepAlive
            | StreamEvent::Usage(_)
            | StreamEvent::TerminalByEnd
            | StreamEvent::Terminal
            | StreamEvent::Note(_) => {}
        }
    }
}

fn url_secrets(url: &Url) -> Vec<Secret> {
    let values = url.query_pairs().map(|(_, value)| Secret::new(&value));
    values.chain(url.password().map(Secret::new)).collect()
}

fn header_secrets(headers: &[(String, String)]) -> impl Iterator<Item = Secret> {
    let named = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET_HEADERS.iter().any(|part| name.contains(part))
    };
    headers
        .iter()
        .filter(move |(name, _)| named(name))
        .map(|(_, value)| Secret::new(value))
}
