//! Who is told what, and when.

use url::Url;

use super::Secret;

/// Alerts, checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alerts {
    /// Where people reach the status page: the links of messages lead there.
    pub public_url: Option<Url>,
    /// Channels in file order.
    pub channels: Vec<Channel>,
    /// Rules in file order.
    pub rules: Vec<AlertRule>,
}

/// A way to people.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its name, unique.
    pub name: String,
    /// How it is spoken to.
    pub way: Way,
}

/// How a channel is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// HTTP POST, signed as Standard Webhooks asks.
    Webhook {
        /// Where to.
        url: Secret,
        /// What it is signed with.
        secret: Option<Secret>,
    },
}

/// What is told to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name, unique.
    pub name: String,
    /// Names of channels.
    pub channels: Vec<String>,
}
