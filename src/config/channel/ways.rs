//! What each type of channel is made from.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::message::Mailbox;
use toml::Spanned;
use url::{Host, Url};

use super::{
    Alertmanager, Apprise, AppriseTo, Command, Email, MailTls, Ntfy, REPEAT, REPEAT_DEFAULT, Realm, Template,
    Way, Webhook, WebhookBody,
    file::{ChannelFile, Word},
    realm,
    resolve::{Entry, span_or},
};
use crate::config::{MAX_HEADERS, Secret, error::Diagnostic, file::SecretRef, key, resolve::Resolver};

/// Most recipients of one mail channel.
pub const MAX_RECIPIENTS: usize = 32;
/// Most words of a command.
pub const MAX_ARGUMENTS: usize = 64;
/// Shortest and longest signing key in bytes, as Standard Webhooks has it.
pub const SIGNING_KEY_BYTES: (usize, usize) = (24, 64);
/// What the services are reached at unless the file says.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
const JSM: &str = "https://api.atlassian.com/jsm/ops/integration/v2/alerts";
const NTFY: &str = "https://ntfy.sh";
const TELEGRAM: &str = "https://api.telegram.org";
/// Headers that are ours to set.
const OWNED_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// The key of a Standard Webhooks secret, `whsec_` and base64.
pub fn signing_key(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose().strip_prefix("whsec_")?;
    let key = STANDARD.decode(text).ok()?;
    (SIGNING_KEY_BYTES.0..=SIGNING_KEY_BYTES.1)
        .contains(&key.len())
        .then_some(key)
}

impl Resolver<'_> {
    pub(super) fn webhook(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Webhook> {
        let file = entry.get_ref();
        let url = self.hook(entry, "webhook", allow_private);
        let mut secrets = Vec::new();
        if let Some(refs) = &file.secret {
            for one in &refs.get_ref().0 {
                let span = if one.span().is_empty() {
                    refs.span()
                } else {
                    one.span()
                };
                let one = Spanned::new(span, one.get_ref().clone());
                let Some(secret) = self.named(&one, key::read) else {
                    continue;
                };
                if signing_key(&secret).is_none() {
                    let help = format!(
                        "it is whsec_ and the base64 of {} to {} random bytes: \
                         echo \"whsec_$(head -c 32 /dev/urandom | base64)\"",
                        SIGNING_KEY_BYTES.0, SIGNING_KEY_BYTES.1
                    );
                    self.error(&one, "that is no secret of Standard Webhooks", help);
                }
                secrets.push(secret);
            }
        }
        let body = self.webhook_body(file);
        let headers = self.channel_headers(file);
        Some(Webhook {
            url: url?,
            secrets,
            body: body?,
            headers,
        })
    }

    fn webhook_body(&mut self, file: &ChannelFile) -> Option<WebhookBody> {
        let content_type = file.content_type.as_ref();
        if let Some(source) = &file.template {
            if let Some(format) = &file.format {
                self.error(
                    format,
                    "a webhook has both format and template",
                    "keep one of them",
                );
            }
            let content_type = content_type.map_or("application/json", |it| it.get_ref().as_str());
            if http::HeaderValue::from_str(content_type).is_err() || !content_type.contains('/') {
                let help = "write it as in \"text/plain; charset=utf-8\"";
                if let Some(given) = &file.content_type {
                    self.error(given, "that is no content type", help);
                }
            }
            let json = content_type.contains("json");
            return match Template::new(source.get_ref(), json) {
                Ok(template) => Some(WebhookBody::Template {
                    template,
                    content_type: content_type.to_owned(),
                }),
                Err(why) => {
                    let help = if json {
                        "values of a JSON template come with their quotes: {\"text\": {{ title }}}. Names are those of \
                         docs/channels.md"
                    } else {
                        "names are those of docs/channels.md"
                    };
                    self.error(source, format!("template: {why}"), help);
                    None
                }
            };
        }
        if let Some(given) = content_type {
            self.error(
                given,
                "only a template needs a content type",
                "take it out, or add template",
            );
        }
        match file.format.as_ref().map(|word| (word, word.get_ref().as_str())) {
            None | Some((_, "cloudevents")) => Some(WebhookBody::CloudEvents),
            Some((_, "json")) => Some(WebhookBody::Json),
            Some((word, other)) => {
                let help = "use \"cloudevents\", \"json\", or a template instead";
                self.error(word, format!("there is no format {other:?}"), help);
                None
            }
        }
    }

    /// The URL of a webhook, which is a secret.
    pub(super) fn hook(&mut self, entry: &Entry<'_>, kind: &str, allow_private: bool) -> Option<Secret> {
        let Some(word) = &entry.get_ref().url else {
            let message = format!("a {kind} channel needs a url");
            self.lacking(entry, &message, "add url = { env = \"ONCALL_URL\" }");
            return None;
        };
        let Word::Ref(reference) = word.get_ref() else {
            let help = "whoever has a webhook's URL may post there: write url = { env = \"NAME\" }, \
                        { file = \"PATH\" } or { credential = \"NAME\" }; if this file was shared, replace the webhook";
            let finding = Diagnostic::error("the URL of a webhook must not stand in the file");
            self.report.push(finding.at(self.place(word)).hiding().help(help));
            return None;
        };
        let here = Spanned::new(word.span(), reference.clone());
        let secret = self.named(&here, key::read)?;
        self.checked_url(secret.expose(), word, "the URL", allow_private)?;
        Some(secret)
    }

    /// A server's address that is no secret, or the default.
    fn server_url(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        default: Option<&str>,
        allow_private: bool,
    ) -> Option<Url> {
        match &entry.get_ref().url {
            None => {
                if let Some(default) = default {
                    return Url::parse(default).ok();
                }
                let message = format!("a {kind} channel needs a url");
                self.lacking(
                    entry,
                    &message,
                    "add url = \"http://127.0.0.1:9093\", the server's address",
                );
                None
            }
            Some(word) => {
                let text = match word.get_ref() {
                    Word::Text(text) => text.clone(),
                    Word::Ref(reference) => {
                        let here = Spanned::new(word.span(), reference.clone());
                        self.named(&here, key::read)?.expose().to_owned()
                    }
                };
                let url = self.checked_url(&text, word, "url", allow_private)?;
                if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
                    let finding = Diagnostic::error("url holds a credential or a query");
                    let help = "write the server's plain address; credentials have keys of their own";
                    self.report.push(finding.at(self.place(word)).hiding().help(help));
                    return None;
                }
                Some(url)
            }
        }
    }

    /// No message tells the URL itself: it may be a secret.
    fn checked_url<T>(
        &mut self,
        text: &str,
        here: &Spanned<T>,
        what: &str,
        allow_private: bool,
    ) -> Option<Url> {
        let refuse = |this: &mut Self, message: String, help: &str| {
            let finding = Diagnostic::error(message).at(this.place(here));
            this.report.push(finding.hiding().help(help));
            None
        };
        let parsed = Url::parse(text).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = parsed.filter(|url| url.fragment().is_none()) else {
            return refuse(
                self,
                format!("{what} is no http or https URL"),
                "write it as in \"https://hooks.example.com/..\"",
            );
        };
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        let private = "for a server on this machine or in your own network, add allow_private = true";
        match address.map(realm) {
            Some(Realm::Nowhere) => {
                return refuse(
                    self,
                    format!("{what} leads to an address that no server of yours has"),
                    "link-local addresses, those of metadata services and reserved ones are never spoken to",
                );
            }
            Some(Realm::Private) if !allow_private => {
                return refuse(self, format!("{what} leads to a private address"), private);
            }
            _ => {}
        }
        if url.scheme() == "http" && !allow_private {
            return refuse(
                self,
                format!("{what} is unencrypted http"),
                "use https; for a server on this machine or in your own network, add allow_private = true",
            );
        }
        Some(url)
    }

    fn channel_headers(&mut self, file: &ChannelFile) -> Vec<(String, Secret)> {
        let mut headers = Vec::new();
        for (number, (name, reference)) in file.headers.iter().flat_map(Spanned::get_ref).enumerate() {
            let lower = name.get_ref().to_ascii_lowercase();
            if number == MAX_HEADERS {
                self.error(name, format!("more than {MAX_HEADERS} headers"), "one or two do");
                break;
            }
            if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
                self.error(
                    name,
                    "that is no name of a header",
                    "write it as in \"authorization\"",
                );
            } else if OWNED_HEADERS.contains(&lower.as_str()) {
                self.error(name, "this header is ours to set", "take it out");
            } else if let Some(secret) = self.named(reference, key::read_line) {
                headers.push((lower, secret));
            }
        }
        headers
    }

    /// A reference that a type can't do without.
    fn must(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        key: &str,
        value: Option<&Spanned<SecretRef>>,
    ) -> Option<Secret> {
        if let Some(reference) = value {
            return self.named(reference, key::read);
        }
        let message = format!("a {kind} channel needs {key}");
        self.lacking(entry, &message, &format!("add {key} = {{ env = \"NAME\" }}"));
        None
    }

    /// A text or a reference that a type can't do without.
    fn must_word(
        &mut self,
        entry: &Entry<'_>,
        kind: &str,
        key: &str,
        value: Option<&Spanned<Word>>,
    ) -> Option<Secret> {
        match value {
            None => {
                let message = format!("a {kind} channel needs {key}");
                self.lacking(
                    entry,
                    &message,
                    &format!("add {key} = \"..\" or {{ env = \"NAME\" }}"),
                );
                None
            }
            Some(word) => self.word_value(word),
        }
    }

    fn word_value(&mut self, word: &Spanned<Word>) -> Option<Secret> {
        match word.get_ref() {
            Word::Ref(reference) => self.named(&Spanned::new(word.span(), reference.clone()), key::read),
            Word::Text(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
                Some(Secret::new(text))
            }
            Word::Text(_) => {
                self.error(
                    word,
                    "that is not one word of visible ASCII characters",
                    "check the spelling",
                );
                None
            }
        }
    }

    pub(super) fn pagerduty(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Way> {
        let file = entry.get_ref();
        let routing_key = self.must(entry, "pagerduty", "routing_key", file.routing_key.as_ref());
        let url = self.server_url(entry, "pagerduty", Some(PAGERDUTY), allow_private);
        Some(Way::PagerDuty {
            routing_key: routing_key?,
            url: url?,
        })
    }

    pub(super) fn jsm(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Way> {
        let api_key = self.must(entry, "jsm", "api_key", entry.get_ref().api_key.as_ref());
        let url = self.server_url(entry, "jsm", Some(JSM), allow_private);
        Some(Way::Jsm {
            api_key: api_key?,
            url: url?,
        })
    }

    pub(super) fn ntfy(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Ntfy> {
        let file = entry.get_ref();
        let topic = self.must_word(entry, "ntfy", "topic", file.topic.as_ref());
        let token = file.token.as_ref().map(|token| self.named(token, key::read));
        let url = self.server_url(entry, "ntfy", Some(NTFY), allow_private);
        Some(Ntfy {
            url: url?,
            topic: topic?,
            token: match token {
                Some(token) => Some(token?),
                None => None,
            },
        })
    }

    pub(super) fn telegram(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Way> {
        let file = entry.get_ref();
        let token = self.must(entry, "telegram", "token", file.token.as_ref());
        // It stands in a path.
        let fits = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
        if let (Some(here), Some(token)) = (&file.token, &token)
            && !token.expose().chars().all(fits)
        {
            self.error(
                here,
                "that is no token of a bot",
                "it looks like 123456:ABC-def, as @BotFather tells it",
            );
        }
        let url = self.server_url(entry, "telegram", Some(TELEGRAM), allow_private);
        let chat = match &file.chat {
            Some(chat) if is_chat(chat.get_ref()) => Some(chat.get_ref().clone()),
            Some(chat) => {
                let help = "write a chat's id as in \"-1001234567890\", or a public channel's \"@name\"";
                self.error(chat, "that is no chat", help);
                None
            }
            None => {
                self.lacking(
                    entry,
                    "a telegram channel needs chat",
                    "add chat = \"-1001234567890\" or \"@name\"",
                );
                None
            }
        };
        Some(Way::Telegram {
            token: token?,
            chat: chat?,
            thread: file.thread.as_ref().map(|thread| *thread.get_ref()),
            url: url?,
        })
    }

    pub(super) fn alertmanager(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Alertmanager> {
        let file = entry.get_ref();
        let repeat = span_or(self, "repeat", file.repeat.as_ref(), REPEAT, REPEAT_DEFAULT);
        let headers = self.channel_headers(file);
        let url = self.server_url(entry, "alertmanager", None, allow_private)?;
        Some(Alertmanager { url, headers, repeat })
    }

    pub(super) fn apprise(&mut self, entry: &Entry<'_>, allow_private: bool) -> Option<Apprise> {
        let file = entry.get_ref();
        let headers = self.channel_headers(file);
        let url = self.server_url(entry, "apprise", None, allow_private);
        let to = match (&file.key, &file.urls) {
            (Some(key), None) => {
                let tag = file.tag.as_ref().map(|tag| tag.get_ref().clone());
                let here = key;
                let key = self.word_value(key);
                let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if key.as_ref().is_some_and(|key| !key.expose().chars().all(fits)) {
                    self.error(
                        here,
                        "that is no key of Apprise",
                        "use letters, digits, `-`, `_` and `.`",
                    );
                }
                key.map(|key| AppriseTo::Key { key, tag })
            }
            (None, Some(urls)) => self.named(urls, key::read_line).map(AppriseTo::Urls),
            _ => {
                let help = "add key = \"..\", under which the server keeps whom to tell, or urls = { env = \"NAME\" }";
                self.lacking(entry, "an apprise channel has not one of key and urls", help);
                None
            }
        };
        Some(Apprise {
            url: url?,
            to: to?,
            headers,
        })
    }

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
        let from = match &file.from {
            Some(from) => self.mailbox(from),
            None => {
                self.lacking(
                    entry,
                    "an email channel needs from",
                    "add from = \"endturn <endturn@example.com>\"",
                );
                None
            }
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

    pub(super) fn command(&mut self, entry: &Entry<'_>) -> Option<Command> {
        let file = entry.get_ref();
        let Some(command) = &file.command else {
            let help = "add command = [\"/usr/local/bin/page\", \"--loud\"]";
            self.lacking(entry, "a command channel needs command", help);
            return None;
        };
        let argv: Vec<String> = command
            .get_ref()
            .iter()
            .map(|word| word.get_ref().clone())
            .collect();
        if argv.is_empty() || argv.len() > MAX_ARGUMENTS {
            self.error(
                command,
                format!("a command of {} words", argv.len()),
                format!("name a program and its arguments, at most {MAX_ARGUMENTS} words"),
            );
            return None;
        }
        if let Some(word) = command
            .get_ref()
            .iter()
            .find(|word| word.get_ref().contains('\0'))
        {
            self.error(word, "an argument holds a NUL", "take it out");
        }
        let program = &command.get_ref()[0];
        if !program.get_ref().starts_with('/') {
            let help = "write the program's absolute path: no shell and no PATH look for it";
            self.error(program, "the program has no absolute path", help);
        }
        let env = file.env.as_ref().map(Spanned::get_ref);
        Some(Command {
            argv,
            env: self.variables(env),
        })
    }

    fn variables(
        &mut self,
        env: Option<&BTreeMap<Spanned<String>, Spanned<SecretRef>>>,
    ) -> Vec<(String, Secret)> {
        let mut found = Vec::new();
        for (name, reference) in env.into_iter().flatten() {
            let text = name.get_ref();
            if !key::is_variable_name(text) || text.starts_with("ENDTURN_") {
                let help = "use letters, digits and `_`; names with ENDTURN_ are ours";
                self.error(name, "that is no name of a variable for a command", help);
            } else if let Some(secret) = self.named(reference, key::read_line) {
                found.push((text.clone(), secret));
            }
        }
        found
    }
}

/// `-100123`, `123` or `@name`.
fn is_chat(text: &str) -> bool {
    let id = text.parse::<i64>().is_ok();
    let name = text.strip_prefix('@').is_some_and(|name| {
        (4..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    id || name
}
