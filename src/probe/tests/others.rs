//! Reach probes, bodies that are no stream, and what is kept of an answer.

use super::*;

async fn reach(key: bool, steps: Vec<Step>) -> Observation {
    let mut job = job(ProbeKind::Reach);
    let mut provider = (*job.provider).clone();
    provider.key = provider.key.filter(|_| key);
    job.provider = Arc::new(provider);
    let seen = play_job(&job, vec![steps]).await;
    assert_eq!(seen.calls[0].url, "http://sim.test/base/v1/models");
    assert_eq!(seen.slow, 0, "no token is awaited");
    assert_eq!(seen.report.observation.with_key, key);
    assert!(seen.report.observation.cost_usd.abs() < 1e-12);
    seen.report.observation
}

#[tokio::test(start_paused = true)]
async fn a_reach_probe_is_judged_by_its_head() {
    const JSON: &str = "content-type: application/json";
    let answer = |status, kind, body: &str| {
        vec![
            Connecting,
            Connected,
            Wait(50),
            Head(status, kind),
            Say(body.to_owned()),
        ]
    };
    let status = |class, status| errored(class, FailedAt::Status(status));
    let table = [
        (true, answer(200, JSON, "{}"), Verdict::Complete),
        (false, answer(401, JSON, "{}"), Verdict::Complete),
        (true, answer(401, JSON, "{}"), status(ErrorClass::Auth, 401)),
        (
            false,
            answer(200, JSON, "{}"),
            errored(ErrorClass::Protocol, FailedAt::Stream),
        ),
        (true, answer(503, JSON, "{}"), status(ErrorClass::Overloaded, 503)),
        (
            true,
            answer(200, "content-type: text/html", "<p>"),
            errored(ErrorClass::Protocol, FailedAt::Stream),
        ),
        (
            true,
            answer(200, JSON, "  <!doctype html>"),
            errored(ErrorClass::Protocol, FailedAt::Stream),
        ),
        (
            true,
            vec![Connecting, Fail(ErrorClass::Tls)],
            errored(ErrorClass::Tls, FailedAt::Transport),
        ),
        (
            true,
            vec![Connecting, Connected, Hang],
            errored(ErrorClass::Timeout, FailedAt::Transport),
        ),
        // A body that breaks or never ends is no matter of the edge.
        (
            true,
            vec![Head(200, JSON), Fail(ErrorClass::Reset)],
            Verdict::Complete,
        ),
        (true, vec![Head(200, JSON), Hang], Verdict::Complete),
    ];
    for (key, steps, verdict) in table {
        let told = format!("{key} {steps:?}");
        let got = reach(key, steps).await;
        assert_eq!(got.verdict, verdict, "{told}");
        assert_eq!(got.expected, verdict == Verdict::Complete, "{told}");
        assert_eq!(got.detail.is_some(), !got.expected, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_http_cannot_carry_is_told_without_being_shown() {
    let mut job = job(ProbeKind::Canary);
    let mut provider = (*job.provider).clone();
    provider.key = Some(Secret::new("sk-\u{1}bad"));
    job.provider = Arc::new(provider);
    let seen = play_job(&job, Vec::new()).await;
    assert!(seen.calls.is_empty(), "nothing was sent");
    let got = &seen.report.observation;
    assert_eq!(
        got.verdict,
        errored(ErrorClass::InvalidRequest, FailedAt::Transport)
    );
    assert!(!format!("{:?}", seen.report).contains("bad\""));
    assert_eq!(got.connection, None);
}

#[tokio::test(start_paused = true)]
async fn the_tail_keeps_the_last_characters() {
    let long = "ä".repeat(200);
    let seen = play(vec![
        Handed,
        Head(200, SSE),
        begin(),
        text(&long),
        Fail(ErrorClass::Reset),
    ])
    .await;
    assert_eq!(
        seen.report.observation.tail,
        Some("ä".repeat(crate::probe::TAIL_CHARS))
    );
    assert_eq!(
        seen.report.timeline.ending,
        Some(Ending::Failed(fault(ErrorClass::Reset)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_200_that_is_no_stream_is_read_whole() {
    const JSON: &str = "content-type: application/json";
    let busy = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
    let (first, rest) = busy.split_at(20);
    let body = |text: &str| Say(text.to_owned());
    let table = [
        (vec![body(first), Wait(100), body(rest)], ErrorClass::Overloaded),
        (vec![body("hello")], ErrorClass::Protocol),
        (vec![body("{"), Hang], ErrorClass::Timeout),
    ];
    for (rest, class) in table {
        let told = format!("{rest:?}");
        let seen = play([vec![Handed, Head(200, JSON)], rest].concat()).await;
        assert_eq!(
            seen.report.observation.verdict,
            errored(class, FailedAt::Stream),
            "{told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_secret_of_a_provider_is_scrubbed() {
    let mut job = job(ProbeKind::Canary);
    let mut provider = (*job.provider).clone();
    provider.base_url = "http://user:pass-1234@sim.test/base?sig=query-5678"
        .parse()
        .unwrap();
    provider.headers = vec![
        ("X-Proxy-Token".to_owned(), "header-9012".to_owned()),
        ("x-team".to_owned(), "red team".to_owned()),
    ];
    job.provider = Arc::new(provider);
    let text = format!("{{\"error\":{{\"message\":\"{KEY} pass-1234 query-5678 header-9012 red team\"}}}}");
    let seen = play_job(&job, vec![vec![Handed, Head(403, SSE), Say(text)]]).await;
    assert_eq!(
        seen.report.observation.detail.as_deref(),
        Some("*** *** *** *** red team")
    );
    assert!(!String::from_utf8_lossy(&seen.report.timeline.raw).contains(KEY));
}
