//! Where a channel lies and what it is let in by: URLs, headers, keys. Pure but for the secrets that are read.

use toml::Spanned;
use url::{Host, Url};

use super::{
    Realm,
    file::{ChannelFile, Word},
    realm,
    resolve::Entry,
};
use crate::config::{MAX_HEADERS, Secret, error::Diagnostic, file::SecretRef, key, resolve::Resolver};

/// Headers that are ours to set.
const OWNED_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

impl Resolver<'_> {
    /// The URL of a webhook, which is a secret.
    pub(super) fn hook(&mut self, entry: &Entry<'_>, kind: &str, allow_private: bool) -> Option<Secret> {
        let Some(word) = &entry.get_ref().url else {
            let message = format!("a {kind} channel needs a url");
            self.lacking(entry, &message, "add url = { env = \"ONCALL_URL\" }");
            return None;
        };
        let Word::Ref(reference) = word.get_ref() else {
            let help = "whoever has a webhook's URL may post there: write url = { env = \"NAME\" }, \
                        { file = \"PATH\" } or { credential = \"NAME\" }; if this file was shared, replace the webhook";
            let finding = Diagnostic::error("the URL of a webhook must not stand in the file");
            self.report.push(finding.at(self.place(word)).hiding().help(help));
            return None;
        };
        let here = Spanned::new(word.span(), reference.clone());
        let secret = self.named(&here, key::read)?;
        self.checked_url(secret.expose(), word, "the URL", allow_private)?;
        Some(secret)
    }

    /// A server's address that is no secret, or the default.
    pub(super) fn server_url(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        default: Option<&str>,
        allow_private: bool,
    ) -> Option<Url> {
        match &entry.get_ref().url {
            None => {
                if let Some(default) = default {
                    return Url::parse(default).ok();
                }
                let message = format!("a {kind} channel needs a url");
                self.lacking(
                    entry,
                    &message,
                    "add url = \"http://127.0.0.1:9093\", the server's address",
                );
                None
            }
            Some(word) => {
                let text = match word.get_ref() {
                    Word::Text(text) => text.clone(),
                    Word::Ref(reference) => {
                        let here = Spanned::new(word.span(), reference.clone());
                        self.named(&here, key::read)?.expose().to_owned()
                    }
                };
                let url = self.checked_url(&text, word, "url", allow_private)?;
                if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
                    let finding = Diagnostic::error("url holds a credential or a query");
                    let help = "write the server's plain address; credentials have keys of their own";
                    self.report.push(finding.at(self.place(word)).hiding().help(help));
                    return None;
                }
                Some(url)
            }
        }
    }

    /// No message tells the URL itself: it may be a secret.
    fn checked_url<T>(
        &mut self,
        text: &str,
        here: &Spanned<T>,
        what: &str,
        allow_private: bool,
    ) -> Option<Url> {
        let refuse = |this: &mut Self, message: String, help: &str| {
            let finding = Diagnostic::error(message).at(this.place(here));
            this.report.push(finding.hiding().help(help));
            None
        };
        let parsed = Url::parse(text).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = parsed.filter(|url| url.fragment().is_none()) else {
            return refuse(
                self,
                format!("{what} is no http or https URL"),
                "write it as in \"https://hooks.example.com/..\"",
            );
        };
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        let private = "for a server on this machine or in your own network, add allow_private = true";
        match address.map(realm) {
            Some(Realm::Nowhere) => {
                return refuse(
                    self,
                    format!("{what} leads to an address that no server of yours has"),
                    "link-local addresses, those of metadata services and reserved ones are never spoken to",
                );
            }
            Some(Realm::Private) if !allow_private => {
                return refuse(self, format!("{what} leads to a private address"), private);
            }
            _ => {}
        }
        if url.scheme() == "http" && !allow_private {
            return refuse(
                self,
                format!("{what} is unencrypted http"),
                "use https; for a server on this machine or in your own network, add allow_private = true",
            );
        }
        Some(url)
    }

    pub(super) fn channel_headers(&mut self, file: &ChannelFile) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for (number, (name, reference)) in file.headers.iter().flat_map(Spanned::get_ref).enumerate() {
            let lower = name.get_ref().to_ascii_lowercase();
            if number == MAX_HEADERS {
                self.error(name, format!("more than {MAX_HEADERS} headers"), "one or two do");
                break;
            }
            if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
                self.error(
                    name,
                    "that is no name of a header",
                    "write it as in \"authorization\"",
                );
            } else if OWNED_HEADERS.contains(&lower.as_str()) {
                self.error(name, "this header is ours to set", "take it out");
            } else if let Some(secret) = self.named(reference, key::read_line) {
                headers.push((lower, secret));
            }
        }
        headers
    }

    /// A reference that a type can't do without.
    pub(super) fn must(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        key: &str,
        value: Option<&Spanned<SecretRef>>,
    ) -> Option<Secret> {
        if let Some(reference) = value {
            return self.named(reference, key::read);
        }
        let message = format!("a {kind} channel needs {key}");
        self.lacking(entry, &message, &format!("add {key} = {{ env = \"NAME\" }}"));
        None
    }

    /// A text or a reference that a type can't do without.
    pub(super) fn must_word(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        key: &str,
        value: Option<&Spanned<Word>>,
    ) -> Option<Secret> {
        match value {
            None => {
                let message = format!("a {kind} channel needs {key}");
                self.lacking(
                    entry,
                    &message,
                    &format!("add {key} = \"..\" or {{ env = \"NAME\" }}"),
                );
                None
            }
            Some(word) => self.word_value(word),
        }
    }

    pub(super) fn word_value(&mut self, word: &Spanned<Word>) -> Option<Secret> {
        match word.get_ref() {
            Word::Ref(reference) => self.named(&Spanned::new(word.span(), reference.clone()), key::read),
            Word::Text(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
                Some(Secret::new(text))
            }
            Word::Text(_) => {
                self.error(
                    word,
                    "that is not one word of visible ASCII characters",
                    "check the spelling",
                );
                None
            }
        }
    }
}
