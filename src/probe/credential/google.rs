//! Google access tokens of scope `cloud-platform`.
//!
//! A service account signs its tokens itself, with the private key of its file; no token endpoint is asked. The file of
//! a user asks the one that it names, and a Google machine its metadata server (`GCE_METADATA_HOST` names another). The
//! library keeps a token until four minutes before its end and fetches the next one in the background.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use google_cloud_auth::{
    build_errors::Error as BuildError,
    credentials::{AccessTokenCredentials, mds, service_account, user_account},
};
use serde_json::Value;

use super::{FETCH_WAIT, REFUSAL_KEPT, chain, refused};
use crate::{
    clock::Clock,
    config::{CloudCredential, Secret},
    id::ProviderId,
    verdict::Fault,
};

/// What the tokens are good for. Vertex AI takes no narrower one.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One source of tokens for each provider.
#[derive(Debug)]
pub(super) struct Tokens {
    clock: Clock,
    /// The metadata server, where it isn't the machine's.
    metadata: Option<String>,
    sources: Mutex<HashMap<ProviderId, Source>>,
}

/// A source and what it was made from: a reload may bring another credential.
#[derive(Debug)]
struct Source {
    credential: CloudCredential,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Fetches, keeps and renews.
    Open(AccessTokenCredentials),
    /// Will not come right by itself; tried anew from then on, as [`Clock::mono`].
    Refused { fault: Fault, until: Duration },
}

impl Tokens {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            metadata: None,
            sources: Mutex::default(),
        }
    }

    /// With the metadata server at that base URL.
    #[cfg(test)]
    pub(super) fn with_metadata(clock: Clock, metadata: String) -> Self {
        Self {
            metadata: Some(metadata),
            ..Self::new(clock)
        }
    }

    /// A token that is good for minutes at least.
    pub(super) async fn token(&self, id: &ProviderId, credential: &CloudCredential) -> Result<Secret, Fault> {
        let source = self.open(id, credential)?;
        let fetched = tokio::time::timeout(FETCH_WAIT, source.access_token()).await;
        let error = match fetched {
            Ok(Ok(token)) => return Ok(Secret::new(&token.token)),
            Ok(Err(error)) => error,
            Err(_) => {
                let wait = FETCH_WAIT.as_secs();
                return Err(refused(&format!("no google access token within {wait} s")));
            }
        };
        let fault = refused(&format!("no google access token: {}", chain(&error)));
        // After these the library tries again by itself.
        if !error.is_transient() {
            self.close(id, credential, fault.clone());
        }
        Err(fault)
    }

    fn open(&self, id: &ProviderId, credential: &CloudCredential) -> Result<AccessTokenCredentials, Fault> {
        let mut sources = self.lock();
        let now = self.clock.mono();
        let known = sources.get(id).filter(|source| source.credential == *credential);
        match known.map(|source| source.state.clone()) {
            Some(State::Open(open)) => return Ok(open),
            Some(State::Refused { fault, until }) if now < until => return Err(fault),
            _ => {}
        }
        let made = make(credential, self.metadata.as_deref());
        let state = match &made {
            Ok(open) => State::Open(open.clone()),
            Err(fault) => State::Refused {
                fault: fault.clone(),
                until: now + REFUSAL_KEPT,
            },
        };
        let credential = credential.clone();
        sources.insert(id.clone(), Source { credential, state });
        made
    }

    fn close(&self, id: &ProviderId, credential: &CloudCredential, fault: Fault) {
        let until = self.clock.mono() + REFUSAL_KEPT;
        let mut sources = self.lock();
        if let Some(source) = sources.get_mut(id)
            && source.credential == *credential
            && matches!(source.state, State::Open(_))
        {
            source.state = State::Refused { fault, until };
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderId, Source>> {
        // One source per provider: whole even if another holder panicked.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds a source. Nothing is fetched yet, but the library begins to right away.
fn make(credential: &CloudCredential, metadata: Option<&str>) -> Result<AccessTokenCredentials, Fault> {
    // The library signs and connects with the process's default. Where one is set already, it is ring too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // It also takes for granted that a default client can be built, which fails on a machine without roots.
    if let Err(error) = reqwest::Client::builder().build() {
        return Err(refused(&format!("no google access token: {}", chain(&error))));
    }
    let built = match credential {
        CloudCredential::GoogleMetadata => {
            let builder = mds::Builder::default().with_scopes([SCOPE]);
            let builder = metadata.into_iter().fold(builder, mds::Builder::with_endpoint);
            builder.build_access_token_credentials()
        }
        CloudCredential::GoogleServiceAccount(file) => from_file(file)?,
        CloudCredential::AwsKeys { .. } | CloudCredential::AwsAmbient => {
            return Err(refused("the credential is another cloud's"));
        }
    };
    built.map_err(|error| refused(&format!("google credential: {}", chain(&error))))
}

/// From the JSON of a key or of a user's login.
fn from_file(file: &Secret) -> Result<Result<AccessTokenCredentials, BuildError>, Fault> {
    // What serde says about broken JSON may quote it.
    let json: Value = serde_json::from_str(file.expose()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        refused(&format!(
            "google credential: not JSON from line {line} column {column} on"
        ))
    })?;
    match json.get("type").and_then(Value::as_str) {
        Some("service_account") => {
            let access = service_account::AccessSpecifier::from_scopes([SCOPE]);
            let builder = service_account::Builder::new(json).with_access_specifier(access);
            Ok(builder.build_access_token_credentials())
        }
        Some("authorized_user") => {
            let builder = user_account::Builder::new(json).with_scopes([SCOPE]);
            Ok(builder.build_access_token_credentials())
        }
        _ => Err(refused(
            "google credential: its type is neither service_account nor authorized_user",
        )),
    }
}
