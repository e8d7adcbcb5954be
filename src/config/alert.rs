//! Who is told what, and when.

use url::Url;

use super::Channel;

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

/// What is told to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name, unique.
    pub name: String,
    /// Names of channels.
    pub channels: Vec<String>,
}
