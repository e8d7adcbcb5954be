//! What a report may say and what that means.

use super::*;

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-06-20T13:00:00Z").unwrap()
}

fn read(json: &str) -> Result<Observation, String> {
    let wire: Outcome<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    wire.observation(&mut Names::default(), Trust::Full, now())
}

/// The example of the contract.
#[test]
fn a_report_becomes_an_observation() {
    let seen = read(
        r#"{"id":"req_0182","target":"anthropic/claude-haiku-4-5","at":"2026-06-20T12:59:30Z","reporter":"litellm-prod-1",
            "verdict":"errored","error":"overloaded","http_status":529,"stop_reason":"end_turn","ttft_ms":412,"e2e_ms":1900,
            "input_tokens":20,"output_tokens":120,"some_day":{"new":[1]}}"#,
    )
    .unwrap();
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(seen.target.to_string(), "anthropic/claude-haiku-4-5");
    assert_eq!(
        (seen.at, seen.started),
        (now(), now().minus(Duration::from_secs(30)))
    );
    assert_eq!(
        (seen.source, seen.trust, seen.cost_usd),
        (Source::Report, Trust::Full, 0.0)
    );
    let failure = Failure {
        class: ErrorClass::Overloaded,
        at: FailedAt::Status(529),
    };
    assert_eq!(
        (seen.verdict, seen.http_status),
        (Verdict::Errored(failure), Some(529))
    );
    assert_eq!(
        (seen.phases.first_token, seen.phases.end, seen.phases.terminal),
        (ms(412), ms(1900), None)
    );
    assert_eq!((seen.usage.input, seen.usage.output), (Some(20), Some(120)));
    assert_eq!(seen.stop_reason.as_deref(), Some("end_turn"));
    assert_eq!(seen.reporter.as_deref(), Some("litellm-prod-1"));
    assert_eq!(
        (seen.request_id.as_deref(), seen.detail.as_deref()),
        (Some("req_0182"), Some("overloaded"))
    );
}

#[test]
fn every_verdict_has_its_meaning() {
    let failed = |class, at| Verdict::Errored(Failure { class, at });
    for (members, wanted) in [
        (r#""verdict":"complete""#, Verdict::Complete),
        (r#""verdict":"truncated""#, Verdict::Truncated(Truncation::Cut)),
        (r#""verdict":"limited""#, Verdict::Limited),
        (r#""verdict":"refused""#, Verdict::Refused),
        (
            r#""verdict":"cancelled""#,
            failed(ErrorClass::Cancelled, FailedAt::Transport),
        ),
        (
            r#""verdict":"cancelled","ttft_ms":3"#,
            failed(ErrorClass::Cancelled, FailedAt::Stream),
        ),
        // Our own words, then the provider's with its status, then nothing that could be told.
        (
            r#""verdict":"errored","error":"timeout""#,
            failed(ErrorClass::Timeout, FailedAt::Transport),
        ),
        (
            r#""verdict":"errored","error":"reset","ttft_ms":3"#,
            failed(ErrorClass::Reset, FailedAt::Stream),
        ),
        (
            r#""verdict":"errored","error":"rate_limit","http_status":429"#,
            failed(ErrorClass::RateLimit, FailedAt::Status(429)),
        ),
        (
            r#""verdict":"errored","error":"overloaded_error","http_status":529"#,
            failed(ErrorClass::Overloaded, FailedAt::Status(529)),
        ),
        (
            r#""verdict":"errored","error":"insufficient_quota","http_status":429"#,
            failed(ErrorClass::Quota, FailedAt::Status(429)),
        ),
        (
            r#""verdict":"errored","http_status":401"#,
            failed(ErrorClass::Auth, FailedAt::Status(401)),
        ),
        (
            r#""verdict":"errored","http_status":503"#,
            failed(ErrorClass::Overloaded, FailedAt::Status(503)),
        ),
        (
            r#""verdict":"errored","error":"server_error","http_status":200"#,
            failed(ErrorClass::ServerError, FailedAt::Stream),
        ),
        (
            r#""verdict":"errored","error":"KeyError: 'x'""#,
            failed(ErrorClass::Protocol, FailedAt::Transport),
        ),
        (
            r#""verdict":"errored""#,
            failed(ErrorClass::Protocol, FailedAt::Transport),
        ),
    ] {
        let seen = read(&format!(r#"{{"target":"a/m",{members}}}"#)).unwrap();
        assert_eq!(seen.verdict, wanted, "{members}");
    }
}

#[test]
fn a_target_is_named_in_one_way_or_the_other() {
    for (members, wanted) in [
        (r#""target":"a/m/x""#, Ok("a/m/x")),
        (r#""provider":"a","model":"m/x""#, Ok("a/m/x")),
        (r#""target":"a/m","provider":"a","model":"m""#, Ok("a/m")),
        (r#""target":"a/m","provider":"a""#, Ok("a/m")),
        (
            r#""target":"a/m","provider":"b""#,
            Err("another provider or model"),
        ),
        (r#""provider":"a""#, Err("target is missing")),
        (r#""target":"am""#, Err("am")),
        (r#""target":"a/<m>""#, Err("<")),
    ] {
        let read = read(&format!(r#"{{"verdict":"complete",{members}}}"#));
        match (read, wanted) {
            (Ok(seen), Ok(id)) => assert_eq!(seen.target.to_string(), id),
            (Err(why), Err(part)) => assert!(why.contains(part), "{members}: {why}"),
            (read, _) => panic!("{members}: {read:?}"),
        }
    }
}

/// Each limit, at it and beyond it.
#[test]
fn limits_are_held() {
    let report = |member: String| format!(r#"{{"target":"a/m","verdict":"complete",{member}}}"#);
    let text = |name: &str, n: usize| report(format!(r#""{name}":"{}""#, "x".repeat(n)));
    let number = |name: &str, n: f64| report(format!(r#""{name}":{n}"#));
    let ms = MAX_MS;
    let tokens = MAX_TOKENS as f64;
    for (what, good, bad) in [
        ("id", text("id", MAX_ID_BYTES), text("id", MAX_ID_BYTES + 1)),
        ("id", text("id", 1), text("id", 0)),
        (
            "reporter",
            text("reporter", MAX_REPORTER_BYTES),
            text("reporter", MAX_REPORTER_BYTES + 1),
        ),
        ("ttft_ms", number("ttft_ms", ms), number("ttft_ms", ms + 1.0)),
        ("e2e_ms", number("e2e_ms", 0.0), number("e2e_ms", -0.1)),
        (
            "input_tokens",
            number("input_tokens", tokens),
            number("input_tokens", tokens + 1.0),
        ),
        (
            "output_tokens",
            number("output_tokens", tokens),
            number("output_tokens", tokens + 1.0),
        ),
        (
            "http_status",
            number("http_status", 100.0),
            number("http_status", 99.0),
        ),
        (
            "http_status",
            number("http_status", 599.0),
            number("http_status", 600.0),
        ),
        (
            "ttft_ms",
            report(r#""ttft_ms":5,"e2e_ms":5"#.to_owned()),
            report(r#""ttft_ms":6,"e2e_ms":5"#.to_owned()),
        ),
        (
            "at",
            report(r#""at":"2026-06-20T15:00:00+02:00""#.to_owned()),
            report(r#""at":"yesterday""#.to_owned()),
        ),
    ] {
        assert!(read(&good).is_ok(), "{good}");
        let why = read(&bad).expect_err(&bad);
        assert!(why.contains(what), "{bad}: {why}");
    }
    let cut = read(&report(format!(
        r#""stop_reason":"{}""#,
        "ä".repeat(MAX_STOP_REASON_BYTES)
    )))
    .unwrap();
    assert_eq!(cut.stop_reason.unwrap().len(), MAX_STOP_REASON_BYTES);
}

#[test]
fn a_clock_that_is_ahead_is_not_believed() {
    let seen = read(r#"{"target":"a/m","verdict":"complete","at":"2027-01-01T00:00:00Z"}"#).unwrap();
    assert_eq!(seen.started, now());
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    for (json, part) in [
        (r#"{"target":"a/m"}"#, "verdict is missing"),
        (
            r#"{"target":"a/m","verdict":"fine"}"#,
            "\"fine\" is unknown, known are complete",
        ),
        (r#"{"target":7,"verdict":"complete"}"#, "invalid type"),
        (
            r#"{"target":"a/m","verdict":"complete","http_status":-1}"#,
            "invalid value",
        ),
        (
            r#"{"target":"a/m","verdict":"truncated","kind":"torn"}"#,
            "\"torn\" is unknown, known are cut",
        ),
        (
            r#"{"target":"a/m","verdict":"complete","source":"canary"}"#,
            "known are report, tap",
        ),
        (
            r#"{"target":"a/m","verdict":"complete","gap_ms":3,"e2e_ms":2}"#,
            "gap_ms is longer than e2e_ms",
        ),
    ] {
        let why = read(json).expect_err(json);
        assert!(why.contains(part), "{json}: {why}");
    }
}

/// What a tap judged says the same when it comes back as a report.
#[test]
fn what_is_told_of_an_observation_reads_back() {
    let ms = |ms| Some(Duration::from_millis(ms));
    let failed = |class, at| Verdict::Errored(Failure { class, at });
    let mut verdicts = vec![
        Verdict::Complete,
        Verdict::Limited,
        Verdict::Refused,
        Verdict::Unknown,
    ];
    verdicts.extend(Truncation::ALL.map(Verdict::Truncated));
    for class in ErrorClass::ALL {
        verdicts.push(failed(class, FailedAt::Transport));
        verdicts.push(failed(class, FailedAt::Stream));
        verdicts.push(failed(class, FailedAt::Status(529)));
    }
    for verdict in verdicts {
        let mut seen = Observation::new("a/m/x".parse().unwrap(), now(), Source::Tap, verdict);
        seen.started = now().minus(Duration::from_millis(1_900));
        seen.http_status = match verdict {
            Verdict::Errored(Failure {
                at: FailedAt::Status(status),
                ..
            }) => Some(status),
            Verdict::Errored(Failure {
                at: FailedAt::Transport,
                ..
            }) => None,
            _ => Some(200),
        };
        seen.phases.connect = ms(30);
        if seen.http_status == Some(200) {
            seen.phases.first_token = ms(412);
            seen.phases.first_output = ms(420);
            seen.phases.last_token = ms(1_800);
            seen.phases.gap_max = ms(90);
        }
        seen.phases.end = ms(1_900);
        seen.phases.terminal = ms(1_900).filter(|_| verdict == Verdict::Complete);
        (seen.usage.input, seen.usage.output, seen.usage.reasoning) = (Some(20), Some(120), Some(7));
        seen.stop_reason = Some("end_turn".to_owned());
        seen.served_model = Some("m-20260101".to_owned());
        seen.fingerprint = Some("fp_1".to_owned());
        seen.retry_after = ms(3_000);
        seen.reporter = Some("tap".to_owned());
        seen.region = Some("fra".to_owned());
        if verdict != Verdict::Complete {
            seen.request_id = Some("req_1".to_owned());
            seen.detail = Some("why".to_owned());
        }
        let told = serde_json::to_string(&Outcome::of(&seen)).unwrap();
        assert_eq!(read(&told).unwrap(), seen, "{told}");
    }
}

/// A tool that was called and a turn that was paused are whole replies for whoever reports.
#[test]
fn a_call_is_told_as_complete() {
    let seen = Observation::new(
        "a/m".parse().unwrap(),
        now(),
        Source::Tap,
        Verdict::OffScript(crate::verdict::OffScript::ToolUse),
    );
    let told = serde_json::to_string(&Outcome::of(&seen)).unwrap();
    assert_eq!(read(&told).unwrap().verdict, Verdict::Complete);
}
