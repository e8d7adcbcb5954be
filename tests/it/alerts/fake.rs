//! Somebody who alarms people, for tests of what the API says.

use endturn::{
    alert::{Alarm, ChannelTold, Phase, Severity},
    api::{Alerting, AlertingError, ChannelStatus, DeadLetter, ResendOrder, TestResult},
    clock::Timestamp,
    feed::Time,
};
use futures_util::future::{BoxFuture, ready};

/// One alarm, one channel that fails, one dead letter; knows the incident `i-open` and the channel `oncall`.
pub(crate) struct Sample;

fn known<T: Send + 'static>(is: bool, what: T) -> BoxFuture<'static, Result<T, AlertingError>> {
    let unknown = || AlertingError::Unknown("there is none of that name".to_owned());
    Box::pin(ready(is.then_some(what).ok_or_else(unknown)))
}

fn at() -> Time {
    Time(Timestamp::from_millis(1_781_960_400_000))
}

impl Alerting for Sample {
    fn alarms(&self) -> Vec<Alarm> {
        vec![Alarm {
            id: "a1".to_owned(),
            rule: "down".to_owned(),
            group: "anthropic".to_owned(),
            phase: Phase::Acknowledged,
            severity: Severity::Critical,
            title: "anthropic: replies are cut".to_owned(),
            started_at: at(),
            ended_at: None,
            acknowledged_by: Some("ada".to_owned()),
            acknowledged_at: Some(at()),
            subjects: Vec::new(),
            more: 0,
            told: vec![ChannelTold {
                channel: "oncall".to_owned(),
                at: at(),
                messages: 2,
                awaits_end: true,
            }],
            link: None,
        }]
    }

    fn channels(&self) -> Vec<ChannelStatus> {
        vec![ChannelStatus {
            name: "oncall".to_owned(),
            r#type: "webhook".to_owned(),
            circuit: "open".to_owned(),
            pending: 1,
            more: false,
            oldest_at: Some(at()),
            next_try_at: Some(at()),
            failures: 3,
            last_success_at: None,
            last_error_at: Some(at()),
            last_error: Some("HTTP 500".to_owned()),
            delivered: 0,
            failed: 3,
            dead: 1,
        }]
    }

    fn dead(&self, _: usize) -> BoxFuture<'_, Result<Vec<DeadLetter>, AlertingError>> {
        let letter = DeadLetter {
            key: "a1.1".to_owned(),
            channel: "oncall".to_owned(),
            alarm: "a1".to_owned(),
            kind: "firing".to_owned(),
            title: "anthropic: replies are cut".to_owned(),
            queued_at: at(),
            given_up_at: at(),
            tries: 1,
            error: None,
        };
        known(true, vec![letter])
    }

    fn ack<'a>(&'a self, incident: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), AlertingError>> {
        known(incident == "i-open", ())
    }

    fn resend(&self, order: ResendOrder) -> BoxFuture<'_, Result<usize, AlertingError>> {
        known(order.channel.as_deref() == Some("oncall"), 1)
    }

    fn test<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<TestResult, AlertingError>> {
        let tested = TestResult {
            channel: channel.to_owned(),
            delivered: false,
            error: Some("HTTP 500".to_owned()),
            took_ms: 12,
            key: "test-1".to_owned(),
        };
        known(channel == "oncall", tested)
    }
}
