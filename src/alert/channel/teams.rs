//! Workflows of Microsoft Teams: an adaptive card. All text stands in runs, which know no markup.

use serde_json::{Value, json};

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity},
        words::{PLAIN, clean, lines, sign, title},
    },
    config::Secret,
};

/// Largest message in bytes that Teams takes.
pub(super) const MAX_BYTES: usize = 28 << 10;

/// The request.
pub(super) fn post(message: &Message, url: &Secret) -> Post {
    let mut lines = lines(message, &PLAIN);
    loop {
        let post = Post::json(url.expose(), &card(message, &lines));
        if post.body.len() <= MAX_BYTES || lines.len() <= 1 {
            return post;
        }
        lines.truncate(lines.len() - 2);
        lines.push("…".to_owned());
    }
}

fn card(message: &Message, lines: &[String]) -> Value {
    let paragraphs = lines.split(String::is_empty).filter(|lines| !lines.is_empty());
    let mut body = vec![json!({
        "type": "RichTextBlock",
        "inlines": [{
            "type": "TextRun",
            "text": format!("{} {}", sign(message), title(message)),
            "weight": "Bolder",
            "size": "Large",
            "color": colour(message),
        }],
    })];
    body.extend(paragraphs.map(|lines| {
        json!({
            "type": "RichTextBlock",
            "inlines": [{"type": "TextRun", "text": lines.join("\n")}],
        })
    }));
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    });
    if let Some(link) = &message.link {
        content["actions"] = json!([{"type": "Action.OpenUrl", "title": "Open", "url": clean(link)}]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": content,
        }],
    })
}

const fn colour(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "Good",
        (MessageKind::Test | MessageKind::Acknowledged, _) | (_, Severity::Info) => "Accent",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Error | Severity::Critical) => "Attention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::fixture::{hostile, huge, message, shown};

    fn url() -> Secret {
        Secret::new("https://prod-00.westeurope.logic.azure.com/workflows/x?sig=planted")
    }

    #[test]
    fn a_message_becomes_a_card() {
        insta::assert_snapshot!(shown(&post(&message(), &url())));
    }

    #[test]
    fn foreign_text_stands_in_runs_only() {
        let body: Value = serde_json::from_slice(&post(&hostile(), &url()).body).unwrap();
        for block in body["attachments"][0]["content"]["body"].as_array().unwrap() {
            assert_eq!(block["type"], "RichTextBlock");
            assert_eq!(block["inlines"][0]["type"], "TextRun");
        }
    }

    #[test]
    fn no_card_is_larger_than_teams_takes() {
        let size = post(&huge(), &url()).body.len();
        assert!((MAX_BYTES - 4_096..=MAX_BYTES).contains(&size), "{size}");
    }
}
