use super::*;

fn kind_of(scope: &str, body: &'static str, event: &'static str, name: &'static str) -> Option<Kind> {
    let mut record = Record {
        body: body.into(),
        event: event.into(),
        ..Record::default()
    };
    record.facts.tell(Name::Event, Value::Text(name.into()));
    kind(scope, &record)
}

#[test]
fn its_events_are_known_by_body_event_or_attribute() {
    let scope = "com.anthropic.claude_code.events";
    let error = Some(Kind::Failed { attempt: 1 });
    for (scope, body, event, name, wanted) in [
        (
            scope,
            "claude_code.api_request",
            "",
            "api_request",
            Some(Kind::Worked),
        ),
        ("", "claude_code.api_request", "", "", Some(Kind::Worked)),
        ("", "", "claude_code.api_error", "", error),
        ("", "", "", "claude_code.api_error", error),
        (scope, "", "", "api_error", error),
        (
            scope,
            "claude_code.api_retries_exhausted",
            "",
            "",
            Some(Kind::GaveUp),
        ),
        (scope, "claude_code.user_prompt", "", "user_prompt", None),
        (scope, "claude_code.api_request_body", "", "", None),
        (scope, "", "", "", None),
        ("my.app", "", "", "api_error", None),
        ("my.app", "api_error", "", "", None),
    ] {
        assert_eq!(
            kind_of(scope, body, event, name),
            wanted,
            "{scope} {body} {event} {name}"
        );
    }
}

#[test]
fn attempts_count_once() {
    let at = |s: u64| Timestamp::from_millis(0).plus(Duration::from_secs(s));
    let mut attempts = Attempts::default();
    let mut tell = |request: u64, attempt: u64, s: u64| {
        let mut changes = Changes::new();
        let fresh = attempts.fresh(&mut changes, request, attempt, at(s));
        attempts.apply(changes, at(s));
        fresh
    };
    assert_eq!(tell(1, 11, 0), 11, "one record for all of them");
    assert_eq!(tell(1, 11, 1), 11, "the next request, as long");
    assert_eq!(tell(2, 1, 0), 1, "one record for each");
    assert_eq!(tell(2, 2, 5), 1);
    assert_eq!(tell(2, 4, 9), 2, "one was lost");
    assert_eq!(tell(2, 1, 20), 1, "another request");
    assert_eq!(tell(2, 3, 20 + 600), 3, "too long ago to be the same");
    assert_eq!(tell(3, u64::MAX, 0), MAX_ATTEMPTS);
    // Within one body as over several.
    let mut changes = Changes::new();
    let all: u64 = (1..=11).map(|n| attempts.fresh(&mut changes, 7, n, at(0))).sum();
    assert_eq!(all, 11);
}

#[test]
fn requests_are_bounded() {
    let at = Timestamp::from_millis(0);
    let mut attempts = Attempts::default();
    for request in 0..=MAX_REQUESTS as u64 {
        let mut changes = Changes::new();
        attempts.fresh(&mut changes, request, 2, at);
        attempts.apply(changes, at);
        assert!(attempts.0.len() <= MAX_REQUESTS);
    }
    let mut changes = Changes::new();
    assert_eq!(
        attempts.fresh(&mut changes, MAX_REQUESTS as u64, 3, at),
        1,
        "the last is known"
    );
}

#[test]
fn the_form_of_a_models_name_tells_who_serves_it() {
    for (model, wanted) in [
        ("claude-haiku-4-5-20251001", "anthropic"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("claude-sonnet-4-5@20250929", "vertex-claude"),
        ("claude@home", "anthropic"),
    ] {
        let mut event = Event::default();
        event.tell(Name::Model, Value::Text(model.into()));
        assert_eq!(event.call(), Some(Call::named(wanted, model)), "{model}");
    }
    assert_eq!(Event::default().call(), None);
}

#[test]
fn how_a_request_failed_is_told_by_status_then_by_words() {
    for (status, error, wanted) in [
        ("529", "Overloaded", "errored(overloaded)"),
        ("500", "Internal server error", "errored(server_error)"),
        (
            "429",
            "This request would exceed your account's rate limit",
            "errored(rate_limit)",
        ),
        ("401", "OAuth token has expired", "errored(auth)"),
        ("200", "Overloaded", "errored(overloaded)"),
        ("undefined", "Request was aborted.", "errored(cancelled)"),
        ("undefined", "Request timed out.", "errored(timeout)"),
        ("undefined", "Connection error.", "errored(connect)"),
        (
            "",
            "The socket connection was closed unexpectedly. For more information, pass `verbose: true`",
            "errored(reset)",
        ),
        ("undefined", "?", "errored(protocol)"),
        ("0", "?", "errored(protocol)"),
    ] {
        let mut event = Event::default();
        event.tell(Name::Status, Value::Text(status.into()));
        event.tell(Name::Error, Value::Text(error.into()));
        assert_eq!(event.failure().to_string(), wanted, "{status} {error}");
    }
}
