//! Whatever AWS credential the machine offers, in the order of the AWS tools: environment, shared files, single sign-on,
//! web identity, container, instance. `credential_process` is not run: a monitor starts no program that a file names.

use std::{collections::HashMap, path::PathBuf, sync::OnceLock, time::Duration};

use bytes::{Bytes, BytesMut};
use reqsign_aws_core::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider, EnvCredentialProvider,
    IMDSv2CredentialProvider, ProfileCredentialProvider, SSOCredentialProvider,
};
use reqsign_core::{Context, Env, Error, FileRead, HttpSend, OsEnv, ProvideCredentialDyn};

use super::{FETCH_WAIT, REFUSAL_KEPT, chain, refused, sigv4::Keys};
use crate::{
    clock::{Clock, Timestamp},
    config::Secret,
    link::side_client,
    verdict::Fault,
};

/// Temporary keys are renewed this long before they end.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// Keys without an end are read again after this, so that a rotated file is noticed.
const READ_AGAIN: Duration = Duration::from_secs(300);

/// Longest file and longest answer that are read, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Longest wait for one answer of a credential endpoint: they are on the machine or near.
const ANSWER_WAIT: Duration = Duration::from_secs(4);

/// One place where keys may be.
type Source = Box<dyn ProvideCredentialDyn<Credential = Credential>>;

/// Keeps the keys of the machine.
#[derive(Debug)]
pub(super) struct Ambient {
    clock: Clock,
    context: Context,
    sources: Vec<Source>,
    kept: tokio::sync::Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Option<Keys>,
    /// When the keys end; `None`: they don't say.
    end: Option<Timestamp>,
    /// From when on the machine is asked again, as [`Clock::mono`].
    ask_at: Duration,
    refusal: Option<Fault>,
}

impl Kept {
    /// The keys, unless they have ended.
    fn good(&self, now: Timestamp) -> Option<&Keys> {
        self.keys
            .as_ref()
            .filter(|_| self.end.is_none_or(|end| now < end))
    }
}

impl Ambient {
    pub(super) fn new(clock: Clock) -> Self {
        let context = Context::new()
            .with_env(Variables)
            .with_file_read(Files)
            .with_http_send(Web::default());
        Self::with_context(clock, context)
    }

    /// In those surroundings.
    pub(super) fn with_context(clock: Clock, context: Context) -> Self {
        Self {
            clock,
            context,
            sources: vec![
                Box::new(EnvCredentialProvider::new()),
                Box::new(ProfileCredentialProvider::default()),
                Box::new(SSOCredentialProvider::default()),
                Box::new(AssumeRoleWithWebIdentityCredentialProvider::default()),
                Box::new(ECSCredentialProvider::default()),
                Box::new(IMDSv2CredentialProvider::default()),
            ],
            kept: tokio::sync::Mutex::default(),
        }
    }

    /// Keys that are good now. One fetch at a time; whoever comes meanwhile waits for it.
    pub(super) async fn keys(&self) -> Result<Keys, Fault> {
        let mut kept = self.kept.lock().await;
        if self.clock.mono() >= kept.ask_at {
            self.renew(&mut kept).await;
        }
        match (kept.good(self.clock.wall()), &kept.refusal) {
            (Some(keys), _) => Ok(keys.clone()),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Err(refused("the aws credential of this machine has ended")),
        }
    }

    async fn renew(&self, kept: &mut Kept) {
        let fetched = tokio::time::timeout(FETCH_WAIT, self.first()).await;
        let fault = match fetched {
            Ok(Ok(credential)) => return self.keep(kept, &credential),
            Ok(Err(fault)) => fault,
            Err(_) => refused(&format!("no aws credential within {} s", FETCH_WAIT.as_secs())),
        };
        kept.refusal = Some(fault);
        kept.ask_at = self.clock.mono() + REFUSAL_KEPT;
    }

    /// The first that has keys. A broken one does not hide those behind it, but is what is told where none has any.
    async fn first(&self) -> Result<Credential, Fault> {
        let mut broken = None;
        for source in &self.sources {
            match source.provide_credential_dyn(&self.context).await {
                Ok(Some(credential)) => return Ok(credential),
                Ok(None) => {}
                Err(error) => {
                    broken.get_or_insert(error);
                }
            }
        }
        let why = broken.map_or_else(String::new, |error| format!(": {}", chain(&error)));
        Err(refused(&format!("this machine offers no aws credential{why}")))
    }

    fn keep(&self, kept: &mut Kept, credential: &Credential) {
        let end = credential
            .expires_in
            .map(|end| Timestamp::from_millis(end.as_second().saturating_mul(1_000)));
        let lasts = end.map_or(READ_AGAIN, |end| {
            // An instance hands out the same keys until shortly before their end: ask seldom even then.
            let left = end.since(self.clock.wall());
            left.saturating_sub(RENEW_BEFORE).max(REFUSAL_KEPT)
        });
        *kept = Kept {
            keys: Some(Keys {
                access_key_id: Secret::new(&credential.access_key_id),
                secret_access_key: Secret::new(&credential.secret_access_key),
                session_token: credential.session_token.as_deref().map(Secret::new),
            }),
            end,
            ask_at: self.clock.mono() + lasts,
            refusal: None,
        };
    }
}

/// The environment, without what is no text: the library's own reader panics over that.
#[derive(Debug)]
struct Variables;

impl Env for Variables {
    fn var(&self, key: &str) -> Option<String> {
        std::env::var(key).ok()
    }

    fn vars(&self) -> HashMap<String, String> {
        let texts = std::env::vars_os().map(|(key, value)| (key.into_string(), value.into_string()));
        texts
            .filter_map(|(key, value)| key.ok().zip(value.ok()))
            .collect()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        OsEnv.home_dir()
    }
}

/// Files, up to [`MAX_BYTES`].
#[derive(Debug)]
pub(super) struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await;
        read.unwrap_or_else(|_| Err(std::io::Error::other("reading was given up")))
            .map_err(|error| Error::unexpected("file not read").with_source(error))
    }
}

fn read_bounded(path: &str) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(std::io::Error::other("longer than any credential file"));
    }
    Ok(bytes)
}

/// Our own HTTP client. What is asked in plain HTTP is on this machine or its link, where no proxy stands.
#[derive(Debug, Default)]
pub(super) struct Web {
    direct: OnceLock<reqwest::Client>,
    proxied: OnceLock<reqwest::Client>,
}

impl Web {
    fn client(&self, is_direct: bool) -> reqsign_core::Result<reqwest::Client> {
        let place = if is_direct { &self.direct } else { &self.proxied };
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        let client = side_client(!is_direct)
            .map_err(|error| Error::unexpected("no http client").with_source(error))?;
        Ok(place.get_or_init(|| client).clone())
    }
}

impl HttpSend for Web {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let failed = |error: reqwest::Error| Error::unexpected("no answer").with_source(error.without_url());
        let client = self.client(request.uri().scheme_str() != Some("https"))?;
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(ANSWER_WAIT);
        let mut answer = client.execute(request).await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(Error::unexpected("an answer longer than any credential"));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}
