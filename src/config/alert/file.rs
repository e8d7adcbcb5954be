//! `[alerts]` and `[[alert]]`: what the file may say, checked.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use toml::Spanned;
use url::Url;

use super::{AlertGroup, AlertOn, AlertRule, AlertSeverity, Alerts, GROUP_WAIT_DEFAULT, REMIND_DEFAULT};
use crate::{
    config::{
        Channel, Provider,
        error::Diagnostic,
        file::Span,
        parse::nearest,
        resolve::Resolver,
        route::{MAX_ROUTE_NAME_BYTES, is_plain},
    },
    id::{Pattern, PatternError},
};

/// Most rules of a configuration.
pub const MAX_ALERT_RULES: usize = 32;
/// Most patterns of targets of one rule.
pub const MAX_ALERT_TARGETS: usize = 64;
/// Shortest and longest `after`.
pub const ALERT_AFTER: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3_600));
/// Shortest and longest `remind`.
pub const ALERT_REMIND: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
/// Shortest and longest `group_wait`.
pub const ALERT_GROUP_WAIT: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(600));
/// Name of the rule that stands where there are channels and no rule.
pub const STANDARD_RULE: &str = "default";

/// `[alerts]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AlertsFile {
    public_url: Option<Spanned<String>>,
}

/// A `[[alert]]` entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AlertFile {
    name: Spanned<String>,
    targets: Option<Spanned<Vec<Spanned<String>>>>,
    on: Option<Spanned<Vec<Spanned<String>>>>,
    after: Option<Spanned<Span>>,
    remind: Option<Spanned<Remind>>,
    severity: Option<Spanned<String>>,
    group: Option<Spanned<String>>,
    group_wait: Option<Spanned<Span>>,
    channels: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Time between reminders: `"4h"`, or `"never"`.
#[derive(Clone, Copy)]
enum Remind {
    Never,
    Every(Span),
}

impl<'de> Deserialize<'de> for Remind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Remind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"never\" or a length of time with its unit, as in \"4h\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Remind, E> {
                if text == "never" {
                    return Ok(Remind::Never);
                }
                let span = humantime::parse_duration(text);
                span.map(|span| Remind::Every(Span(span)))
                    .map_err(|_| E::custom("not a length of time, write it as in \"4h\", or \"never\""))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Resolver<'_> {
    /// Everything about alerts, once targets and channels are known. `named` are the names of all channels of the
    /// file, those with an error of their own too.
    pub(in crate::config) fn alerts(
        &mut self,
        file: &AlertsFile,
        entries: &[Spanned<AlertFile>],
        channels: Vec<Channel>,
        named: &[String],
        providers: &[Provider],
    ) -> Alerts {
        let public_url = file.public_url.as_ref().and_then(|url| self.public_url(url));
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for entry in entries {
            if rules.len() == MAX_ALERT_RULES {
                let help = format!("at most {MAX_ALERT_RULES} are taken");
                self.error(entry, "too many alerts", help);
                break;
            }
            let name = &entry.get_ref().name;
            if !names.insert(name.get_ref().clone()) {
                let help = "give every alert a name of its own: messages name it";
                self.error(name, format!("alert {:?} is there twice", name.get_ref()), help);
            }
            rules.push(self.alert(entry.get_ref(), named, providers));
        }
        if entries.is_empty() && !channels.is_empty() {
            let all = channels.iter().map(|channel| channel.name.clone()).collect();
            rules.push(AlertRule::standard(STANDARD_RULE, all));
        }
        // A rule that is wrong may have meant it.
        let unsure = self.report.has_errors();
        for channel in channels.iter().filter(|_| !unsure) {
            if !rules.iter().any(|rule| rule.channels.contains(&channel.name)) {
                let message = format!(
                    "no alert names channel {:?}: nothing is ever told there",
                    channel.name
                );
                self.report.push(Diagnostic::warning(message));
            }
        }
        Alerts {
            public_url,
            channels,
            rules,
        }
    }

    fn public_url(&mut self, value: &Spanned<String>) -> Option<Url> {
        let plain = |url: &Url| {
            ["http", "https"].contains(&url.scheme())
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let found = Url::parse(value.get_ref()).ok().filter(plain);
        if found.is_none() {
            let help = "write where people open the status page, as in \"https://status.example.com\"";
            self.error(value, "public_url is no plain address of a website", help);
        }
        found
    }

    fn alert(&mut self, file: &AlertFile, named: &[String], providers: &[Provider]) -> AlertRule {
        let name = file.name.get_ref();
        if !is_plain(name) {
            let help = format!("use 1 to {MAX_ROUTE_NAME_BYTES} letters, digits, `-`, `_` and `.`");
            self.error(&file.name, "that is no name of an alert", help);
        }
        let span = |this: &mut Self, key, value: &Option<Spanned<Span>>, bounds, default| {
            value
                .as_ref()
                .map_or(default, |span| this.span(key, span, bounds))
        };
        let after = span(self, "after", &file.after, ALERT_AFTER, Duration::ZERO);
        let group_wait = span(
            self,
            "group_wait",
            &file.group_wait,
            ALERT_GROUP_WAIT,
            GROUP_WAIT_DEFAULT,
        );
        let severity = file.severity.as_ref();
        let severity =
            severity.map(|word| self.word(Some(word), "severity", &AlertSeverity::ALL, |it| it.as_str()));
        AlertRule {
            name: name.clone(),
            targets: self.alert_targets(file, providers),
            on: self.alert_on(file),
            after,
            remind: self.remind(file.remind.as_ref()),
            severity,
            group: self.word(file.group.as_ref(), "group", &AlertGroup::ALL, |it| it.as_str()),
            group_wait,
            channels: self.alert_channels(file, named),
        }
    }

    fn remind(&mut self, value: Option<&Spanned<Remind>>) -> Option<Duration> {
        let Some(value) = value else {
            return Some(REMIND_DEFAULT);
        };
        match *value.get_ref() {
            Remind::Never => None,
            Remind::Every(span) => {
                let span = Spanned::new(value.span(), span);
                Some(self.span("remind", &span, ALERT_REMIND))
            }
        }
    }

    fn alert_targets(&mut self, file: &AlertFile, providers: &[Provider]) -> Vec<Pattern> {
        let Some(patterns) = &file.targets else {
            return vec![Pattern::any()];
        };
        let count = patterns.get_ref().len();
        if !(1..=MAX_ALERT_TARGETS).contains(&count) {
            let message = format!("an alert names {count} patterns of targets");
            let help = format!("name 1 to {MAX_ALERT_TARGETS}, or leave `targets` out for all");
            self.error(patterns, message, help);
        }
        let models = || providers.iter().flat_map(|provider| &provider.models);
        let mut found = Vec::new();
        for said in patterns.get_ref().iter().take(MAX_ALERT_TARGETS) {
            let text = said.get_ref();
            let pattern: Pattern = match text.parse() {
                Ok(pattern) => pattern,
                Err(error) => {
                    let help = match error {
                        PatternError::TooLong(_) => "shorten it; `*` stands for any characters",
                        _ => "name targets as in \"anthropic/claude-haiku-4-5\", \"openai/*\" or \"*\"",
                    };
                    self.error(said, error.to_string(), help);
                    continue;
                }
            };
            if !models().any(|model| pattern.matches(&model.id)) {
                let names: Vec<String> = models().map(|model| model.id.to_string()).collect();
                let help = match nearest(text, names.iter().map(String::as_str)) {
                    Some(near) if !pattern.is_open() => format!("did you mean \"{near}\"?"),
                    _ => "only a target that reports bring could match it".to_owned(),
                };
                let place = self.place(said);
                let message = format!("no target of this file matches {text:?}");
                self.report
                    .push(Diagnostic::warning(message).at(place).help(help));
            }
            found.push(pattern);
        }
        found
    }

    fn alert_on(&mut self, file: &AlertFile) -> Vec<AlertOn> {
        let Some(words) = &file.on else {
            return AlertOn::DEFAULT.to_vec();
        };
        if words.get_ref().is_empty() {
            let help = "name what is to be told, or leave `on` out for \"down\" and \"partial\"";
            self.error(words, "an alert on nothing", help);
        }
        let mut found = Vec::new();
        for word in words.get_ref() {
            let text = word.get_ref();
            match AlertOn::all().find(|on| on.as_str() == text) {
                Some(on) if found.contains(&on) => {
                    self.error(word, format!("{text} is named twice"), "take one of them out");
                }
                Some(on) => found.push(on),
                None => {
                    let names: Vec<&str> = AlertOn::all().map(AlertOn::as_str).collect();
                    let help = match nearest(text, names.iter().copied()) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("known are: {}", names.join(", ")),
                    };
                    self.error(word, format!("an alert on {text:?} is unknown"), help);
                }
            }
        }
        found
    }

    fn alert_channels(&mut self, file: &AlertFile, named: &[String]) -> Vec<String> {
        if named.is_empty() {
            let message = format!("alert {:?} has nobody to tell", file.name.get_ref());
            self.error(&file.name, message, "add a [[channel]]");
            return Vec::new();
        }
        let Some(channels) = &file.channels else {
            return named.to_vec();
        };
        if channels.get_ref().is_empty() {
            let help = "name channels, or leave `channels` out for all";
            self.error(
                channels,
                format!("alert {:?} has nobody to tell", file.name.get_ref()),
                help,
            );
        }
        let mut found: Vec<String> = Vec::new();
        for channel in channels.get_ref() {
            let text = channel.get_ref();
            if !named.contains(text) {
                let help = match nearest(text, named.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("known are: {}", named.join(", ")),
                };
                self.error(channel, format!("there is no channel {text:?}"), help);
            } else if found.contains(text) {
                self.error(
                    channel,
                    format!("{text:?} is named twice"),
                    "take one of them out",
                );
            } else {
                found.push(text.clone());
            }
        }
        found
    }
}
