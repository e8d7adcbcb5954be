//! What each type of channel is made from.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use toml::Spanned;

use super::{
    Alertmanager, Apprise, AppriseTo, Command, Ntfy, REPEAT, REPEAT_DEFAULT, Template, Way, Webhook,
    WebhookBody,
    file::ChannelFile,
    resolve::{Entry, span_or},
};
use crate::config::{Secret, file::SecretRef, key, resolve::Resolver};

/// Most words of a command.
pub const MAX_ARGUMENTS: usize = 64;
/// Shortest and longest signing key in bytes, as Standard Webhooks has it.
pub const SIGNING_KEY_BYTES: (usize, usize) = (24, 64);
/// What the services are reached at unless the file says.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
const JSM: &str = "https://api.atlassian.com/jsm/ops/integration/v2/alerts";
const NTFY: &str = "https://ntfy.sh";
const TELEGRAM: &str = "https://api.telegram.org";

/// The key of a Standard Webhooks secret, `whsec_` and base64 with or without its padding.
pub fn signing_key(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose().strip_prefix("whsec_")?;
    let key = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
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
