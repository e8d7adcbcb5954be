//! Dollars a day, hard: what a probe may cost is set aside before it is sent. Pure.
//!
//! Sums are kept in whole nano-dollars, so that a limit is exact. A day is a day in UTC.

use std::collections::HashMap;

use crate::{
    clock::Timestamp,
    config::{Config, Model},
    id::{ProviderId, TargetId},
    verdict::{CanaryKind, Purpose},
};

/// Share of every limit that only confirming and recovery probes may spend.
pub const RESERVE: f64 = 0.2;
/// Nano-dollars in a dollar.
const NANO: f64 = 1e9;
const DAY_MS: i64 = 86_400_000;

/// Money set aside for one probe. Give it back with [`Budget::settle`], also when the probe was never sent.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is set aside and never settled is missing for the rest of the day"]
pub struct Grant {
    target: TargetId,
    nano: u64,
    reserve: bool,
    day: i64,
}

/// A limit is reached: no generation until the next day begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {} is spent for today", .provider.as_ref().map_or("all providers", ProviderId::as_str))]
pub struct Spent {
    /// Whose limit: a provider's, or all together.
    pub provider: Option<ProviderId>,
    /// When the next day begins.
    pub until: Timestamp,
}

/// One limit and what counts against it.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    limit: Option<u64>,
    /// Spent and set aside, of any purpose.
    all: u64,
    /// Of these, what the timetable and people spent.
    ordinary: u64,
}

impl Account {
    fn has_room(&self, nano: u64, reserve: bool) -> bool {
        let Some(limit) = self.limit else { return true };
        let ordinary = limit - (limit as f64 * RESERVE) as u64;
        self.all.saturating_add(nano) <= limit && (reserve || self.ordinary.saturating_add(nano) <= ordinary)
    }

    fn add(&mut self, nano: u64, reserve: bool) {
        self.all = self.all.saturating_add(nano);
        if !reserve {
            self.ordinary = self.ordinary.saturating_add(nano);
        }
    }

    fn take(&mut self, nano: u64, reserve: bool) {
        self.all = self.all.saturating_sub(nano);
        if !reserve {
            self.ordinary = self.ordinary.saturating_sub(nano);
        }
    }
}

/// The day's accounts.
#[derive(Debug)]
pub struct Budget {
    day: i64,
    total: Account,
    providers: HashMap<ProviderId, Account>,
    spent: HashMap<TargetId, u64>,
}

impl Budget {
    /// Empty accounts with the limits of that configuration.
    pub fn new(config: &Config, now: Timestamp) -> Self {
        let mut budget = Self {
            day: day_of(now),
            total: Account::default(),
            providers: HashMap::new(),
            spent: HashMap::new(),
        };
        budget.reconfigure(config);
        budget
    }

    /// Takes new limits; what was spent stays spent.
    pub fn reconfigure(&mut self, config: &Config) {
        self.total.limit = config.usd_per_day.map(nano);
        for account in self.providers.values_mut() {
            account.limit = None;
        }
        for provider in &config.providers {
            let account = self.providers.entry(provider.id.clone()).or_default();
            account.limit = provider.usd_per_day.map(nano);
        }
    }

    /// What was spent on that day before a restart, from the store; ignored unless it is today. All of it counts as
    /// spent by the timetable, which errs on the thrifty side.
    pub fn restore(&mut self, spent: &[(TargetId, f64)], day: Timestamp, now: Timestamp) {
        self.roll(now);
        if day_of(day) != self.day {
            return;
        }
        for (target, usd) in spent {
            let nano = nano(*usd);
            self.total.add(nano, false);
            self.providers
                .entry(target.provider().clone())
                .or_default()
                .add(nano, false);
            self.book(target, nano);
        }
    }

    /// Sets aside what the probe may cost at most ([`worst_case`]), in dollars. What costs nothing is always granted.
    ///
    /// # Errors
    /// A limit would be exceeded.
    pub fn reserve(
        &mut self,
        target: &TargetId,
        purpose: Purpose,
        at_most_usd: f64,
        now: Timestamp,
    ) -> Result<Grant, Spent> {
        self.roll(now);
        let nano = nano(at_most_usd);
        let reserve = matches!(purpose, Purpose::Confirm | Purpose::Recovery);
        let account = self.providers.entry(target.provider().clone()).or_default();
        let refused = if nano == 0 {
            None
        } else if !account.has_room(nano, reserve) {
            Some(Some(target.provider().clone()))
        } else if !self.total.has_room(nano, reserve) {
            Some(None)
        } else {
            None
        };
        if let Some(provider) = refused {
            let until = Timestamp::from_millis((self.day + 1) * DAY_MS);
            return Err(Spent { provider, until });
        }
        account.add(nano, reserve);
        self.total.add(nano, reserve);
        Ok(Grant {
            target: target.clone(),
            nano,
            reserve,
            day: self.day,
        })
    }

    /// Replaces what was set aside by what the probe did cost, in dollars: nothing if it was never sent. A probe that
    /// was granted yesterday stays yesterday's.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is settled once")]
    pub fn settle(&mut self, grant: Grant, actual_usd: f64, now: Timestamp) {
        self.roll(now);
        if grant.day != self.day {
            return;
        }
        let actual = nano(actual_usd);
        if let Some(account) = self.providers.get_mut(grant.target.provider()) {
            account.take(grant.nano, grant.reserve);
            account.add(actual, grant.reserve);
        }
        self.total.take(grant.nano, grant.reserve);
        self.total.add(actual, grant.reserve);
        self.book(&grant.target, actual);
    }

    /// Dollars spent on that target today, probes in flight apart.
    pub fn spent_today(&mut self, target: &TargetId, now: Timestamp) -> f64 {
        self.roll(now);
        self.spent.get(target).map_or(0.0, |nano| *nano as f64 / NANO)
    }

    fn book(&mut self, target: &TargetId, nano: u64) {
        let spent = self.spent.entry(target.clone()).or_default();
        *spent = spent.saturating_add(nano);
    }

    /// Empties the accounts when a day begins. A clock that steps back doesn't open a day again.
    fn roll(&mut self, now: Timestamp) {
        let day = day_of(now);
        if day <= self.day {
            return;
        }
        self.day = day;
        self.spent.clear();
        for account in self.providers.values_mut().chain([&mut self.total]) {
            (account.all, account.ordinary) = (0, 0);
        }
    }
}

/// What one canary of that kind can cost at most, in dollars: the planned input and every token that it may generate.
/// Nothing where the model has no such canary.
pub fn worst_case(model: &Model, kind: CanaryKind) -> f64 {
    model.any(kind).zip(model.price).map_or(0.0, |(canary, price)| {
        price.cost(
            u64::from(canary.script.input_tokens),
            u64::from(canary.max_tokens),
        )
    })
}

/// Nano-dollars, rounded up. What is no number counts as more than any limit.
fn nano(usd: f64) -> u64 {
    if usd.is_finite() {
        (usd * NANO).ceil() as u64
    } else {
        u64::MAX
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests;
