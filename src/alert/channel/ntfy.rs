//! ntfy, as JSON to the server's root.

use serde_json::{Value, json};

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity},
        words::{CUT, PLAIN, clean, clip, lines, title},
    },
    config::{Ntfy, Secret},
};

/// Longest message in bytes; of a longer one the server makes an attachment, or refuses it.
pub(super) const MAX_MESSAGE_BYTES: usize = 4_096;
/// Largest body in bytes that a server reads: twice the message.
pub(super) const MAX_BODY_BYTES: usize = 8_192;

/// The request.
pub(super) fn post(message: &Message, settings: &Ntfy) -> Post {
    let mut lines = lines(message, &PLAIN);
    let headers = settings.token.iter().map(|token| {
        let bearer = format!("Bearer {}", token.expose());
        ("authorization".to_owned(), Secret::new(&bearer))
    });
    let headers: Vec<_> = headers.collect();
    let post = |text: &str| Post::json(settings.url.as_str(), &body(message, settings, text));
    loop {
        let text = clip(&lines.join("\n"), MAX_MESSAGE_BYTES).into_owned();
        let made = post(&text);
        if made.body.len() <= MAX_BODY_BYTES || lines.len() <= 1 {
            return made.with(headers);
        }
        // Escapes make it longer than the text is.
        lines.truncate(lines.len() - 2);
        lines.push(CUT.to_owned());
    }
}

fn body(message: &Message, settings: &Ntfy, text: &str) -> Value {
    let (priority, tag) = manner(message);
    let mut body = json!({
        "topic": settings.topic.expose(),
        "title": title(message),
        "message": text,
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = &message.link {
        body["click"] = Value::from(clean(link));
    }
    body
}

/// Priority from 1 to 5, and the tag that is shown as a sign.
const fn manner(message: &Message) -> (u8, &'static str) {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => (3, "white_check_mark"),
        (MessageKind::Test, _) => (3, "wrench"),
        (MessageKind::Acknowledged, _) => (2, "eyes"),
        (_, Severity::Info) => (2, "information_source"),
        (_, Severity::Warning) => (3, "warning"),
        (_, Severity::Error) => (4, "warning"),
        (_, Severity::Critical) => (5, "rotating_light"),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::alert::channel::fixture::{huge, message, shown};

    fn settings() -> Ntfy {
        Ntfy {
            url: Url::parse("https://ntfy.sh").unwrap(),
            topic: Secret::new("planted-topic"),
            token: Some(Secret::new("tk_planted")),
        }
    }

    #[test]
    fn a_message_becomes_a_notification() {
        insta::assert_snapshot!(shown(&post(&message(), &settings())));
    }

    #[test]
    fn neither_message_nor_body_is_longer_than_the_server_takes() {
        let made = post(&huge(), &settings());
        assert!(made.body.len() <= MAX_BODY_BYTES);
        let body: Value = serde_json::from_slice(&made.body).unwrap();
        let length = body["message"].as_str().unwrap().len();
        assert!(
            (MAX_MESSAGE_BYTES - 8..=MAX_MESSAGE_BYTES).contains(&length),
            "{length}"
        );
        // Signs that take two bytes in JSON.
        let mut quoted = huge();
        quoted.subjects[0].text = "\"\\".repeat(250);
        quoted.subjects = vec![quoted.subjects[0].clone(); 20];
        assert!(post(&quoted, &settings()).body.len() <= MAX_BODY_BYTES);
    }
}
