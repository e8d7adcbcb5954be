//! The ways to people: what a message becomes for each of them, and one try to deliver it (docs/channels.md).
//!
//! What is sent is made by pure functions, a file a type. A try is one request: no redirect is followed, nothing is
//! tried again, no proxy of the environment is used, and no address is connected to that was not looked at first.

use std::sync::Arc;

use rustls::ClientConfig;

use super::message::{Message, Outcome};
use crate::{
    clock::Timestamp,
    config::{Channel, Way},
    link::tls_config,
};

mod alertmanager;
mod apprise;
mod command;
#[cfg(feature = "desktop")]
mod desktop;
mod discord;
mod email;
mod guard;
mod jsm;
mod ntfy;
mod pagerduty;
mod post;
mod slack;
mod smtp;
mod starttls;
mod teams;
mod telegram;
mod webhook;

#[cfg(test)]
mod fixture;

pub use command::{EX_CONFIG, EX_DATAERR, EX_TEMPFAIL, EX_USAGE, MAX_OUTPUT_BYTES};
pub use guard::{Lookup, SystemLookup};
pub use post::{MAX_ANSWER_BYTES, MAX_WHY_BYTES};

use guard::Guard;
use post::{Http, Post};

/// What every carrier is made with. Cheap to clone.
#[derive(Clone)]
pub struct Means {
    tls: ClientConfig,
    lookup: Arc<dyn Lookup>,
}

/// Why a channel cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The TLS library refused its settings.
    #[error("tls settings: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refused its settings.
    #[error("http client: {0}")]
    Http(#[source] reqwest::Error),
}

impl Means {
    /// The system's name service and root certificates.
    ///
    /// # Errors
    /// The TLS library refuses its settings.
    pub fn system() -> Result<Self, CarrierError> {
        Ok(Self {
            tls: tls_config(&[])?,
            lookup: Arc::new(SystemLookup),
        })
    }

    /// The same with another name service.
    #[must_use]
    pub fn with_lookup(mut self, lookup: Arc<dyn Lookup>) -> Self {
        self.lookup = lookup;
        self
    }
}

/// Carries messages over one channel.
pub struct Carrier {
    channel: Channel,
    guard: Guard,
    http: Option<Http>,
    tls: ClientConfig,
    #[cfg(feature = "desktop")]
    screen: desktop::Screen,
}

impl Carrier {
    /// The way to that channel.
    ///
    /// # Errors
    /// There is no HTTP client with our settings.
    pub fn new(channel: &Channel, means: &Means) -> Result<Self, CarrierError> {
        let guard = Guard::new(Arc::clone(&means.lookup), channel.allow_private);
        let http = match &channel.way {
            Way::Email(_) | Way::Command(_) | Way::Desktop => None,
            _ => Some(Http::new(channel, means.tls.clone(), guard.clone())?),
        };
        Ok(Self {
            channel: channel.clone(),
            guard,
            http,
            tls: means.tls.clone(),
            #[cfg(feature = "desktop")]
            screen: desktop::Screen::default(),
        })
    }

    /// The channel that it carries to.
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// One try, within the channel's timeout. `now` stands in signatures and reads dates in answers.
    pub async fn deliver(&self, message: &Message, now: Timestamp) -> Outcome {
        let timeout = self.channel.timeout;
        match (&self.channel.way, &self.http) {
            (Way::Command(settings), _) => command::run(message, settings, timeout).await,
            #[cfg(feature = "desktop")]
            (Way::Desktop, _) => self.screen.deliver(message, timeout).await,
            (Way::Email(settings), _) => {
                let mail = match email::mail(message, settings) {
                    Ok(mail) => mail,
                    Err(why) => return Outcome::Refused { why },
                };
                smtp::send(&mail, settings, &self.guard, &self.tls, timeout).await
            }
            (way, Some(http)) => match post(way, message, now) {
                Ok(post) => http.send(post, way, now).await,
                Err(why) => Outcome::Refused { why },
            },
            (way, None) => Outcome::Refused {
                why: format!("this build has no way to a {}", way.as_str()),
            },
        }
    }
}

/// The request that tells a message.
fn post(way: &Way, message: &Message, now: Timestamp) -> Result<Post, String> {
    Ok(match way {
        Way::Webhook(settings) => webhook::post(message, settings, now)?,
        Way::Slack { url } => slack::post(message, url),
        Way::Discord { url } => discord::post(message, url),
        Way::Teams { url } => teams::post(message, url),
        Way::PagerDuty { routing_key, url } => pagerduty::post(message, routing_key, url),
        Way::Jsm { api_key, url } => jsm::post(message, api_key, url),
        Way::Ntfy(settings) => ntfy::post(message, settings),
        Way::Telegram {
            token,
            chat,
            thread,
            url,
        } => telegram::post(message, token, chat, *thread, url),
        Way::Alertmanager(settings) => alertmanager::post(message, settings, now),
        Way::Apprise(settings) => apprise::post(message, settings),
        Way::Email(_) | Way::Command(_) | Way::Desktop => {
            return Err(format!("a {} takes no request", way.as_str()));
        }
    })
}
