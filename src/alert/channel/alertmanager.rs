//! Prometheus' Alertmanager, API v2: an alert a subject, which it groups, silences and routes on as it is told to.
//!
//! An alert there is its labels: what may change while an alarm lasts (state, code, text) is annotation. Only the
//! severity is a label all the same, because routes are chosen by it; so each message ends the alerts of the other
//! severities, which costs nothing where there are none. It takes an alert that isn't told again for over once `endsAt`
//! has passed: that lies [`MISSES`] intervals ahead of each telling, so that a daemon that dies leaves no alarm behind.

use std::time::Duration;

use serde_json::{Value, json};

use super::post::Post;
use crate::{
    alert::{
        message::{Message, MessageKind, Severity, Subject},
        words::{clean, clip, title},
    },
    clock::Timestamp,
    config::Alertmanager,
    feed::Time,
};

/// So many tellings may be missed before an alarm is taken for over; Prometheus allows its alerts as many.
pub(super) const MISSES: u32 = 4;
/// How long an alert stands that has no end of its own: a notice, and a test.
pub(super) const NOTICE: Duration = Duration::from_secs(300);
/// Longest label and annotation, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 1_024;

/// The request.
pub(super) fn post(message: &Message, settings: &Alertmanager, now: Timestamp) -> Post {
    let mut alerts = Vec::new();
    let whole = [of_itself(message)];
    let subjects = if message.subjects.is_empty() {
        &whole
    } else {
        &message.subjects[..]
    };
    for subject in subjects {
        let over = message.kind == MessageKind::Resolved || subject.until.is_some();
        let ends = if over {
            let ended = subject.until.or(message.ended_at).unwrap_or(message.at);
            ended.0.min(now)
        } else if matches!(message.kind, MessageKind::Notice | MessageKind::Test) {
            now.plus(NOTICE)
        } else {
            now.plus(settings.repeat * MISSES)
        };
        alerts.push(alert(message, subject, message.severity, ends));
        if message.kind != MessageKind::Firing {
            let others = Severity::ALL
                .into_iter()
                .filter(|other| *other != message.severity);
            alerts.extend(others.map(|other| alert(message, subject, other, now)));
        }
    }
    let base = settings.url.as_str().trim_end_matches('/');
    Post::json(&format!("{base}/api/v2/alerts"), &Value::Array(alerts)).with(settings.headers.iter().cloned())
}

/// A message about nothing in particular, such as a test, is about ourselves.
fn of_itself(message: &Message) -> Subject {
    Subject {
        name: "endturn".to_owned(),
        what: message.kind.as_str().to_owned(),
        since: message.started_at,
        until: message.ended_at,
        code: String::new(),
        text: message.title.clone(),
        evidence: String::new(),
        official: None,
        incident: None,
        link: None,
    }
}

fn alert(message: &Message, subject: &Subject, severity: Severity, ends: Timestamp) -> Value {
    // An end before the start is refused.
    let starts = subject.since.0.min(ends);
    let mut labels = json!({
        "alertname": alert_name(message),
        "alarm": value(&message.alarm),
        "rule": value(&message.rule),
        "severity": severity.as_str(),
        "vantage": value(&message.vantage),
        "target": value(&subject.name),
    });
    if let Some((provider, model)) = subject.name.split_once('/') {
        labels["provider"] = Value::from(value(provider));
        labels["model"] = Value::from(value(model));
    }
    let mut annotations = json!({
        "summary": value(&title(message)),
        "description": value(&subject.text),
        "state": value(&subject.what),
        "code": value(&subject.code),
        "evidence": value(&subject.evidence),
    });
    for (name, text) in [
        ("official", subject.official.as_deref()),
        ("acknowledged_by", message.acknowledged_by.as_deref()),
        ("incident", subject.incident.as_deref()),
    ] {
        if let Some(text) = text {
            annotations[name] = Value::from(value(text));
        }
    }
    if !message.routes.is_empty() {
        annotations["routes"] = Value::from(value(&message.routes.join("; ")));
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": Time(starts),
        "endsAt": Time(ends),
    });
    if let Some(link) = subject.link.as_ref().or(message.link.as_ref()) {
        alert["generatorURL"] = Value::from(clean(link));
    }
    alert
}

/// After the rule, so that routes and silences can go by it: `endturn_down`.
fn alert_name(message: &Message) -> String {
    let word: String = message
        .rule
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    match message.kind {
        MessageKind::Test => "endturn_test".to_owned(),
        _ => format!("endturn_{}", clip(&word, 128)),
    }
}

fn value(text: &str) -> String {
    clip(&clean(text), MAX_VALUE_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::alert::channel::fixture::{huge, message, now, shown};

    fn made(message: &Message) -> Post {
        let settings = Alertmanager {
            url: Url::parse("http://127.0.0.1:9093/am/").unwrap(),
            headers: Vec::new(),
            repeat: Duration::from_secs(60),
        };
        post(message, &settings, now())
    }

    fn alerts(message: &Message) -> Vec<Value> {
        serde_json::from_slice(&made(message).body).unwrap()
    }

    #[test]
    fn a_message_becomes_an_alert_a_subject() {
        insta::assert_snapshot!(shown(&made(&message())));
    }

    #[test]
    fn an_alert_outlasts_missed_tellings_and_ends_when_it_is_over() {
        let firing = alerts(&message());
        assert_eq!(firing[0]["endsAt"], "2026-06-20T13:05:20.500Z");
        let ended = Time(Timestamp::from_rfc3339("2026-06-20T13:01:15Z").unwrap());
        let resolved = alerts(&Message {
            kind: MessageKind::Resolved,
            ended_at: Some(ended),
            ..message()
        });
        assert_eq!(resolved[0]["endsAt"], "2026-06-20T13:01:15.000Z");
        assert_eq!(resolved[0]["labels"], firing[0]["labels"]);
        for alert in &resolved {
            assert!(alert["startsAt"].as_str() <= alert["endsAt"].as_str());
        }
    }

    #[test]
    fn a_severity_that_changes_leaves_no_other_alert_behind() {
        let update = alerts(&Message {
            kind: MessageKind::Update,
            severity: Severity::Warning,
            ..message()
        });
        let standing: Vec<_> = update
            .iter()
            .map(|alert| {
                let ends = alert["endsAt"].as_str().unwrap();
                (
                    alert["labels"]["severity"].as_str().unwrap(),
                    ends > "2026-06-20T13:01:20.500Z",
                )
            })
            .collect();
        assert_eq!(
            standing,
            [
                ("warning", true),
                ("info", false),
                ("error", false),
                ("critical", false)
            ]
        );
    }

    #[test]
    fn a_notice_and_a_test_end_by_themselves() {
        for kind in [MessageKind::Notice, MessageKind::Test] {
            let made = alerts(&Message { kind, ..message() });
            assert_eq!(made[0]["endsAt"], "2026-06-20T13:06:20.500Z");
        }
    }

    #[test]
    fn values_are_bounded() {
        for alert in alerts(&huge()) {
            for text in alert["annotations"].as_object().unwrap().values() {
                assert!(text.as_str().unwrap().len() <= MAX_VALUE_BYTES);
            }
        }
    }
}
