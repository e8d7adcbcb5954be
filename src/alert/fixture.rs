//! A message for the tests of what carries it.

use super::{Message, MessageKind, Severity};
use crate::{clock::Timestamp, feed::Time};

/// The beginning of an alarm, at the beginning of time.
pub(crate) fn message(channel: &str, key: &str, alarm: &str) -> Message {
    Message {
        key: key.to_owned(),
        channel: channel.to_owned(),
        alarm: alarm.to_owned(),
        rule: "down".to_owned(),
        kind: MessageKind::Firing,
        severity: Severity::Error,
        at: Time(Timestamp::default()),
        started_at: Time(Timestamp::default()),
        ended_at: None,
        vantage: "here".to_owned(),
        title: String::new(),
        subjects: Vec::new(),
        more: 0,
        routes: Vec::new(),
        link: None,
        acknowledged_by: None,
    }
}
