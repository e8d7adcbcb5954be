//! What a client is told before it begins.

use std::sync::Arc;

use tokio::runtime::Handle;
use url::Url;

use super::{
    follow::{Patience, Source},
    handle::Client,
    keep::{Shared, State},
    routes::Asked,
};
use crate::{
    clock::Clock,
    config::{MAX_ROUTE_NAME_BYTES, Secret},
    feed::{Filter, FilterError, v1::FRESH_FOR},
    link::{ClientError, Shipper, http_client},
};

/// Longest name of a reporter, in bytes: what a daemon takes.
const MAX_REPORTER_BYTES: usize = 128;
/// Most routes of which copies are kept; each holds a connection.
pub const MAX_ROUTES: usize = 16;
/// The name of whoever gives none.
const NAMELESS: &str = "endturn-client";

/// Why there is no client. Each is a mistake in the program or its settings, none goes away by trying again; that no
/// daemon answers is no error.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not an address of a daemon.
    #[error("{0:?} is no address of a daemon, write it as http://127.0.0.1:7411")]
    Url(String),
    /// The token holds characters that a header can't carry.
    #[error("the token holds characters that a header can't carry")]
    Token,
    /// The patterns of targets are none.
    #[error("{0}")]
    Targets(#[from] FilterError),
    /// The reporter's name is empty, too long or holds control characters.
    #[error("a reporter's name has 1 to {MAX_REPORTER_BYTES} bytes without control characters")]
    Reporter,
    /// Not the name of a route, or too many of them.
    #[error(
        "a route's name has 1 to {MAX_ROUTE_NAME_BYTES} of the characters a-z, 0-9, '.', '_' and '-'; at most {MAX_ROUTES} are kept"
    )]
    Routes,
    /// There is no HTTP client.
    #[error("{0}")]
    Http(#[from] ClientError),
    /// Called outside a tokio runtime, where nothing can run in the background.
    #[error("a client is built inside a tokio runtime, which runs its tasks")]
    NoRuntime,
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    url: String,
    token: Option<Secret>,
    targets: Vec<String>,
    routes: Vec<String>,
    reporter: String,
    own_keys: bool,
    clock: Option<Clock>,
    patience: Patience,
}

impl Builder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: None,
            targets: Vec::new(),
            routes: Vec::new(),
            reporter: NAMELESS.to_owned(),
            own_keys: false,
            clock: None,
            patience: Patience::USUAL,
        }
    }

    /// The access token, where the daemon wants one (`[[server.token]]`).
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(Secret::new(token));
        self
    }

    /// Follows only these targets; `anthropic` or `*haiku*` stand for many. Others pass as unknown. Without this
    /// all are followed.
    pub fn targets<T: Into<String>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.targets = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Keeps copies of these routes of the daemon (`[[route]]`), at most [`MAX_ROUTES`], for
    /// [`Client::route`].
    pub fn routes<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.routes = names.into_iter().map(Into::into).collect();
        self
    }

    /// The name that reports are shown under, 1 to 128 bytes.
    pub fn reporter(mut self, name: &str) -> Self {
        name.clone_into(&mut self.reporter);
        self
    }

    /// This program's keys are not those that endturn probes with: that endturn's key is limited or refused somewhere
    /// (`throttle`, `blocked`) says nothing of them. Without this the keys are taken for the same.
    pub fn own_keys(mut self) -> Self {
        self.own_keys = true;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    #[cfg(test)]
    pub(super) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Begins to follow the daemon. Whether one answers shows later, in [`Client::status`].
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        if Handle::try_current().is_err() {
            return Err(BuildError::NoRuntime);
        }
        let base = match Url::parse(&self.url) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() =>
            {
                self.url.trim_end_matches('/').to_owned()
            }
            _ => return Err(BuildError::Url(self.url)),
        };
        let token = self.token.filter(|token| !token.expose().is_empty());
        let fits = |token: &Secret| token.expose().chars().all(|c| c.is_ascii_graphic());
        if !token.as_ref().is_none_or(fits) {
            return Err(BuildError::Token);
        }
        let reporter = self.reporter;
        if !(1..=MAX_REPORTER_BYTES).contains(&reporter.len()) || reporter.contains(char::is_control) {
            return Err(BuildError::Reporter);
        }
        let targets = (!self.targets.is_empty()).then(|| self.targets.join(","));
        if let Some(targets) = &targets {
            Filter::parse(targets)?;
        }
        let fits = |name: &String| {
            (1..=MAX_ROUTE_NAME_BYTES).contains(&name.len())
                // A path means something else by these.
                && ![".", ".."].contains(&name.as_str())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        if self.routes.len() > MAX_ROUTES || !self.routes.iter().all(fits) {
            return Err(BuildError::Routes);
        }
        let http = http_client()?;
        let clock = self.clock.unwrap_or_else(Clock::system);
        let shipper = Shipper::new(http.clone(), &base, token.clone(), &reporter);
        let shared = Arc::new(Shared::new(
            State::default(),
            clock.clone(),
            shipper,
            self.own_keys,
        ));
        let routes = Asked {
            http: http.clone(),
            base: base.clone(),
            token: token.clone(),
        };
        let source = Source {
            base,
            targets,
            token,
            http: Some(http),
            // What is older is not believed: what was missed meanwhile helps nobody.
            forget: Some((clock, FRESH_FOR)),
        };
        Ok(Client::start(shared, source, self.routes, &routes, self.patience))
    }
}
