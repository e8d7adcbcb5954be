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

/// Shortest beginning of a secret that is taken out of the end of a text: public prefixes (`sk-`) are shorter.
const MIN_CUT_BYTES: usize = 8;

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
            let text = if text.contains(secret.expose()) {
                Cow::Owned(secret.scrub(&text))
            } else {
                text
            };
            match cut_secret(&text, secret.expose()) {
                Some(start) => Cow::Owned(format!("{}***", &text[..start])),
                None => text,
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
            StreamEvent::Delta { text, .. }
            | StreamEvent::ToolCall { name: text }
            | StreamEvent::Fingerprint(text) => self.string(text),
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

/// Where a text ends inside the secret: our bounds cut texts before they are cleaned.
fn cut_secret(text: &str, secret: &str) -> Option<usize> {
    secret
        .char_indices()
        .map(|(end, _)| end)
        .rev()
        .take_while(|end| *end >= MIN_CUT_BYTES)
        .find(|end| text.ends_with(&secret[..*end]))
        .map(|end| text.len() - end)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cut_by_a_bound_leaves_no_beginning() {
        let scrub = Scrub {
            secrets: vec![Secret::new("sk-marked-0123456789")],
        };
        for (text, clean) in [
            ("bad key sk-marked-0123456789!", "bad key ***!"),
            ("bad key sk-marked-01234", "bad key ***"),
            ("bad key sk-marked-0123456789", "bad key ***"),
            ("a word: risk", "a word: risk"),
            ("", ""),
        ] {
            assert_eq!(scrub.text(text), clean);
        }
    }
}
