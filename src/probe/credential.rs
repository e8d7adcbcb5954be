//! Credentials that are made for each request, or fetched before it: AWS signatures and Google access tokens.
//!
//! All of it happens before the exchange begins, so that no fetch counts into a phase of the probe. What goes wrong here
//! is our own affair: a fault of class `auth` before anything was sent, never evidence against the provider.

mod ambient;
mod google;
mod sigv4;

use std::time::Duration;

use http::{HeaderValue, header::AUTHORIZATION};

use super::Call;
use crate::{
    clock::Clock,
    config::{Auth, CloudCredential, Provider},
    protocol::{ErrorClass, MAX_MESSAGE_BYTES},
    verdict::Fault,
};

/// Longest wait for a credential before the probe is given up.
const FETCH_WAIT: Duration = Duration::from_secs(10);

/// After a refusal nobody is asked again for this long: every probe of every target would ask.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

/// Makes and keeps the credentials of a process.
#[derive(Debug)]
pub(super) struct Credentials {
    clock: Clock,
    google: google::Tokens,
    ambient: ambient::Ambient,
}

impl Credentials {
    /// Nothing is read or fetched before the first request needs it.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            google: google::Tokens::new(clock.clone()),
            ambient: ambient::Ambient::new(clock.clone()),
            clock,
        }
    }

    /// The call with what its provider asks for beyond a header of its own; unchanged where there is nothing to make it
    /// from.
    pub(super) async fn authorise(&self, provider: &Provider, mut call: Call) -> Result<Call, Fault> {
        let Some(cloud) = &provider.cloud else {
            return Ok(call);
        };
        match (&provider.auth, cloud) {
            (Auth::None | Auth::Bearer | Auth::Header(_), _) => {}
            (
                Auth::SigV4 { region, service },
                CloudCredential::AwsKeys { .. } | CloudCredential::AwsAmbient,
            ) => {
                let keys = self.aws_keys(cloud).await?;
                sigv4::sign(&mut call, keys, region, service, self.clock.wall())?;
            }
            (
                Auth::GoogleToken,
                CloudCredential::GoogleServiceAccount(_) | CloudCredential::GoogleMetadata,
            ) => {
                let token = self.google.token(&provider.id, cloud).await?;
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                    .map_err(|_| refused("the access token holds a character that http forbids"))?;
                value.set_sensitive(true);
                call.headers.insert(AUTHORIZATION, value);
            }
            (Auth::SigV4 { .. } | Auth::GoogleToken, _) => {
                return Err(refused("the credential is another cloud's"));
            }
        }
        Ok(call)
    }

    async fn aws_keys(&self, cloud: &CloudCredential) -> Result<sigv4::Keys, Fault> {
        match cloud {
            CloudCredential::AwsKeys {
                access_key_id,
                secret_access_key,
                session_token,
            } => Ok(sigv4::Keys {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: session_token.clone(),
            }),
            CloudCredential::AwsAmbient => self.ambient.keys().await,
            CloudCredential::GoogleServiceAccount(_) | CloudCredential::GoogleMetadata => {
                Err(refused("the credential is another cloud's"))
            }
        }
    }
}

/// A credential that we don't have: nobody's outage.
fn refused(detail: &str) -> Fault {
    let end = detail.floor_char_boundary(MAX_MESSAGE_BYTES);
    Fault {
        class: ErrorClass::Auth,
        detail: detail[..end].to_owned(),
    }
}

/// An error with what caused it, innermost last, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).fold(String::new(), |mut text, error| {
        let words = error.to_string();
        if !text.contains(&words) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&words);
        }
        text
    })
}

#[cfg(test)]
mod tests;
