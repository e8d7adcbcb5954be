//! `[[maintenance]]`: windows that come again and again, by a line of cron.

use std::{collections::BTreeSet, time::Duration};

use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;

use super::{Provider, file::Span, resolve::Resolver};
use crate::{
    clock::Timestamp,
    health::{Declaration, Declares, MAX_DECLARED, MAX_WHY_BYTES, Scope},
};

/// Most entries.
pub const MAX_PLANNED: usize = 64;
/// Longest name in bytes.
pub const MAX_PLANNED_NAME_BYTES: usize = 48;
/// Shortest window: cron counts minutes.
pub const MIN_PLANNED: Duration = Duration::from_secs(60);
/// How far ahead occurrences are told.
pub const PLANNED_AHEAD: Duration = Duration::from_secs(35 * 86_400);
/// Most occurrences of one entry that are told.
pub const MAX_OCCURRENCES: usize = 12;
/// Occurrences that are looked at to see whether windows of an entry run into each other.
const TRIED: usize = 16;
/// From when on: any time will do, and the machine's own must not decide whether a configuration is right.
const TRIED_FROM: Timestamp = Timestamp::from_millis(1_704_067_200_000);

/// A window that comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMaintenance {
    /// Its name, unique.
    pub name: String,
    /// Whose.
    pub targets: Scope,
    /// When it begins: five fields of cron and a time zone. Checked.
    pub rule: String,
    /// How long it lasts.
    pub lasts: Duration,
    /// Why; may be empty.
    pub why: String,
}

/// A `[[maintenance]]` entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaintenanceFile {
    name: Spanned<String>,
    targets: Spanned<Vec<Spanned<String>>>,
    every: Spanned<String>,
    #[serde(rename = "for")]
    lasts: Spanned<Span>,
    zone: Option<Spanned<String>>,
    why: Option<Spanned<String>>,
}

impl PlannedMaintenance {
    /// The occurrence that is under way, if any, and those that come within [`PLANNED_AHEAD`]; at least the next one, at
    /// most [`MAX_OCCURRENCES`]. Each has an id of its own that is the same at every call.
    pub fn occurrences(&self, now: Timestamp) -> Vec<Declaration> {
        let horizon = now.plus(PLANNED_AHEAD);
        let mut found: Vec<Declaration> = Vec::new();
        for from in begins(&self.rule, now.minus(self.lasts)).take(MAX_OCCURRENCES) {
            if from > horizon && found.iter().any(|one| one.from > now) {
                break;
            }
            found.push(self.at(from));
        }
        found
    }

    fn at(&self, from: Timestamp) -> Declaration {
        // 2026-11-22T01:00:00.000Z to 20261122T0100Z.
        let minute: String = from.to_rfc3339().chars().take(16).collect();
        let minute = minute.replace(['-', ':'], "");
        Declaration {
            id: format!("{}.{minute}Z", self.name),
            what: Declares::Maintenance,
            targets: self.targets.clone(),
            from,
            until: from.plus(self.lasts),
            by: format!("the plan {}", self.name),
            why: self.why.clone(),
            planned: true,
        }
    }
}

/// When a rule begins after that time. Ends where the rule never comes again.
fn begins(rule: &str, after: Timestamp) -> impl Iterator<Item = Timestamp> {
    let start = cronexpr::MakeTimestamp::from_millisecond(after.as_millis());
    let crontab = cronexpr::parse_crontab(rule);
    let times = crontab.and_then(|crontab| crontab.iter_after(start?)).ok();
    times
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .map(|at| Timestamp::from_millis(at.timestamp().as_millisecond()))
}

impl Resolver<'_> {
    /// Every planned window, once all targets are known.
    pub(super) fn maintenance(
        &mut self,
        entries: &[Spanned<MaintenanceFile>],
        providers: &[Provider],
    ) -> Vec<PlannedMaintenance> {
        let mut names = BTreeSet::new();
        let mut planned = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            if number == MAX_PLANNED {
                self.error(
                    entry,
                    "too many planned maintenances",
                    format!("at most {MAX_PLANNED} are taken"),
                );
                break;
            }
            let name = &entry.get_ref().name;
            if !names.insert(name.get_ref().clone()) {
                let help = "give every entry a name of its own: its windows are called by it";
                self.error(
                    name,
                    format!("maintenance {:?} is there twice", name.get_ref()),
                    help,
                );
            }
            planned.extend(self.planned(entry.get_ref(), providers));
        }
        planned
    }

    fn planned(&mut self, file: &MaintenanceFile, providers: &[Provider]) -> Option<PlannedMaintenance> {
        let name = file.name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=MAX_PLANNED_NAME_BYTES).contains(&name.len()) || !name.chars().all(plain) {
            let help = format!("use 1 to {MAX_PLANNED_NAME_BYTES} letters, digits, `-`, `_` and `.`");
            self.error(&file.name, "that is no name of a maintenance", help);
        }
        let why = file
            .why
            .as_ref()
            .map(|why| why.get_ref().clone())
            .unwrap_or_default();
        if let Some(text) = &file.why
            && (why.len() > MAX_WHY_BYTES || why.chars().any(char::is_control))
        {
            let help = format!("use one line of at most {MAX_WHY_BYTES} bytes");
            self.error(text, "why is too long or no plain line", help);
        }
        let lasts = self.span("for", &file.lasts, (MIN_PLANNED, MAX_DECLARED));
        let targets = self.planned_targets(file, providers);
        let rule = self.rule(file, lasts);
        Some(PlannedMaintenance {
            name: name.clone(),
            targets: targets?,
            rule: rule?,
            lasts,
            why,
        })
    }

    fn planned_targets(&mut self, file: &MaintenanceFile, providers: &[Provider]) -> Option<Scope> {
        let entries = file.targets.get_ref();
        let models: Vec<_> = providers.iter().flat_map(|provider| &provider.models).collect();
        for entry in entries {
            let said = Scope::new([entry.get_ref().as_str()]);
            match said {
                Ok(scope) if !models.iter().any(|model| scope.holds(&model.id)) => {
                    let help =
                        "name a target or a provider of this file, or write a pattern as in \"anthropic/*\"";
                    self.error(
                        entry,
                        format!("{:?} is no target of this file", entry.get_ref()),
                        help,
                    );
                }
                Ok(_) => {}
                Err(error) => self.error(entry, error.to_string(), "as in \"anthropic/*\""),
            }
        }
        match Scope::new(entries.iter().map(|entry| entry.get_ref().as_str())) {
            Ok(scope) => Some(scope),
            Err(error) => {
                // Wrong patterns have been told one by one.
                if !matches!(error, crate::health::ScopeError::Pattern(_)) {
                    self.error(&file.targets, error.to_string(), "as in [\"anthropic/*\"]");
                }
                None
            }
        }
    }

    /// The line of cron with its zone, checked.
    fn rule(&mut self, file: &MaintenanceFile, lasts: Duration) -> Option<String> {
        let zone = file.zone.as_ref().map_or("UTC", |zone| zone.get_ref());
        if let Some(named) = &file.zone
            && TimeZone::get(zone).is_err()
        {
            let help = "use a name of the tz database, as in \"Europe/Berlin\"; on a machine without /usr/share/zoneinfo \
                        only \"UTC\" is known (Debian: package tzdata)";
            self.error(named, format!("zone {zone:?} is not known here"), help);
            return None;
        }
        let line = file.every.get_ref();
        let rule = format!("{line} {zone}");
        if line.split_whitespace().count() != 5 || cronexpr::parse_crontab(&rule).is_err() {
            let why = cronexpr::parse_crontab(&rule)
                .err()
                .map(|error| error.to_string());
            // Its last line says what is wrong; the others draw what our report draws better.
            let why = why
                .as_deref()
                .and_then(|why| why.lines().last())
                .map(|why| why.trim_start_matches([' ', '^']));
            let message = match why {
                Some(why) => format!("every is no line of cron: {why}"),
                None => "every is no line of cron".to_owned(),
            };
            let help = "write minute, hour, day of month, month and day of week: \"0 2 * * SUN\" is Sundays at 02:00, \
                        \"30 4 * * 2#2\" the second Tuesday of each month at 04:30";
            self.error(&file.every, message, help);
            return None;
        }
        let times: Vec<Timestamp> = begins(&rule, TRIED_FROM).take(TRIED).collect();
        if times.is_empty() {
            self.error(&file.every, "every never comes", "no such day is in the calendar");
            return None;
        }
        if times.windows(2).any(|pair| pair[1].since(pair[0]) <= lasts) {
            let help = "the next window would begin before this one ends, and nobody would ever be told of an outage";
            self.error(
                &file.lasts,
                "for is longer than the time to the next window",
                help,
            );
            return None;
        }
        Some(rule)
    }
}

#[cfg(test)]
mod tests;
