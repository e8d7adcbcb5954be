//! Who is told what, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::Channel;
use crate::{
    health::{ChangeKind, State},
    id::Pattern,
};

mod file;

pub use file::{
    ALERT_AFTER, ALERT_GROUP_WAIT, ALERT_REMIND, MAX_ALERT_RULES, MAX_ALERT_TARGETS, STANDARD_RULE,
};
pub(super) use file::{AlertFile, AlertsFile};

/// How long a group gathers what begins together, unless said otherwise.
pub const GROUP_WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// How often a person is reminded, unless said otherwise.
pub const REMIND_DEFAULT: Duration = Duration::from_secs(4 * 3_600);

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
    /// Which targets; one of the patterns must match.
    pub targets: Vec<Pattern>,
    /// What is told.
    pub on: Vec<AlertOn>,
    /// How long it must have lasted: a state from the opening of the incident on, the rest from when it was first seen.
    pub after: Duration,
    /// Time between reminders while nobody has acknowledged; `None`: there are none.
    pub remind: Option<Duration>,
    /// How urgent; `None`: by what it is.
    pub severity: Option<AlertSeverity>,
    /// What is told together.
    pub group: AlertGroup,
    /// How long the first message of an alarm waits for what begins together.
    pub group_wait: Duration,
    /// Names of channels.
    pub channels: Vec<String>,
}

impl AlertRule {
    /// The rule that stands where the operator wrote none: what fails, and what makes endturn itself blind.
    pub fn standard(name: &str, channels: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            targets: vec![Pattern::any()],
            on: AlertOn::STANDARD.to_vec(),
            after: Duration::ZERO,
            remind: Some(REMIND_DEFAULT),
            severity: None,
            group: AlertGroup::Provider,
            group_wait: GROUP_WAIT_DEFAULT,
            channels,
        }
    }

    /// Whether it concerns the target of that id.
    pub fn wants(&self, target: &str) -> bool {
        self.targets.iter().any(|pattern| pattern.matches_text(target))
    }
}

/// What a rule tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertOn {
    /// A target is in this state.
    State(State),
    /// Who answers has changed.
    Change(ChangeKind),
    /// Something is wrong on our side.
    Trouble(Trouble),
}

/// What can be wrong on our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Today's money is spent: replies are not asked for any more.
    BudgetSpent,
    /// A provider refuses our key, or its quota is spent.
    BlockedKey,
    /// A provider limits the rate of our key.
    Throttled,
    /// Our own network is lost.
    VantageOffline,
    /// The store takes no writes.
    StoreFailing,
    /// A damaged database was set aside.
    StoreSetAside,
}

impl Trouble {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::BudgetSpent,
        Self::BlockedKey,
        Self::Throttled,
        Self::VantageOffline,
        Self::StoreFailing,
        Self::StoreSetAside,
    ];

    /// The name in configuration and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BudgetSpent => "budget_spent",
            Self::BlockedKey => "blocked_key",
            Self::Throttled => "throttled",
            Self::VantageOffline => "vantage_offline",
            Self::StoreFailing => "store_failing",
            Self::StoreSetAside => "store_set_aside",
        }
    }
}

impl AlertOn {
    /// The states that a rule can name.
    pub const STATES: [State; 4] = [State::Down, State::Partial, State::Degraded, State::Unknown];
    /// What a rule tells that doesn't say.
    pub const DEFAULT: [Self; 2] = [Self::State(State::Down), Self::State(State::Partial)];
    /// What [`AlertRule::standard`] tells.
    pub const STANDARD: [Self; 7] = [
        Self::State(State::Down),
        Self::State(State::Partial),
        Self::Trouble(Trouble::BlockedKey),
        Self::Trouble(Trouble::BudgetSpent),
        Self::Trouble(Trouble::VantageOffline),
        Self::Trouble(Trouble::StoreFailing),
        Self::Trouble(Trouble::StoreSetAside),
    ];

    /// Everything that a rule can name.
    pub fn all() -> impl Iterator<Item = Self> {
        let states = Self::STATES.into_iter().map(Self::State);
        let troubles = Trouble::ALL.into_iter().map(Self::Trouble);
        states
            .chain(troubles)
            .chain(ChangeKind::ALL.into_iter().map(Self::Change))
    }

    /// The name in configuration and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State(state) => state.as_str(),
            Self::Change(kind) => kind.as_str(),
            Self::Trouble(trouble) => trouble.as_str(),
        }
    }
}

/// What is told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlertGroup {
    /// All targets of one provider.
    #[default]
    Provider,
    /// Each target by itself.
    Target,
    /// All targets of the rule.
    Rule,
}

impl AlertGroup {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Target, Self::Rule];

    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Target => "target",
            Self::Rule => "rule",
        }
    }
}

/// How urgent it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = Severity)]
pub enum AlertSeverity {
    /// For the record.
    #[default]
    Info,
    /// Should be looked at.
    Warning,
    /// Requests fail.
    Error,
    /// Nearly all requests fail, or nobody watches.
    Critical,
}

impl AlertSeverity {
    /// Every one, the least first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The name in configuration and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests;
