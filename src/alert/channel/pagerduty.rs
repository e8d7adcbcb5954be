//! `PagerDuty`, Events API v2: an alarm is one incident there, by its `dedup_key`.

use serde_json::{Value, json};
use url::Url;

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity},
        words::{PLAIN, clean, clip_utf16, fit, lines, plain_id, title},
    },
    config::Secret,
};

/// Longest summary, in characters.
pub(super) const MAX_SUMMARY: usize = 1_024;
/// Longest `dedup_key`.
pub(super) const MAX_DEDUP_KEY: usize = 255;
/// Longest details; an event may have 512 KiB, and nobody reads more than a page.
const MAX_DETAILS: usize = 16_000;

/// The request.
pub(super) fn post(message: &Message, routing_key: &Secret, url: &Url) -> Post {
    let action = match message.kind {
        MessageKind::Resolved => "resolve",
        MessageKind::Acknowledged => "acknowledge",
        MessageKind::Firing
        | MessageKind::Update
        | MessageKind::Reminder
        | MessageKind::Notice
        | MessageKind::Test => "trigger",
    };
    let mut event = json!({
        "routing_key": routing_key.expose(),
        "event_action": action,
        "dedup_key": plain_id(&message.alarm, MAX_DEDUP_KEY),
    });
    if action == "trigger" {
        event["client"] = Value::from("endturn");
        event["payload"] = payload(message);
        if let Some(link) = &message.link {
            let link = clean(link);
            event["links"] = json!([{"href": link, "text": "What endturn sees"}]);
            event["client_url"] = Value::from(link);
        }
    }
    Post::json(url.as_str(), &event)
}

fn payload(message: &Message) -> Value {
    let subject = message.subjects.first();
    json!({
        "summary": clip_utf16(&title(message), MAX_SUMMARY),
        "source": subject.map_or_else(|| "endturn".to_owned(), |subject| clean(&subject.name)),
        "severity": severity(message),
        "timestamp": message.started_at,
        "component": clean(&message.vantage),
        "group": clean(&message.rule),
        "class": subject.map(|subject| clean(&subject.code)),
        "custom_details": {
            "text": fit(&lines(message, &PLAIN), MAX_DETAILS),
            "kind": message.kind,
        },
    })
}

/// A test wakes nobody.
const fn severity(message: &Message) -> &'static str {
    match message.kind {
        MessageKind::Test => Severity::Info.as_str(),
        _ => message.severity.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::fixture::{huge, message, shown};

    fn made(message: &Message) -> Post {
        let url = Url::parse("https://events.pagerduty.com/v2/enqueue").unwrap();
        post(message, &Secret::new("planted-routing-key"), &url)
    }

    fn of(kind: MessageKind) -> Value {
        let message = Message { kind, ..message() };
        serde_json::from_slice(&made(&message).body).unwrap()
    }

    #[test]
    fn a_message_becomes_an_event() {
        insta::assert_snapshot!(shown(&made(&message())));
    }

    #[test]
    fn an_alarm_is_one_incident_from_its_trigger_to_its_end() {
        for (kind, action, has_payload) in [
            (MessageKind::Firing, "trigger", true),
            (MessageKind::Update, "trigger", true),
            (MessageKind::Reminder, "trigger", true),
            (MessageKind::Acknowledged, "acknowledge", false),
            (MessageKind::Resolved, "resolve", false),
        ] {
            let event = of(kind);
            assert_eq!(event["event_action"], action);
            assert_eq!(event["dedup_key"], message().alarm);
            assert_eq!(event.get("payload").is_some(), has_payload);
        }
        assert_eq!(of(MessageKind::Test)["payload"]["severity"], "info");
    }

    #[test]
    fn no_summary_is_longer_than_it_may_be_and_no_key_either() {
        let mut huge = huge();
        huge.alarm = "x".repeat(MAX_DEDUP_KEY);
        let event: Value = serde_json::from_slice(&made(&huge).body).unwrap();
        assert_eq!(event["dedup_key"], huge.alarm.as_str());
        assert!(
            event["payload"]["summary"]
                .as_str()
                .unwrap()
                .encode_utf16()
                .count()
                <= MAX_SUMMARY
        );
        huge.alarm.push('x');
        let event: Value = serde_json::from_slice(&made(&huge).body).unwrap();
        assert_eq!(event["dedup_key"].as_str().unwrap().len(), 32);
    }
}
