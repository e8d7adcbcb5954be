//! An Apprise API server, which passes on to whatever it knows.

use serde_json::{Value, json};

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity},
        words::{PLAIN, fit, lines, title},
    },
    config::{Apprise, AppriseTo},
};

/// Longest body; Apprise cuts after what the service behind it takes.
pub(super) const MAX_BODY: usize = 32_000;

/// The request.
pub(super) fn post(message: &Message, settings: &Apprise) -> Post {
    let base = settings.url.as_str().trim_end_matches('/');
    let mut body = json!({
        "title": title(message),
        "body": fit(&lines(message, &PLAIN), MAX_BODY),
        "type": kind(message),
        "format": "text",
    });
    let url = match &settings.to {
        AppriseTo::Key { key, tag } => {
            if let Some(tag) = tag {
                body["tag"] = Value::from(tag.as_str());
            }
            format!("{base}/notify/{}", key.expose())
        }
        AppriseTo::Urls(urls) => {
            body["urls"] = Value::from(urls.expose());
            format!("{base}/notify")
        }
    };
    Post::json(&url, &body).with(settings.headers.iter().cloned())
}

const fn kind(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "success",
        (MessageKind::Test | MessageKind::Acknowledged, _) | (_, Severity::Info) => "info",
        (_, Severity::Warning) => "warning",
        (_, Severity::Error | Severity::Critical) => "failure",
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::{
        alert::channel::fixture::{huge, message, shown},
        config::Secret,
    };

    fn settings(to: AppriseTo) -> Apprise {
        Apprise {
            url: Url::parse("http://127.0.0.1:8000/apprise/").unwrap(),
            to,
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_message_is_for_those_kept_under_a_key() {
        let to = AppriseTo::Key {
            key: Secret::new("oncall"),
            tag: Some("night".to_owned()),
        };
        insta::assert_snapshot!(shown(&post(&message(), &settings(to))));
    }

    #[test]
    fn or_for_those_that_are_named() {
        let to = AppriseTo::Urls(Secret::new("json://planted"));
        let post = post(&huge(), &settings(to));
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        assert_eq!(post.url.expose(), "http://127.0.0.1:8000/apprise/notify");
        assert_eq!(body["urls"], "json://planted");
        assert!(body["body"].as_str().unwrap().encode_utf16().count() <= MAX_BODY);
    }
}
