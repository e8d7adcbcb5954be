//! Slack's incoming webhooks: Block Kit, with the title as text for notifications.

use serde_json::{Value, json};

use super::post::Post;
use crate::{
    alert::{
        message::Message,
        words::{CUT, Style, clip_utf16, fit, lines, sign, title},
    },
    config::Secret,
};

/// Longest text of a section, in characters; Slack refuses a longer one (`invalid_blocks`).
pub(super) const MAX_SECTION: usize = 3_000;
/// Longest text of a header.
pub(super) const MAX_HEADER: usize = 150;
/// Most sections: 50 blocks are taken, but ten are more than anybody reads.
pub(super) const MAX_SECTIONS: usize = 10;

const STYLE: Style = Style {
    text: escape,
    strong: |name| format!("*{}*", escape(name)),
    link: |url| format!("<{}>", escape(url)),
};

/// The three signs that mean something to Slack; without them no text can mention, link or name a channel.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The request.
pub(super) fn post(message: &Message, url: &Secret) -> Post {
    let title = format!("{} {}", sign(message), title(message));
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": header(&title)},
    })];
    blocks.extend(sections(&lines(message, &STYLE)));
    let body = json!({
        "text": escape(&title),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    Post::json(url.expose(), &body)
}

/// A header knows no markup, but the three signs are escaped there too; none is cut in half.
fn header(title: &str) -> String {
    let most = (0..=MAX_HEADER).rev();
    let texts = most.map(|most| escape(&clip_utf16(title, most)));
    let mut fitting = texts.filter(|text| text.encode_utf16().count() <= MAX_HEADER);
    fitting.next().unwrap_or_default()
}

/// Lines in as few sections as hold them; `verbatim` keeps Slack from making links and mentions of its own.
fn sections(lines: &[String]) -> Vec<Value> {
    let units = |text: &str| text.encode_utf16().count();
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        match texts.last_mut() {
            Some(text) if units(text) + units(line) < MAX_SECTION => {
                text.push('\n');
                text.push_str(line);
            }
            _ => texts.push(fit(std::slice::from_ref(line), MAX_SECTION)),
        }
    }
    if texts.len() > MAX_SECTIONS {
        texts.truncate(MAX_SECTIONS - 1);
        texts.push(CUT.to_owned());
    }
    texts
        .into_iter()
        .filter(|text| !text.trim().is_empty())
        .map(|text| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::fixture::{hostile, huge, message, shown};

    fn url() -> Secret {
        Secret::new("https://hooks.slack.com/services/T000/B000/planted")
    }

    #[test]
    fn a_message_becomes_blocks() {
        insta::assert_snapshot!(shown(&post(&message(), &url())));
    }

    #[test]
    fn foreign_text_mentions_nobody() {
        let body = String::from_utf8(post(&hostile(), &url()).body).unwrap();
        assert!(!body.contains("<!channel>") && !body.contains("<https://evil"));
        assert!(body.contains("&lt;!channel&gt; &lt;https://evil.example|click&gt;"));
    }

    #[test]
    fn no_block_is_longer_than_slack_takes() {
        let body: Value = serde_json::from_slice(&post(&huge(), &url()).body).unwrap();
        let blocks = body["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 1 + MAX_SECTIONS);
        for (number, block) in blocks.iter().enumerate() {
            let text = block["text"]["text"].as_str().unwrap();
            let most = if number == 0 { MAX_HEADER } else { MAX_SECTION };
            assert!(
                (1..=most).contains(&text.encode_utf16().count()),
                "{number}: {}",
                text.len()
            );
            assert!(!text.contains("&l…") && !text.contains("&am…"));
        }
    }

    #[test]
    fn a_section_is_filled_to_its_limit() {
        let line = "x".repeat(MAX_SECTION);
        let texts = sections(std::slice::from_ref(&line));
        assert_eq!(texts[0]["text"]["text"], line.as_str());
        let longer = sections(&[format!("{line}x")]);
        assert_eq!(longer[0]["text"]["text"], CUT);
    }
}
