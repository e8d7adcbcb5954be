//! The message by which somebody tries a channel.

use super::{Message, MessageKind, Severity, Subject};
use crate::{clock::Timestamp, feed::Time};

/// A marked message: it says that nothing is wrong. `key` names it; no two trials share one.
pub fn trial(channel: &str, vantage: &str, key: String, link: Option<String>, now: Timestamp) -> Message {
    Message {
        alarm: key.clone(),
        key,
        channel: channel.to_owned(),
        rule: "test".to_owned(),
        kind: MessageKind::Test,
        severity: Severity::Info,
        at: Time(now),
        started_at: Time(now),
        ended_at: None,
        vantage: vantage.to_owned(),
        title: format!("Test of channel {channel}: nothing is wrong"),
        subjects: vec![Subject {
            name: "endturn".to_owned(),
            what: "test".to_owned(),
            since: Time(now),
            until: None,
            code: "test".to_owned(),
            text: "Somebody tries this channel. Alerts will come this way.".to_owned(),
            evidence: String::new(),
            official: None,
            incident: None,
            link: link.clone(),
        }],
        more: 0,
        routes: Vec::new(),
        link,
        acknowledged_by: None,
    }
}
