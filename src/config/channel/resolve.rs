//! A `[[channel]]` entry to a [`Channel`]: its name, its type, the keys that this type reads, and what all types share.

use std::{collections::BTreeSet, time::Duration};

use toml::Spanned;

use super::{
    CHANNEL_TIMEOUT, CHANNEL_TIMEOUT_DEFAULT, Channel, MAX_CHANNELS, Way,
    file::{ChannelFile, KEYS},
};
use crate::config::{
    AlertSeverity,
    error::Diagnostic,
    parse::nearest,
    resolve::Resolver,
    route::{MAX_ROUTE_NAME_BYTES, is_plain},
};

/// Keys of every channel.
const COMMON: [&str; 4] = ["name", "type", "quiet", "min_severity"];
/// Keys of every channel that is reached over the network.
const NETWORK: [&str; 2] = ["timeout", "allow_private"];

/// A type of channel with what it reads beside [`COMMON`] and [`NETWORK`].
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    /// Whether it is reached over the network.
    network: bool,
}

const fn over_network(name: &'static str, keys: &'static [&'static str]) -> Kind {
    Kind {
        name,
        keys,
        network: true,
    }
}

pub(super) const KINDS: [Kind; 13] = [
    over_network(
        "webhook",
        &["url", "secret", "format", "template", "content_type", "headers"],
    ),
    over_network("slack", &["url"]),
    over_network("discord", &["url"]),
    over_network("teams", &["url"]),
    over_network("pagerduty", &["routing_key", "url"]),
    over_network("jsm", &["api_key", "url"]),
    over_network("ntfy", &["topic", "url", "token"]),
    over_network("telegram", &["token", "chat", "thread", "url"]),
    over_network(
        "email",
        &["host", "port", "tls", "user", "password", "from", "to"],
    ),
    over_network("alertmanager", &["url", "headers", "repeat"]),
    over_network("apprise", &["url", "key", "tag", "urls", "headers"]),
    Kind {
        name: "command",
        keys: &["command", "env", "timeout"],
        network: false,
    },
    Kind {
        name: "desktop",
        keys: &[],
        network: false,
    },
];

/// An entry with the place of its header, and of all that belongs to it.
pub(super) struct Entry<'a> {
    file: &'a ChannelFile,
    header: Spanned<()>,
    extent: Spanned<()>,
}

impl Entry<'_> {
    pub(super) const fn get_ref(&self) -> &ChannelFile {
        self.file
    }
}

impl Kind {
    /// Every key that it reads.
    fn all(&self) -> Vec<&'static str> {
        let network: &[&str] = if self.network { &NETWORK } else { &[] };
        [&COMMON[..], self.keys, network].concat()
    }
}

impl Resolver<'_> {
    /// Every channel.
    pub(in crate::config) fn channels(&mut self, entries: &[Spanned<ChannelFile>]) -> Vec<Channel> {
        let mut names = BTreeSet::new();
        let mut channels = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            if number == MAX_CHANNELS {
                let help = format!("at most {MAX_CHANNELS} are taken");
                self.error(entry, "too many channels", help);
                break;
            }
            if let Some(name) = &entry.get_ref().name
                && !names.insert(name.get_ref().clone())
            {
                let help = "give every channel a name of its own: rules and commands tell them apart by it";
                self.error(name, format!("channel {:?} is there twice", name.get_ref()), help);
            }
            let end = entries
                .get(number + 1)
                .map_or(usize::MAX, |next| next.span().start);
            channels.extend(self.channel(&Entry {
                file: entry.get_ref(),
                header: Spanned::new(entry.span(), ()),
                extent: Spanned::new(entry.span().start..end, ()),
            }));
        }
        channels
    }

    fn channel(&mut self, entry: &Entry<'_>) -> Option<Channel> {
        let file = entry.get_ref();
        let kind = self.channel_kind(entry);
        let name = self.channel_name(entry);
        let kind = kind?;
        for key in &file.keys {
            self.known_key(key, kind);
        }
        let allow_private = file.allow_private.as_ref().is_some_and(|allow| *allow.get_ref());
        let timeout = file.timeout.as_ref().map_or(CHANNEL_TIMEOUT_DEFAULT, |span| {
            self.span("timeout", span, CHANNEL_TIMEOUT)
        });
        let quiet = file.quiet.as_ref().map(|all| self.quiet(all)).unwrap_or_default();
        let min_severity = self.word(
            file.min_severity.as_ref(),
            "min_severity",
            &AlertSeverity::ALL,
            |it| it.as_str(),
        );
        let way = self.way(entry, kind.name, allow_private)?;
        Some(Channel {
            name: name?,
            way,
            allow_private,
            timeout,
            quiet,
            min_severity,
        })
    }

    fn channel_name(&mut self, entry: &Entry<'_>) -> Option<String> {
        let Some(name) = &entry.get_ref().name else {
            self.lacking(entry, "a channel needs a name", "add name = \"oncall\"");
            return None;
        };
        if !is_plain(name.get_ref()) {
            let help = format!("use 1 to {MAX_ROUTE_NAME_BYTES} letters, digits, `-`, `_` and `.`");
            self.error(name, "that is no name of a channel", help);
        }
        Some(name.get_ref().clone())
    }

    fn channel_kind(&mut self, entry: &Entry<'_>) -> Option<&'static Kind> {
        let names = || KINDS.iter().map(|kind| kind.name);
        let known = names().collect::<Vec<_>>().join(", ");
        let Some(word) = &entry.get_ref().kind else {
            self.lacking(
                entry,
                "a channel needs a type",
                &format!("add type = \"..\", one of {known}"),
            );
            return None;
        };
        let found = KINDS.iter().find(|kind| kind.name == word.get_ref());
        if found.is_none() {
            let help = match nearest(word.get_ref(), names()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are: {known}"),
            };
            self.error(
                word,
                format!("there is no channel of type {:?}", word.get_ref()),
                help,
            );
        }
        found
    }

    /// A key of another type, or of none.
    fn known_key(&mut self, key: &Spanned<String>, kind: &Kind) {
        let own = kind.all();
        let name = key.get_ref().as_str();
        if own.contains(&name) {
            return;
        }
        let all = format!("a {} channel has: {}", kind.name, own.join(", "));
        let (message, help) = if KEYS.contains(&name) {
            (format!("a {} channel has no `{name}`", kind.name), all)
        } else {
            let help = match nearest(name, own.into_iter()) {
                Some(near) => format!("did you mean `{near}`? {all}"),
                None => all,
            };
            (format!("unknown key `{name}`"), help)
        };
        let finding = Diagnostic::error(message).at(self.place(key)).help(help);
        self.report.push(finding.hiding());
    }

    /// Something that an entry must have and hasn't, unless it was taken out as wrong before.
    pub(super) fn lacking(&mut self, entry: &Entry<'_>, message: &str, help: &str) {
        let told = self
            .place(&entry.extent)
            .is_some_and(|extent| self.report.touches(&extent));
        if !told {
            self.error(&entry.header, message, help);
        }
    }

    fn way(&mut self, entry: &Entry<'_>, kind: &str, allow_private: bool) -> Option<Way> {
        match kind {
            "webhook" => self.webhook(entry, allow_private).map(Way::Webhook),
            "slack" => self
                .hook(entry, kind, allow_private)
                .map(|url| Way::Slack { url }),
            "discord" => self
                .hook(entry, kind, allow_private)
                .map(|url| Way::Discord { url }),
            "teams" => self
                .hook(entry, kind, allow_private)
                .map(|url| Way::Teams { url }),
            "pagerduty" => self.pagerduty(entry, allow_private),
            "jsm" => self.jsm(entry, allow_private),
            "ntfy" => self.ntfy(entry, allow_private).map(Way::Ntfy),
            "telegram" => self.telegram(entry, allow_private),
            "email" => self.email(entry, allow_private).map(Way::Email),
            "alertmanager" => self.alertmanager(entry, allow_private).map(Way::Alertmanager),
            "apprise" => self.apprise(entry, allow_private).map(Way::Apprise),
            "command" => self.command(entry).map(Way::Command),
            _ if cfg!(feature = "desktop") => Some(Way::Desktop),
            _ => {
                let help =
                    "build it with the feature `desktop`, or run `endturn notify` on the desktop itself";
                self.error(
                    &entry.header,
                    "this endturn was built without desktop notifications",
                    help,
                );
                None
            }
        }
    }
}

/// A length of time within bounds, or the default.
pub(super) fn span_or(
    resolver: &mut Resolver<'_>,
    what: &str,
    value: Option<&Spanned<crate::config::file::Span>>,
    bounds: (Duration, Duration),
    default: Duration,
) -> Duration {
    value.map_or(default, |span| resolver.span(what, span, bounds))
}
