//! Where a provider is reached, and the headers that go there.

use std::{collections::BTreeMap, net::IpAddr};

use toml::Spanned;
use url::{Host, Url};

use super::{error::Diagnostic, preset::Preset, resolve::Resolver};

/// Most headers of one provider.
pub const MAX_HEADERS: usize = 32;
/// Longest header value in bytes.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// Headers that carry credentials: those belong into `api_key`, where they are redacted.
const CREDENTIAL_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "cookie",
];
/// Headers that the HTTP client owns.
const OWNED_HEADERS: [&str; 5] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
];

impl Resolver<'_> {
    /// The file's URL, else the preset's.
    pub(super) fn base_url(
        &mut self,
        text: Option<&Spanned<String>>,
        preset: &Preset,
        here: &Spanned<()>,
    ) -> Option<Url> {
        let Some(text) = text else {
            if preset.base_url.is_none() {
                let help = "add base_url, with its version path: base_url = \"http://127.0.0.1:8000/v1\"";
                self.error(here, format!("preset {} needs a base_url", preset.name), help);
            }
            return preset.base_url.as_ref().map(trimmed);
        };
        let help = "write it as in \"https://api.example.com/v1\"";
        let url = match Url::parse(text.get_ref()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.error(text, "base_url is not an http or https URL", help);
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            let place = self.place(text);
            let finding = Diagnostic::error("base_url holds a credential or a query");
            self.report.push(
                finding
                    .at(place)
                    .hiding()
                    .help("put the credential into api_key; a URL ends up in logs"),
            );
            return None;
        }
        if url.fragment().is_some() {
            self.error(text, "base_url holds a fragment", help);
            return None;
        }
        if url.scheme() == "http" && !is_private(&url) {
            let place = self.place(text);
            let message = format!("base_url of {} is unencrypted http to a public host", preset.name);
            self.report.push(
                Diagnostic::warning(message)
                    .at(place)
                    .help("the credential travels in the clear; use https"),
            );
        }
        Some(trimmed(&url))
    }

    /// The preset's headers and the file's over them, names in lower case.
    pub(super) fn headers(
        &mut self,
        file: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
        preset: &Preset,
    ) -> Vec<(String, String)> {
        let mut headers = preset.headers.clone();
        let file = file.unwrap_or_default();
        if let Some((extra, _)) = file.iter().nth(MAX_HEADERS) {
            self.error(
                extra,
                format!("more than {MAX_HEADERS} headers"),
                "probes need few",
            );
        }
        for (name, value) in file {
            let lower = name.get_ref().to_ascii_lowercase();
            let place = self.place(&name);
            let mut refuse = |message: &str, help: &str| {
                self.report
                    .push(Diagnostic::error(message).at(place.clone()).hiding().help(help));
            };
            if CREDENTIAL_HEADERS.contains(&lower.as_str()) {
                refuse(
                    "a header carries a credential",
                    "put it into api_key, where it is never shown",
                );
            } else if OWNED_HEADERS.contains(&lower.as_str()) {
                refuse("this header is set by the HTTP client", "take it out");
            } else if lower.parse::<http::HeaderName>().is_err()
                || http::HeaderValue::from_str(value.get_ref()).is_err()
                || value.get_ref().len() > MAX_HEADER_BYTES
            {
                refuse(
                    "this is no valid HTTP header",
                    "a name of letters, digits and `-`, one line of ASCII as value",
                );
            } else {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&lower));
                headers.push((lower, value.into_inner()));
            }
        }
        headers
    }
}

/// Without trailing slash, as far as a URL can be.
pub(super) fn trimmed(url: &Url) -> Url {
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}

/// Whether the host is this machine or on a private network, by its address or its name.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.ends_with(".internal")
                || !name.contains('.')
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => {
            let v4 = ip.to_ipv4_mapped().map(IpAddr::V4);
            ip.is_loopback() || ip.is_unique_local() || v4.is_some_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}
