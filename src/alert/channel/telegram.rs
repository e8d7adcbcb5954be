//! Telegram's bots: plain text, so that nothing in it is markup.

use serde_json::{Value, json};
use url::Url;

use super::post::Post;
use crate::{
    alert::{
        message::{Message, Severity},
        words::{PLAIN, clip_utf16, lines, sign, title},
    },
    config::Secret,
};

/// Longest text, in UTF-16 units.
pub(super) const MAX_TEXT: usize = 4_096;

/// The request.
pub(super) fn post(message: &Message, token: &Secret, chat: &str, thread: Option<i64>, url: &Url) -> Post {
    let mut all = vec![format!("{} {}", sign(message), title(message)), String::new()];
    all.extend(lines(message, &PLAIN));
    let mut body = json!({
        "chat_id": chat,
        "text": clip_utf16(&all.join("\n"), MAX_TEXT),
        "link_preview_options": {"is_disabled": true},
        "disable_notification": message.severity == Severity::Info,
    });
    if let Some(thread) = thread {
        body["message_thread_id"] = Value::from(thread);
    }
    let base = url.as_str().trim_end_matches('/');
    Post::json(&format!("{base}/bot{}/sendMessage", token.expose()), &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::fixture::{huge, message, shown};

    fn made(message: &Message) -> Post {
        let url = Url::parse("https://api.telegram.org").unwrap();
        post(message, &Secret::new("1:planted"), "-100123", Some(7), &url)
    }

    #[test]
    fn a_message_becomes_plain_text() {
        insta::assert_snapshot!(shown(&made(&message())));
    }

    #[test]
    fn no_text_is_longer_than_telegram_takes() {
        let body: Value = serde_json::from_slice(&made(&huge()).body).unwrap();
        let units = body["text"].as_str().unwrap().encode_utf16().count();
        assert!((MAX_TEXT - 3..=MAX_TEXT).contains(&units), "{units}");
    }
}
