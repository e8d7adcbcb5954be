//! Where a request may go: below the base URL of a configured provider, and nowhere else.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme, Uri};

use crate::{
    config::{Egress, Provider, Proxy},
    id::ProviderId,
    protocol::Protocol,
};

/// How often a path is decoded in the search for dot segments: whoever packs deeper than this is turned away.
const MAX_DECODES: usize = 4;

/// Why a request goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No provider of that name.
    #[error("there is no provider {0:?} in the configuration; a path here begins with the id of one")]
    Provider(String),
    /// The path leads upwards, however it is written.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// The provider's base URL can't be spoken to.
    #[error("the base url of provider {0} is none that can be passed on to")]
    BaseUrl(ProviderId),
    /// The provider lies behind a proxy, and isn't spoken to by https.
    #[error(
        "provider {0} has a proxy, and the tap goes through one to https only: its base url is plain http"
    )]
    PlainProxy(ProviderId),
    /// It isn't a path on this server.
    #[error("only paths of this server are passed on: neither CONNECT nor an absolute url")]
    Form,
    /// The request names another host.
    #[error(
        "this server answers to localhost, 127.0.0.1, [::1] and allowed_hosts, not to the host of this request"
    )]
    Host,
}

/// A provider that traffic is passed on to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: ProviderId,
    pub(super) preset: String,
    pub(super) protocol: Protocol,
    pub(super) strict_terminal: bool,
    /// The way out to it.
    pub(super) egress: Egress,
    scheme: Scheme,
    authority: Authority,
    /// Segments of the base URL's path; of one that names the model, those before it.
    base: Vec<String>,
}

impl Place {
    /// What of the provider's entry counts here. Its credential does not.
    ///
    /// # Errors
    /// The base URL is none for HTTP.
    pub(super) fn new(provider: &Provider) -> Result<Self, Refusal> {
        let wrong = || Refusal::BaseUrl(provider.id.clone());
        let url = &provider.base_url;
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(wrong()),
        };
        let host = url.host_str().ok_or_else(wrong)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let names_model =
            |segment: &str| segment.contains('{') || segment.to_ascii_lowercase().contains("%7b");
        Ok(Self {
            id: provider.id.clone(),
            preset: provider.preset.clone(),
            protocol: provider.protocol,
            strict_terminal: provider.strict_terminal,
            egress: Egress {
                // What the environment says is for the probes.
                proxy: match &provider.egress.proxy {
                    Proxy::Environment | Proxy::Direct => Proxy::Direct,
                    through @ Proxy::Through(_) => through.clone(),
                },
                roots: Arc::clone(&provider.egress.roots),
            },
            scheme,
            authority: authority.parse().map_err(|_| wrong())?,
            base: url
                .path()
                .split('/')
                .filter(|segment| !segment.is_empty())
                .take_while(|segment| !names_model(segment))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// The path that stands for the base URL: the provider's id and the version, where the base URL ends with one.
    pub(super) fn base_path(&self) -> String {
        match self.base.last().filter(|last| is_version(last)) {
            Some(version) => format!("/{}/{version}", self.id),
            None => format!("/{}", self.id),
        }
    }

    /// What is asked: scheme, host and base path.
    pub(super) fn upstream(&self) -> String {
        let origin = format!("{}://{}", self.scheme, self.authority);
        self.base.iter().fold(origin, |url, segment| url + "/" + segment)
    }

    /// The provider's URL for what stands behind its id in a client's path: `rest` is empty or begins with a slash. A
    /// client's base URL may hold all of the provider's base path, its last segments, or none of it.
    ///
    /// # Errors
    /// The path would lead out of the base path, or nothing is passed on there at all.
    pub(super) fn url(&self, rest: &str, query: Option<&str>) -> Result<Uri, Refusal> {
        if climbs(rest) {
            return Err(Refusal::DotSegment);
        }
        if self.egress.proxy != Proxy::Direct && self.scheme != Scheme::HTTPS {
            return Err(Refusal::PlainProxy(self.id.clone()));
        }
        let mut path = String::new();
        for segment in &self.base[..self.missing(rest)] {
            path.push('/');
            path.push_str(segment);
        }
        path.push_str(rest);
        if path.is_empty() {
            path.push('/');
        }
        if let Some(query) = query {
            path.push('?');
            path.push_str(query);
        }
        let path = PathAndQuery::try_from(path).map_err(|_| Refusal::Form)?;
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| Refusal::Form)
    }

    /// How many of the base path's segments the client's path lacks: all but the longest tail that it begins with.
    fn missing(&self, rest: &str) -> usize {
        let begins = |tail: &[String]| {
            let mut have = rest.split('/').skip(1);
            tail.iter().all(|segment| have.next() == Some(segment))
        };
        (0..self.base.len())
            .find(|from| begins(&self.base[*from..]))
            .unwrap_or(self.base.len())
    }
}

/// The provider's id and the rest of a path that was asked for.
pub(super) fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_at(path.find('/').unwrap_or(path.len()))
}

/// `v1`, `v1beta`.
pub(super) fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether any reading of the path has a dot segment: as written, decoded, decoded again, with a backslash for a
/// slash, or with a parameter behind the dots.
fn climbs(path: &str) -> bool {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..MAX_DECODES {
        let dots = path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            name == b"." || name == b".."
        });
        if dots {
            return true;
        }
        let decoded: Vec<u8> = percent_encoding::percent_decode(&path).collect();
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    true
}

#[cfg(test)]
mod tests;
