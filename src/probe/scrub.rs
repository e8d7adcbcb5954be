//! Keeps our secrets out of texts that came from outside.

use std::borrow::Cow;

use http::HeaderMap;
use url::Url;

use crate::{
    config::{CloudCredential, Provider, Proxy, Secret},
    protocol::StreamEvent,
    verdict::{Ending, Timeline},
};

/// Shortest text that counts as a secret; shorter ones would blank out ordinary words.
const MIN_SECRET_BYTES: usize = 4;

/// Shortest beginning of a secret that is taken out of the end of a text: public prefixes (`sk-`) are shorter.
const MIN_CUT_BYTES: usize = 8;

/// Parts of the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 5] = ["auth", "key", "token", "secret", "cookie"];

/// The secrets of one provider: its credential and what was made from it, what stands in its URL's query and password,
/// what its proxy is told, and the values of its own headers that are named like a secret.
pub(super) struct Scrub {
    secrets: Vec<Secret>,
}

impl Scrub {
    /// The secrets of that provider.
    pub(super) fn new(provider: &Provider) -> Self {
        let mut scrub = Self { secrets: Vec::new() };
        scrub.add(provider.key.iter().cloned());
        scrub.add(provider.cloud.iter().flat_map(cloud_secrets));
        scrub.add(url_secrets(&provider.base_url));
        scrub.add(proxy_secrets(&provider.egress.proxy));
        scrub.add(header_secrets(&provider.headers));
        scrub
    }

    /// The secrets of a call: the values of its headers that are marked as sensitive, fetched tokens and signatures
    /// among them.
    pub(super) fn add_sent(&mut self, headers: &HeaderMap) {
        let values = headers.values().filter(|value| value.is_sensitive());
        let texts = values.filter_map(|value| value.to_str().ok());
        self.add(texts.flat_map(sent_secrets));
    }

    fn add(&mut self, secrets: impl IntoIterator<Item = Secret>) {
        for secret in secrets {
            if secret.expose().len() >= MIN_SECRET_BYTES && !self.secrets.contains(&secret) {
                self.secrets.push(secret);
            }
        }
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

/// What a cloud credential holds that must not be shown.
fn cloud_secrets(cloud: &CloudCredential) -> Vec<Secret> {
    match cloud {
        CloudCredential::AwsKeys {
            access_key_id,
            secret_access_key,
            session_token,
        } => [
            Some(access_key_id),
            Some(secret_access_key),
            session_token.as_ref(),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect(),
        CloudCredential::GoogleServiceAccount(file) => file_secrets(file.expose()),
        CloudCredential::AwsAmbient | CloudCredential::GoogleMetadata => Vec::new(),
    }
}

/// The secret members of a Google credential file; of a key every line, because it may be told in either form.
fn file_secrets(file: &str) -> Vec<Secret> {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(file) else {
        return vec![Secret::new(file)];
    };
    let members = ["private_key", "private_key_id", "client_secret", "refresh_token"];
    members
        .into_iter()
        .filter_map(|name| json.get(name)?.as_str())
        .flat_map(str::lines)
        .map(Secret::new)
        .collect()
}

/// The secrets in a header value that was sent: what follows a scheme, and of a signature its own value and key id.
fn sent_secrets(value: &str) -> Vec<Secret> {
    let Some((scheme, rest)) = value.split_once(' ') else {
        return vec![Secret::new(value)];
    };
    if !scheme.starts_with("AWS4-") {
        return vec![Secret::new(rest)];
    }
    let parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
    parts
        .filter_map(|(name, value)| match name {
            "Credential" => value.split('/').next(),
            "Signature" => Some(value),
            _ => None,
        })
        .map(Secret::new)
        .collect()
}

fn url_secrets(url: &Url) -> Vec<Secret> {
    let values = url.query_pairs().map(|(_, value)| Secret::new(&value));
    values.chain(url.password().map(Secret::new)).collect()
}

/// The password, and both in the form in which they are sent.
fn proxy_secrets(proxy: &Proxy) -> Vec<Secret> {
    let Proxy::Through(server) = proxy else {
        return Vec::new();
    };
    let login = server
        .login
        .as_ref()
        .and_then(|login| login.expose().split_once(':'));
    let password = login.map(|(_, password)| Secret::new(password));
    let sent = server.authorization();
    let sent = sent.as_ref().and_then(|value| value.to_str().ok());
    sent.into_iter().flat_map(sent_secrets).chain(password).collect()
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
