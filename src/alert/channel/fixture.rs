//! A message to try channels with, and requests as text.

use super::post::Post;
use crate::{alert::message::Message, clock::Timestamp, config::SAMPLE};

/// The sample that templates are checked with, which is a message.
pub(super) fn message() -> Message {
    serde_json::from_str(SAMPLE).unwrap()
}

/// Some seconds after it was decided.
pub(super) fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-06-20T13:01:20.500Z").unwrap()
}

/// A message whose every text is hostile.
pub(super) fn hostile() -> Message {
    let text = "<!channel> <https://evil.example|click> @everyone *bold* _it_ `code` [a](https://evil.example) \
                & \"q\" \r\nBcc: x@evil.example\r\n\0 \u{202e}txet ~~s~~ ||spoiler|| # {{DATE(2026)}} ${x}";
    let mut message = message();
    text.clone_into(&mut message.title);
    for subject in &mut message.subjects {
        text.clone_into(&mut subject.text);
        subject.official = Some(text.to_owned());
        text.clone_into(&mut subject.evidence);
    }
    message.routes = vec![text.to_owned()];
    message
}

/// A message with as many and as long texts as there can be.
pub(super) fn huge() -> Message {
    let mut message = message();
    message.title = "&<ü🔴".repeat(400);
    let mut subject = message.subjects[0].clone();
    subject.text = "&<ü🔴".repeat(400);
    subject.official = Some("&<ü🔴".repeat(400));
    subject.evidence = "&<ü🔴".repeat(400);
    message.subjects = vec![subject; 20];
    message.more = 1_000;
    message.routes = vec!["&<ü🔴".repeat(400); 20];
    message
}

/// A request as text.
pub(super) fn shown(post: &Post) -> String {
    let headers: Vec<String> = post
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.expose()))
        .collect();
    let headers = headers.concat();
    let body = match serde_json::from_slice::<serde_json::Value>(&post.body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
        Err(_) => String::from_utf8(post.body.clone()).unwrap(),
    };
    format!(
        "POST {}\ncontent-type: {}\n{headers}\n{body}",
        post.url.expose(),
        post.content_type
    )
}
