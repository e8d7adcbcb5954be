use std::{fs, path::Path};

use crate::config::{
    Channel, ConfigError, Env, MAX_CHANNELS, MailTls, Way, WebhookBody,
    channel::{MAX_ARGUMENTS, MAX_RECIPIENTS, resolve::KINDS},
    load,
};

/// What every reference below leads to.
const SECRETS: [(&str, &str); 8] = [
    ("ANTHROPIC_API_KEY", "planted-9f86d081"),
    ("URL", "https://hooks.example.com/in/planted-9f86d081"),
    ("LOCAL", "http://127.0.0.1:9000/planted-9f86d081"),
    ("META", "https://169.254.169.254/planted-9f86d081"),
    ("NOT_URL", "planted-9f86d081"),
    ("WHSEC", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("KEY", "planted-9f86d081"),
    ("BOT", "123:planted-9f86d081"),
];

fn env(dir: &Path) -> Env {
    Env {
        vars: SECRETS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        working_dir: dir.to_owned(),
        system_dir: dir.join("etc"),
        ..Env::default()
    }
}

fn load_text(text: &str) -> Result<Vec<Channel>, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("endturn.toml");
    fs::write(&path, format!("[[provider]]\nid = \"anthropic\"\n{text}\n")).unwrap();
    load(Some(&path), &env(dir.path())).map(|loaded| loaded.config.alerts.channels)
}

fn channel(rest: &str) -> Channel {
    let text = format!("[[channel]]\nname = \"oncall\"\n{rest}");
    let mut channels = load_text(&text).unwrap_or_else(|error| panic!("{rest}: {error}"));
    channels.remove(0)
}

/// What is found wrong, message and help.
fn wrong(rest: &str) -> Vec<(String, String)> {
    let text = format!("[[channel]]\nname = \"oncall\"\n{rest}");
    let Err(ConfigError::Invalid(findings)) = load_text(&text) else {
        panic!("this was taken: {rest}")
    };
    assert!(
        !findings.render(false).contains("planted"),
        "{}",
        findings.render(false)
    );
    let items = findings.items().iter();
    items
        .map(|item| (item.message.clone(), item.help.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn every_type_is_read() {
    for (rest, kind) in [
        ("type = \"webhook\"\nurl = { env = \"URL\" }", "webhook"),
        ("type = \"slack\"\nurl = { env = \"URL\" }", "slack"),
        ("type = \"discord\"\nurl = { env = \"URL\" }", "discord"),
        ("type = \"teams\"\nurl = { env = \"URL\" }", "teams"),
        (
            "type = \"pagerduty\"\nrouting_key = { env = \"KEY\" }",
            "pagerduty",
        ),
        ("type = \"jsm\"\napi_key = { env = \"KEY\" }", "jsm"),
        ("type = \"ntfy\"\ntopic = \"endturn\"", "ntfy"),
        (
            "type = \"ntfy\"\ntopic = { env = \"KEY\" }\ntoken = { env = \"KEY\" }",
            "ntfy",
        ),
        (
            "type = \"telegram\"\ntoken = { env = \"BOT\" }\nchat = \"-100123\"\nthread = 5",
            "telegram",
        ),
        (
            "type = \"email\"\nhost = \"smtp.example.com\"\nfrom = \"a@example.com\"\nto = [\"B <b@example.com>\"]\n\
             user = \"a@example.com\"\npassword = { env = \"KEY\" }",
            "email",
        ),
        (
            "type = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"\nallow_private = true\nrepeat = \"5m\"\n\
             headers = { authorization = { env = \"KEY\" } }",
            "alertmanager",
        ),
        (
            "type = \"apprise\"\nurl = \"https://apprise.example.com\"\nkey = \"oncall\"\ntag = \"x\"",
            "apprise",
        ),
        (
            "type = \"apprise\"\nurl = \"https://apprise.example.com\"\nurls = { env = \"URL\" }",
            "apprise",
        ),
        (
            "type = \"command\"\ncommand = [\"/bin/true\"]\nenv = { TOKEN = { env = \"KEY\" } }",
            "command",
        ),
        ("type = \"desktop\"", "desktop"),
    ] {
        assert_eq!(channel(rest).way.as_str(), kind);
    }
    assert_eq!(KINDS.len(), 13);
}

#[test]
fn what_the_file_leaves_open_has_its_default() {
    let mail = channel(
        "type = \"email\"\nhost = \"mx.example.com\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
    );
    let Way::Email(email) = mail.way else { panic!() };
    assert_eq!((email.port, email.tls), (587, MailTls::StartTls));
    for (tls, port) in [("implicit", 465), ("none", 25)] {
        let rest = format!(
            "type = \"email\"\nhost = \"10.0.0.1\"\nallow_private = true\ntls = \"{tls}\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]"
        );
        let Way::Email(email) = channel(&rest).way else {
            panic!()
        };
        assert_eq!(email.port, port);
    }
    let alertmanager = channel("type = \"alertmanager\"\nurl = \"https://am.example.com/x\"");
    assert_eq!(alertmanager.repeat_every(), Some(super::REPEAT_DEFAULT));
    assert_eq!(alertmanager.timeout, super::CHANNEL_TIMEOUT_DEFAULT);
    assert!(!alertmanager.allow_private);
    assert_eq!(channel("type = \"desktop\"").repeat_every(), None);
    let several = channel(
        "type = \"webhook\"\nurl = { env = \"URL\" }\nsecret = [{ env = \"WHSEC\" }, { env = \"WHSEC\" }]",
    );
    let Way::Webhook(webhook) = several.way else {
        panic!()
    };
    assert_eq!(
        (webhook.secrets.len(), webhook.body),
        (2, WebhookBody::CloudEvents)
    );
}

/// Entries, and the beginnings of what is told of them and of the help.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "type = \"slak\"",
        "there is no channel of type \"slak\"",
        "did you mean \"slack\"?",
    ),
    (
        "type = \"slack\"",
        "a slack channel needs a url",
        "add url = { env",
    ),
    (
        "type = \"slack\"\nurl = \"https://hooks.slack.com/planted\"",
        "the URL of a webhook must not stand in the file",
        "whoever has",
    ),
    (
        "type = \"slack\"\nurl = { env = \"NOT_SET\" }",
        "the environment variable NOT_SET is not set",
        "set it",
    ),
    (
        "type = \"slack\"\nurl = { env = \"NOT_URL\" }",
        "the URL is no http or https URL",
        "write it",
    ),
    (
        "type = \"slack\"\nurl = { env = \"LOCAL\" }",
        "the URL leads to a private address",
        "for a server on this machine",
    ),
    (
        "type = \"slack\"\nurl = { env = \"META\" }\nallow_private = true",
        "the URL leads to an address that no server of yours has",
        "link-local",
    ),
    (
        "type = \"slack\"\nurl = { env = \"URL\" }\ntopic = \"x\"",
        "a slack channel has no `topic`",
        "a slack channel has: name, type, quiet, min_severity, url, timeout, allow_private",
    ),
    (
        "type = \"slack\"\nurl = { env = \"URL\" }\ntimeot = \"1s\"",
        "unknown key `timeot`",
        "did you mean `timeout`? a slack channel has: ",
    ),
    (
        "type = \"slack\"\nurl = { env = \"URL\" }\ntimeout = \"61s\"",
        "timeout is 1m 1s",
        "use 100ms to 1m",
    ),
    (
        "type = \"desktop\"\ntimeout = \"1s\"",
        "a desktop channel has no `timeout`",
        "a desktop channel has: name, type",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nsecret = { env = \"KEY\" }",
        "that is no secret of Standard Webhooks",
        "it is whsec_",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nsecret = \"planted\"",
        "a key must not stand in the file",
        "write { env",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nsecret = [\"planted\"]",
        "a key must not stand in the file",
        "write { env",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nformat = \"xml\"",
        "there is no format \"xml\"",
        "use \"cloudevents\"",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\ntemplate = \"{{ titel }}\"",
        "template: line 1: undefined value",
        "values of a JSON template",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\ntemplate = \"x\"\ncontent_type = \"text\"",
        "that is no content type",
        "write it",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\ncontent_type = \"text/plain\"",
        "only a template needs a content type",
        "take it out",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nheaders = { Webhook-Id = { env = \"KEY\" } }",
        "this header is ours to set",
        "take it out",
    ),
    (
        "type = \"webhook\"\nurl = { env = \"URL\" }\nheaders = { a = \"planted\" }",
        "a key must not stand in the file",
        "write { env",
    ),
    (
        "type = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"",
        "url leads to a private address",
        "for a server",
    ),
    (
        "type = \"alertmanager\"\nurl = \"http://am.example.com\"",
        "url is unencrypted http",
        "use https",
    ),
    (
        "type = \"alertmanager\"\nurl = \"https://u:planted@am.example.com\"",
        "url holds a credential or a query",
        "write the server's",
    ),
    (
        "type = \"alertmanager\"\nurl = \"https://am.example.com\"\nrepeat = \"1s\"",
        "repeat is 1s",
        "use 10s to 1d",
    ),
    (
        "type = \"telegram\"\ntoken = { env = \"URL\" }\nchat = \"-1\"",
        "that is no token of a bot",
        "it looks like",
    ),
    (
        "type = \"telegram\"\ntoken = { env = \"BOT\" }\nchat = \"our chat\"",
        "that is no chat",
        "write a chat's id",
    ),
    (
        "type = \"apprise\"\nurl = \"https://a.example.com\"",
        "an apprise channel has not one of key and urls",
        "add key",
    ),
    (
        "type = \"apprise\"\nurl = \"https://a.example.com\"\nkey = \"a/b\"",
        "that is no key of Apprise",
        "use letters",
    ),
    (
        "type = \"email\"\nhost = \"a b\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
        "that is no host",
        "write it",
    ),
    (
        "type = \"email\"\nhost = \"127.0.0.1\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
        "host is a private address",
        "for a relay",
    ),
    (
        "type = \"email\"\nhost = \"mx.example.com\"\ntls = \"none\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
        "mail would travel in the clear",
        "only a relay",
    ),
    (
        "type = \"email\"\nhost = \"mx.example.com\"\nfrom = \"nobody\"\nto = [\"b@example.com\"]",
        "that is no mail address",
        "write it",
    ),
    (
        "type = \"email\"\nhost = \"mx.example.com\"\nfrom = \"a@example.com\"\nto = []",
        "0 recipients",
        "name 1 to 32",
    ),
    (
        "type = \"email\"\nhost = \"mx.example.com\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\nuser = \"x\"",
        "an email channel has one of user and password",
        "a login has",
    ),
    (
        "type = \"command\"\ncommand = []",
        "a command of 0 words",
        "name a program",
    ),
    (
        "type = \"command\"\ncommand = [\"page\"]",
        "the program has no absolute path",
        "write the program's",
    ),
    (
        "type = \"command\"\ncommand = [\"/bin/page\", \"a\\u0000b\"]",
        "an argument holds a NUL",
        "take it out",
    ),
    (
        "type = \"command\"\ncommand = [\"/bin/page\"]\nenv = { ENDTURN_KEY = { env = \"KEY\" } }",
        "that is no name of a variable for a command",
        "use letters",
    ),
];

#[test]
fn what_cannot_work_is_told_with_what_to_do() {
    for (rest, message, help) in WRONG {
        let found = wrong(rest);
        let [(told, what_to_do)] = &found[..] else {
            panic!("{rest}: {found:?}")
        };
        assert!(told.starts_with(message), "{rest}: {told}");
        assert!(what_to_do.starts_with(help), "{rest}: {what_to_do}");
    }
}

#[test]
fn a_key_that_was_wrong_is_not_missed_besides() {
    let found = wrong("type = \"email\"\nhost = 5\nfrom = 6\nto = [\"b@example.com\"]");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn names_are_plain_and_there_once() {
    let desktop = |name: &str| format!("[[channel]]\nname = {name:?}\ntype = \"desktop\"\n");
    let many: String = (0..MAX_CHANNELS)
        .map(|number| desktop(&number.to_string()))
        .collect();
    assert_eq!(load_text(&many).unwrap().len(), MAX_CHANNELS);
    for (text, message) in [
        (desktop("on call"), "that is no name of a channel"),
        (desktop("a") + &desktop("a"), "channel \"a\" is there twice"),
        (many + &desktop("more"), "too many channels"),
        (
            "[[channel]]\ntype = \"desktop\"\n".to_owned(),
            "a channel needs a name",
        ),
    ] {
        let Err(ConfigError::Invalid(findings)) = load_text(&text) else {
            panic!("{text}")
        };
        assert_eq!(findings.items()[0].message, message);
    }
}

#[test]
fn lists_are_bounded() {
    let to = |count: usize| vec!["\"b@example.com\""; count].join(", ");
    let mail = |count| {
        format!(
            "type = \"email\"\nhost = \"mx.example.com\"\nfrom = \"a@example.com\"\nto = [{}]",
            to(count)
        )
    };
    let command = |count: usize| {
        format!(
            "type = \"command\"\ncommand = [{}]",
            vec!["\"/bin/true\""; count].join(", ")
        )
    };
    channel(&mail(MAX_RECIPIENTS));
    channel(&command(MAX_ARGUMENTS));
    assert_eq!(wrong(&mail(MAX_RECIPIENTS + 1)).len(), 1);
    assert_eq!(wrong(&command(MAX_ARGUMENTS + 1)).len(), 1);
}

/// Every key of every type stands in the reference.
#[test]
fn the_channels_reference_names_every_key() {
    let docs = include_str!("../../../docs/channels.md");
    for kind in &KINDS {
        let heading = format!("## `{}`", kind.name);
        let from = docs
            .find(&heading)
            .unwrap_or_else(|| panic!("no section {heading}"));
        let rest = &docs[from + heading.len()..];
        let section = rest.find("\n## ").map_or(rest, |end| &rest[..end]);
        for key in kind.keys {
            let named = [format!("`{key}`"), format!("\n{key} = "), format!("\n# {key} = ")];
            assert!(
                named.iter().any(|name| section.contains(name)),
                "{key} of {}",
                kind.name
            );
        }
    }
}

/// The entries that the reference shows are right as they stand.
#[test]
fn what_the_channels_reference_shows_works() {
    let docs = include_str!("../../../docs/channels.md");
    let mut shown = 0;
    for block in docs
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
    {
        if !block.contains("[[channel]]") {
            continue;
        }
        shown += block.matches("[[channel]]").count();
        // Whatever they refer to is there.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endturn.toml");
        let provider = "[[provider]]\nid = \"anthropic\"\n";
        fs::write(&path, format!("{provider}{block}")).unwrap();
        let mut env = env(dir.path());
        for name in block
            .split("env = \"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
        {
            let value = match name {
                _ if name.contains("URLS") => "json://localhost",
                _ if name.contains("URL") => "https://hooks.example.com/x",
                _ if name.contains("SECRET") => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                _ => "123:abc",
            };
            env.vars.insert(name.to_owned(), value.to_owned());
        }
        load(Some(&path), &env).unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(shown >= KINDS.len(), "{shown} entries");
}
