//! Discord's webhooks: the title as content, the rest as an embed. Nothing in it mentions anybody.

use serde_json::json;

use super::post::Post;
use crate::{
    alert::{
        message::Message,
        words::{Style, clip_utf16, colour, fit, lines, sign, title},
    },
    config::Secret,
};

/// Longest content, in characters.
pub(super) const MAX_CONTENT: usize = 2_000;
/// Longest description of an embed; all embeds together have 6,000.
pub(super) const MAX_DESCRIPTION: usize = 4_096;

const STYLE: Style = Style {
    text: escape,
    strong: |name| format!("**{}**", escape(name)),
    // In angle brackets no preview is shown.
    link: |url| format!("<{}>", url.replace(['<', '>'], "")),
};

/// Markdown's signs, and `@` and `#`, lose their meaning behind a backslash; a mention is broken by an unseen space.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|>#[]()-<:".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        if c == '@' {
            escaped.push('\u{200b}');
        }
    }
    escaped
}

/// The request.
pub(super) fn post(message: &Message, url: &Secret) -> Post {
    let content = format!("{} **{}**", sign(message), escape(&title(message)));
    let body = json!({
        "content": clip_utf16(&content, MAX_CONTENT),
        "embeds": [{
            "description": fit(&lines(message, &STYLE), MAX_DESCRIPTION),
            "color": colour(message),
            "timestamp": message.at,
        }],
        "allowed_mentions": {"parse": []},
    });
    Post::json(url.expose(), &body)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::alert::channel::fixture::{hostile, huge, message, shown};

    fn url() -> Secret {
        Secret::new("https://discord.com/api/webhooks/1/planted")
    }

    #[test]
    fn a_message_becomes_content_and_an_embed() {
        insta::assert_snapshot!(shown(&post(&message(), &url())));
    }

    #[test]
    fn foreign_text_is_neither_markdown_nor_mention() {
        let body: Value = serde_json::from_slice(&post(&hostile(), &url()).body).unwrap();
        assert_eq!(body["allowed_mentions"], json!({"parse": []}));
        let text = body["embeds"][0]["description"].as_str().unwrap();
        assert!(text.contains(r"\*bold\* \_it\_ \`code\` \[a\]\("));
        assert!(text.contains("@\u{200b}everyone"));
    }

    #[test]
    fn nothing_is_longer_than_discord_takes() {
        let body: Value = serde_json::from_slice(&post(&huge(), &url()).body).unwrap();
        let count = |text: &Value| text.as_str().unwrap().encode_utf16().count();
        let (content, description) = (count(&body["content"]), count(&body["embeds"][0]["description"]));
        assert!(content <= MAX_CONTENT && description <= MAX_DESCRIPTION);
        // It is used, too.
        assert!(description > MAX_DESCRIPTION - 1_200, "{description}");
    }
}
