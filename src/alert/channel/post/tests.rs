use std::time::Duration;

use super::*;
use crate::alert::channel::fixture::now;

fn slack() -> Way {
    Way::Slack {
        url: Secret::new("https://hooks.example.com/services/planted-secret"),
    }
}

fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
    by(&slack(), status, headers, body)
}

fn by(way: &Way, status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
    let answer = Answer {
        status,
        headers: headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        body: body.to_owned(),
    };
    let secrets = [Secret::new("planted-secret")];
    outcome(&answer, way, "hooks.example.com", &secrets, now())
}

#[test]
fn every_status_means_something() {
    for status in [200, 201, 202, 204] {
        assert_eq!(answered(status, &[], ""), Outcome::Delivered);
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 529, 302, 303, 307] {
        let outcome = answered(status, &[], "");
        assert!(matches!(outcome, Outcome::Later { after: None, .. }), "{status}");
    }
    for status in [301, 304, 308, 400, 401, 403, 404, 405, 410, 413, 422, 424] {
        assert!(
            matches!(answered(status, &[], ""), Outcome::Refused { .. }),
            "{status}"
        );
    }
}

#[test]
fn they_say_how_long_to_wait() {
    for (headers, body, seconds) in [
        (&[("retry-after", "7")][..], "", 7.0),
        (&[("retry-after", "Sat, 20 Jun 2026 13:02:20 GMT")], "", 59.5),
        (
            &[],
            r#"{"message": "You are being rate limited.", "retry_after": 1.25, "global": false}"#,
            1.25,
        ),
        (
            &[],
            r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 31}}"#,
            31.0,
        ),
        (&[("retry-after", "2")], r#"{"retry_after": 99}"#, 2.0),
    ] {
        let Outcome::Later { after, .. } = answered(429, headers, body) else {
            panic!("{headers:?}")
        };
        assert_eq!(
            after,
            Some(Duration::from_secs_f64(seconds)),
            "{headers:?} {body}"
        );
    }
    for headers in [
        &[("retry-after", "soon")][..],
        &[("retry-after", "-1")],
        &[("retry-after", "Sat, 20 Jun 2020 13:02:20 GMT")],
    ] {
        assert!(matches!(
            answered(503, headers, ""),
            Outcome::Later { after: None, .. }
        ));
    }
}

#[test]
fn what_they_say_is_told_in_one_bounded_line_without_secrets() {
    let Outcome::Refused { why } = answered(403, &[], "invalid_token\r\nplanted-secret\u{1b}[2J is gone")
    else {
        panic!()
    };
    assert_eq!(
        why,
        "hooks.example.com answered 403: invalid_token  ***[2J is gone"
    );
    let Outcome::Refused { why } = answered(400, &[], &"planted-secret ".repeat(2_000)) else {
        panic!()
    };
    assert!(why.len() <= MAX_WHY_BYTES && !why.contains("planted"), "{why}");
    let Outcome::Refused { why } = answered(301, &[("location", "http://169.254.169.254/")], "") else {
        panic!()
    };
    assert!(!why.contains("169.254"), "{why}");
}

#[test]
fn apprise_says_by_204_that_nobody_was_told() {
    let apprise = Way::Apprise(crate::config::Apprise {
        url: Url::parse("http://127.0.0.1:8000").unwrap(),
        to: crate::config::AppriseTo::Urls(Secret::new("json://x")),
        headers: Vec::new(),
    });
    assert!(matches!(by(&apprise, 204, &[], ""), Outcome::Refused { .. }));
    assert!(matches!(by(&apprise, 424, &[], ""), Outcome::Later { .. }));
    assert_eq!(by(&apprise, 200, &[], ""), Outcome::Delivered);
}

#[test]
fn secrets_of_a_request_are_known_wherever_they_stand() {
    let body =
        serde_json::json!({"routing_key": "planted-routing", "topic": "planted-topic", "text": "harmless"});
    let post = Post::json(
        "https://u:planted-pass@h.example/bot12:planted-path/send?sig=planted-query",
        &body,
    )
    .with([("authorization".to_owned(), Secret::new("Bearer planted-token"))]);
    let url = Url::parse(post.url.expose()).unwrap();
    let echo =
        "planted-routing planted-topic planted-pass bot12:planted-path planted-query planted-token harmless";
    let secrets = secrets(&post, &url);
    assert_eq!(told(echo, &secrets), "*** *** *** *** *** *** harmless");
    let whole = format!("GET {} failed", post.url.expose());
    assert_eq!(told(&whole, &secrets), "GET *** failed");
}
