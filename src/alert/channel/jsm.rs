//! Jira Service Management, integration events: an alarm is one alert there, by its alias.

use serde_json::json;
use url::Url;

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity},
        words::{PLAIN, clean, clip_utf16, fit, lines, plain_id, title},
    },
    config::Secret,
};

/// Longest message, in characters.
pub(super) const MAX_MESSAGE: usize = 130;
/// Longest alias.
pub(super) const MAX_ALIAS: usize = 512;
/// Longest description.
pub(super) const MAX_DESCRIPTION: usize = 15_000;
/// Longest entity, user and source.
const MAX_NAME: usize = 100;

/// The request.
pub(super) fn post(message: &Message, api_key: &Secret, url: &Url) -> Post {
    let alias = plain_id(&message.alarm, MAX_ALIAS);
    let base = url.as_str().trim_end_matches('/');
    let (url, body) = match message.kind {
        MessageKind::Resolved => (act(base, &alias, "close"), note(message)),
        MessageKind::Acknowledged => (act(base, &alias, "acknowledge"), note(message)),
        MessageKind::Firing
        | MessageKind::Update
        | MessageKind::Reminder
        | MessageKind::Notice
        | MessageKind::Test => (base.to_owned(), alert(message, &alias)),
    };
    let key = format!("GenieKey {}", api_key.expose());
    Post::json(&url, &body).with([("authorization".to_owned(), Secret::new(&key))])
}

fn act(base: &str, alias: &str, action: &str) -> String {
    format!("{base}/{alias}/{action}?identifierType=alias")
}

fn note(message: &Message) -> serde_json::Value {
    let user = message.acknowledged_by.as_deref().unwrap_or("endturn");
    json!({
        "source": "endturn",
        "user": clip_utf16(&clean(user), MAX_NAME),
        "note": fit(&lines(message, &PLAIN), MAX_DESCRIPTION),
    })
}

fn alert(message: &Message, alias: &str) -> serde_json::Value {
    let subject = message.subjects.first();
    json!({
        "message": clip_utf16(&title(message), MAX_MESSAGE),
        "alias": alias,
        "description": fit(&lines(message, &PLAIN), MAX_DESCRIPTION),
        "entity": clip_utf16(&subject.map_or_else(|| "endturn".to_owned(), |it| clean(&it.name)), MAX_NAME),
        "source": "endturn",
        "priority": priority(message),
        "tags": ["endturn", message.kind.as_str(), message.severity.as_str()],
        "details": {
            "rule": clean(&message.rule),
            "vantage": clean(&message.vantage),
            "link": message.link.as_deref().map(clean).unwrap_or_default(),
        },
    })
}

const fn priority(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Test, _) | (_, Severity::Info) => "P5",
        (_, Severity::Warning) => "P3",
        (_, Severity::Error) => "P2",
        (_, Severity::Critical) => "P1",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::alert::channel::fixture::{huge, message, shown};

    fn made(message: &Message) -> Post {
        let url = Url::parse("https://api.atlassian.com/jsm/ops/integration/v2/alerts").unwrap();
        post(message, &Secret::new("planted-api-key"), &url)
    }

    #[test]
    fn a_message_becomes_an_alert() {
        insta::assert_snapshot!(shown(&made(&message())));
    }

    #[test]
    fn what_follows_goes_to_the_alert_of_that_alias() {
        for (kind, end) in [
            (MessageKind::Acknowledged, "/acknowledge?identifierType=alias"),
            (MessageKind::Resolved, "/close?identifierType=alias"),
        ] {
            let post = made(&Message { kind, ..message() });
            assert!(post.url.expose().ends_with(&format!("/{}{end}", message().alarm)));
        }
    }

    #[test]
    fn nothing_is_longer_than_it_may_be() {
        let mut huge = huge();
        huge.alarm = "x/".repeat(400);
        let alert: Value = serde_json::from_slice(&made(&huge).body).unwrap();
        let count = |name: &str| alert[name].as_str().unwrap().encode_utf16().count();
        assert!(count("message") <= MAX_MESSAGE && count("message") > MAX_MESSAGE - 4);
        assert!(count("description") <= MAX_DESCRIPTION);
        assert_eq!(count("alias"), 32);
    }
}
