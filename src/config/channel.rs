//! `[[channel]]`: the ways to people (docs/channels.md). Webhook URLs and tokens are secrets and stand in the file as
//! references only; the address of a server that nobody is let in by is no secret and stands there as it is.

use std::time::Duration;

use lettre::message::Mailbox;
use url::Url;

use super::{AlertSeverity, Quiet, Secret};

mod address;
mod file;
mod mail;
mod realm;
mod resolve;
mod template;
mod ways;

pub(super) use file::ChannelFile;
pub use mail::MAX_RECIPIENTS;
pub use realm::{Realm, realm};
pub use template::{MAX_TEMPLATE_BYTES, MAX_TEMPLATED_BYTES, SAMPLE, Template, TemplateError};
pub use ways::{MAX_ARGUMENTS, SIGNING_KEY_BYTES, signing_key};

/// Most channels of a configuration.
pub const MAX_CHANNELS: usize = 64;
/// How long one try may take at least and at most.
pub const CHANNEL_TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// How long one try may take where nobody says.
pub const CHANNEL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Shortest and longest interval at which an Alertmanager is told again that an alarm goes on.
pub const REPEAT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3_600));
/// That interval where nobody says: Prometheus tells every minute, and a day has room for it.
pub const REPEAT_DEFAULT: Duration = Duration::from_secs(60);

/// A way to people.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name, unique.
    pub name: String,
    /// How it is spoken to.
    pub way: Way,
    /// Whether it may lie on this machine or in a private network.
    pub allow_private: bool,
    /// How long one try may take, answer included.
    pub timeout: Duration,
    /// When it is left alone.
    pub quiet: Vec<Quiet>,
    /// What is less urgent is not told there.
    pub min_severity: AlertSeverity,
}

impl Channel {
    /// A channel that is told everything at any hour.
    pub fn new(name: &str, way: Way) -> Self {
        Self {
            name: name.to_owned(),
            way,
            allow_private: false,
            timeout: CHANNEL_TIMEOUT_DEFAULT,
            quiet: Vec::new(),
            min_severity: AlertSeverity::Info,
        }
    }

    /// How often it wants to hear that an alarm goes on, whatever the rule says of reminders; `None`: never.
    pub const fn repeat_every(&self) -> Option<Duration> {
        match &self.way {
            Way::Alertmanager(to) => Some(to.repeat),
            _ => None,
        }
    }
}

/// How a channel is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// HTTP POST, signed as Standard Webhooks asks.
    Webhook(Webhook),
    /// An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat).
    Slack {
        /// Where to; whoever has it may post.
        url: Secret,
    },
    /// A webhook of a Discord channel.
    Discord {
        /// Where to; whoever has it may post.
        url: Secret,
    },
    /// A workflow of Microsoft Teams that waits for a webhook request.
    Teams {
        /// Where to; whoever has it may post.
        url: Secret,
    },
    /// Events API v2 of `PagerDuty`.
    PagerDuty {
        /// The service's integration.
        routing_key: Secret,
        /// Where events are enqueued.
        url: Url,
    },
    /// Alerts of Jira Service Management.
    Jsm {
        /// The integration's key.
        api_key: Secret,
        /// Where alerts are made.
        url: Url,
    },
    /// An ntfy server.
    Ntfy(Ntfy),
    /// A bot of Telegram.
    Telegram {
        /// The bot's token.
        token: Secret,
        /// Id of the chat, or `@name` of a channel.
        chat: String,
        /// Topic of a forum.
        thread: Option<i64>,
        /// Where the API is.
        url: Url,
    },
    /// Mail.
    Email(Box<Email>),
    /// Prometheus' Alertmanager, API v2.
    Alertmanager(Alertmanager),
    /// An Apprise API server.
    Apprise(Apprise),
    /// A program of this machine.
    Command(Command),
    /// The desktop that the daemon runs on.
    Desktop,
}

impl Way {
    /// The type's name in the configuration.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack { .. } => "slack",
            Self::Discord { .. } => "discord",
            Self::Teams { .. } => "teams",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Jsm { .. } => "jsm",
            Self::Ntfy(_) => "ntfy",
            Self::Telegram { .. } => "telegram",
            Self::Email(_) => "email",
            Self::Alertmanager(_) => "alertmanager",
            Self::Apprise(_) => "apprise",
            Self::Command(_) => "command",
            Self::Desktop => "desktop",
        }
    }
}

/// A webhook of one's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where to.
    pub url: Secret,
    /// `whsec_..`: what it is signed with, each giving a signature, so that one can be replaced while both hold.
    pub secrets: Vec<Secret>,
    /// What stands in the body.
    pub body: WebhookBody,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Secret)>,
}

/// What stands in the body of a webhook.
#[derive(Debug, Clone, PartialEq)]
pub enum WebhookBody {
    /// A `CloudEvents` envelope whose data is the message.
    CloudEvents,
    /// The message as JSON.
    Json,
    /// What this template makes of the message.
    Template {
        /// It.
        template: Template,
        /// The content type that it is sent as.
        content_type: String,
    },
}

/// An ntfy server.
#[derive(Debug, Clone, PartialEq)]
pub struct Ntfy {
    /// The server.
    pub url: Url,
    /// The topic. On a server that asks nobody who they are, whoever knows it may read.
    pub topic: Secret,
    /// An access token.
    pub token: Option<Secret>,
}

/// Mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Email {
    /// Name or address of the SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// Who we are, where the server asks.
    pub login: Option<(Secret, Secret)>,
    /// Sender.
    pub from: Mailbox,
    /// Recipients.
    pub to: Vec<Mailbox>,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailTls {
    /// Plain at first, encrypted before anything is told; a server that cannot is refused.
    #[default]
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all: for a relay on this machine.
    None,
}

/// Prometheus' Alertmanager.
#[derive(Debug, Clone, PartialEq)]
pub struct Alertmanager {
    /// The server, path prefix included.
    pub url: Url,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// How often it wants to be told that an alarm goes on. It takes what it isn't told again for over.
    pub repeat: Duration,
}

/// An Apprise API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Apprise {
    /// The server, path prefix included.
    pub url: Url,
    /// To whom.
    pub to: AppriseTo,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Secret)>,
}

/// To whom an Apprise API server is to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum AppriseTo {
    /// To those whom it keeps under this key.
    Key {
        /// The key.
        key: Secret,
        /// Only those with this tag.
        tag: Option<String>,
    },
    /// To these Apprise URLs, comma-separated.
    Urls(Secret),
}

/// A program of this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The program's absolute path, then its arguments as they are; no shell reads them.
    pub argv: Vec<String>,
    /// Environment variables beside ours.
    pub env: Vec<(String, Secret)>,
}

#[cfg(test)]
mod tests;
