//! `type = "email"`.

use lettre::message::Mailbox;
use toml::Spanned;
use url::Host;

use super::{
    Email, MailTls, Realm,
    file::{ChannelFile, Word},
    realm,
    resolve::Entry,
};
use crate::config::{Secret, key, resolve::Resolver};

/// Most recipients of one mail channel.
pub const MAX_RECIPIENTS: usize = 32;

impl Resolver<'_> {
    pub(super) fn email(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Box<Email>> {
        let file = entry.get_ref();
        let host = self.mail_host(entry, allow_private);
        let tls = self.mail_tls(file, allow_private);
        let port = file.port.as_ref().map_or(
            match tls {
                MailTls::StartTls => 587,
                MailTls::Implicit => 465,
                MailTls::None => 25,
            },
            |port| *port.get_ref(),
        );
        let login = match (&file.user, &file.password) {
            (None, None) => Some(None),
            (Some(user), Some(password)) => {
                let user = match user.get_ref() {
                    // A user may be an address, with whatever an address holds.
                    Word::Text(text) => Some(Secret::new(text)),
                    Word::Ref(_) => self.word_value(user),
                };
                let password = self.named(password, key::read_line);
                user.zip(password).map(Some)
            }
            _ => {
                let help = "a login has user = \"..\" and password = { env = \"NAME\" }";
                self.lacking(entry, "an email channel has one of user and password", help);
                None
            }
        };
        let from = if let Some(from) = &file.from {
            self.mailbox(from)
        } else {
            self.lacking(
                entry,
                "an email channel needs from",
                "add from = \"endturn <endturn@example.com>\"",
            );
            None
        };
        let to = self.recipients(entry);
        Some(Box::new(Email {
            host: host?,
            port,
            tls,
            login: login?,
            from: from?,
            to: to?,
        }))
    }

    fn mail_host(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<String> {
        let Some(host) = &entry.get_ref().host else {
            self.lacking(
                entry,
                "an email channel needs host",
                "add host = \"smtp.example.com\"",
            );
            return None;
        };
        let address = match Host::parse(host.get_ref()) {
            Ok(Host::Domain(_)) => None,
            Ok(Host::Ipv4(ip)) => Some(realm(ip.into())),
            Ok(Host::Ipv6(ip)) => Some(realm(ip.into())),
            Err(_) => {
                self.error(
                    host,
                    "that is no host",
                    "write it as in \"smtp.example.com\"; the port is a key of its own",
                );
                return None;
            }
        };
        match address {
            Some(Realm::Nowhere) => {
                self.error(host, "no mail server has such an address", "name the server");
                None
            }
            Some(Realm::Private) if !allow_private => {
                let help = "for a relay on this machine or in your own network, add allow_private = true";
                self.error(host, "host is a private address", help);
                None
            }
            _ => Some(host.get_ref().clone()),
        }
    }

    fn mail_tls(&mut self, file: &ChannelFile, allow_private: bool) -> MailTls {
        match file.tls.as_ref().map(|word| (word, word.get_ref().as_str())) {
            None | Some((_, "starttls")) => MailTls::StartTls,
            Some((_, "implicit")) => MailTls::Implicit,
            Some((_, "none")) if allow_private => MailTls::None,
            Some((word, "none")) => {
                let help = "only a relay on this machine or in your own network is spoken to so: add allow_private = true";
                self.error(word, "mail would travel in the clear", help);
                MailTls::None
            }
            Some((word, other)) => {
                let help = "use \"starttls\" (port 587), \"implicit\" (465) or \"none\" (25)";
                self.error(word, format!("there is no tls {other:?}"), help);
                MailTls::StartTls
            }
        }
    }

    fn mailbox(&mut self, text: &Spanned<String>) -> Option<Mailbox> {
        let found = text.get_ref().parse().ok();
        if found.is_none() {
            let help = "write it as in \"oncall@example.com\" or \"On call <oncall@example.com>\"";
            self.error(text, "that is no mail address", help);
        }
        found
    }

    fn recipients(&mut self, entry: &Entry<'_>) -> Option<Vec<Mailbox>> {
        let Some(to) = &entry.get_ref().to else {
            self.lacking(
                entry,
                "an email channel needs to",
                "add to = [\"oncall@example.com\"]",
            );
            return None;
        };
        if to.get_ref().is_empty() || to.get_ref().len() > MAX_RECIPIENTS {
            let message = format!("{} recipients", to.get_ref().len());
            self.error(
                to,
                message,
                format!("name 1 to {MAX_RECIPIENTS}; more are a mailing list's business"),
            );
            return None;
        }
        to.get_ref().iter().map(|text| self.mailbox(text)).collect()
    }
}
