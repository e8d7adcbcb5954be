use super::*;
use crate::intake::otlp::facts::{Facts, Told, Value};

/// A span of a model call that failed by that error with those words.
fn failed(error: &'static str, words: &'static str, more: &[(&str, Value<'static>)]) -> String {
    let mut facts = Facts::default();
    let error = (!error.is_empty()).then(|| ("error.type", Value::Text(error.into())));
    for (name, value) in error.into_iter().chain(more.iter().cloned()) {
        let name = Facts::name(name.as_bytes()).unwrap();
        facts.tell(name, value);
    }
    told(&Span {
        failed: true,
        message: words.into(),
        facts,
        ..Span::default()
    })
}

fn told(span: &Span<'_>) -> String {
    let Judged { verdict, http_status } = judge(span);
    let at = match verdict {
        Verdict::Errored(Failure {
            at: FailedAt::Stream, ..
        }) => " within",
        Verdict::Errored(Failure {
            at: FailedAt::Transport,
            ..
        }) => " before",
        _ => "",
    };
    format!("{verdict}{at} {}", http_status.unwrap_or_default())
}

/// Error, words of the status, further attributes, and what is made of them.
type Row<'a> = (
    &'static str,
    &'static str,
    &'a [(&'static str, Value<'static>)],
    &'static str,
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn errors_are_told_apart() {
    const BEGAN: &[(&str, Value<'static>)] = &[("gen_ai.response.time_to_first_chunk", Value::Double(0.3))];
    let rows: &[Row<'_>] = &[
        // By status, wherever it stands.
        ("529", "", &[], "errored(overloaded) 529"),
        (
            "APIStatusError",
            "Error code: 529 - {'type': 'error'}",
            &[],
            "errored(overloaded) 529",
        ),
        (
            "InternalServerError",
            "Error code: 500 - x",
            &[],
            "errored(server_error) 500",
        ),
        (
            "X",
            "Request failed with status code 503",
            &[],
            "errored(overloaded) 503",
        ),
        (
            "X",
            "",
            &[("http.response.status_code", Value::Int(401))],
            "errored(auth) 401",
        ),
        (
            "RateLimitError",
            "Error code: 429 - {'error': {'code': 'insufficient_quota'}}",
            &[],
            "errored(quota) 429",
        ),
        (
            "RateLimitError",
            "Error code: 429 - {\"error\": {\"code\": \"rate_limit_exceeded\"}}",
            &[],
            "errored(rate_limit) 429",
        ),
        ("X", "Error code: 999", &[], "errored(protocol) before 0"),
        // By name.
        (
            "openai.RateLimitError",
            "slow down",
            &[],
            "errored(rate_limit) 429",
        ),
        ("anthropic.OverloadedError", "", &[], "errored(overloaded) 529"),
        (
            "litellm.exceptions.ServiceUnavailableError",
            "",
            &[],
            "errored(overloaded) 503",
        ),
        ("AuthenticationError", "", &[], "errored(auth) 401"),
        ("openai.NotFoundError", "", &[], "errored(model_not_found) 404"),
        ("ThrottlingException", "", &[], "errored(rate_limit) 429"),
        (
            "AI_APICallError",
            "Too Many Requests",
            &[],
            "errored(rate_limit) 429",
        ),
        ("AI_APICallError", "Overloaded", &[], "errored(overloaded) 529"),
        (
            "APIError",
            "The server had an error",
            BEGAN,
            "errored(server_error) within 0",
        ),
        ("APIError", "Overloaded", BEGAN, "errored(overloaded) 529"),
        (
            "APIError",
            "the model is overloaded now",
            BEGAN,
            "errored(overloaded) within 0",
        ),
        // The transport.
        (
            "<class 'openai.APITimeoutError'>",
            "",
            &[],
            "errored(timeout) before 0",
        ),
        (
            "<class 'json.decoder.JSONDecodeError'>",
            "Unterminated string",
            &[],
            "truncated(garbled) 0",
        ),
        ("timeout", "", &[], "errored(timeout) before 0"),
        ("httpx.ReadTimeout", "", BEGAN, "errored(timeout) within 0"),
        ("dns", "", &[], "errored(dns) before 0"),
        ("tls", "", &[], "errored(tls) before 0"),
        ("connect", "", &[], "errored(connect) before 0"),
        (
            "APIConnectionError",
            "Connection error.",
            &[],
            "errored(connect) before 0",
        ),
        (
            "APIConnectionError",
            "Connection error.",
            BEGAN,
            "truncated(cut) 0",
        ),
        ("ConnectionResetError", "", &[], "errored(reset) before 0"),
        ("ECONNRESET", "", BEGAN, "truncated(cut) 0"),
        (
            "httpx.RemoteProtocolError",
            "Server disconnected without sending a response.",
            &[],
            "errored(reset) before 0",
        ),
        (
            "httpx.RemoteProtocolError",
            "peer closed connection without sending complete message body (incomplete chunked read)",
            &[],
            "truncated(cut) 0",
        ),
        (
            "requests.exceptions.ChunkedEncodingError",
            "",
            BEGAN,
            "truncated(cut) 0",
        ),
        ("stream_truncated", "", &[], "truncated(cut) 0"),
        // Whoever asked.
        ("asyncio.CancelledError", "", BEGAN, "errored(cancelled) within 0"),
        ("AbortError", "", &[], "errored(cancelled) before 0"),
        ("GeneratorExit", "", BEGAN, "errored(cancelled) within 0"),
        ("ValueError", "", BEGAN, "errored(cancelled) within 0"),
        ("ValueError: what it was", "", &[], "errored(cancelled) before 0"),
        // The reply.
        ("LengthFinishReasonError", "", &[], "limited 0"),
        ("ContentFilterFinishReasonError", "", &[], "refused 0"),
        // Nothing known: half evidence, unless an end was seen before.
        ("_OTHER", "", &[], "errored(protocol) before 0"),
        ("", "", &[], "errored(protocol) before 0"),
        (
            "Boom",
            "",
            &[("gen_ai.response.finish_reasons", Value::Text("stop".into()))],
            "unknown 0",
        ),
        (
            "Boom",
            "",
            &[("gen_ai.response.finish_reasons", Value::Text("error".into()))],
            "truncated(cut) 0",
        ),
    ];
    for (error, words, more, wanted) in rows {
        assert_eq!(failed(error, words, more), *wanted, "{error:?} {words:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn an_end_that_is_not_told_is_no_good_one() {
    let text = |text: &'static str| Value::Text(text.into());
    let finish = "gen_ai.response.finish_reasons";
    for (name, more, wanted) in [
        ("chat", &[(finish, text("stop"))][..], "complete 0"),
        (
            "chat",
            &[(finish, text("stop")), (finish, text("length"))],
            "limited 0",
        ),
        (
            "chat",
            &[(finish, text("[\"stop\", null, \"tool_calls\"]"))],
            "complete 0",
        ),
        (
            "chat",
            &[
                (finish, text("None")),
                ("gen_ai.request.stream", Value::Bool(true)),
            ],
            "truncated(cut) 0",
        ),
        (
            "chat",
            &[("gen_ai.request.stream", Value::Bool(true))],
            "truncated(cut) 0",
        ),
        ("chat", &[("llm.is_streaming", text("True"))], "truncated(cut) 0"),
        (
            "chat",
            &[("gen_ai.response.time_to_first_chunk", Value::Double(0.2))],
            "truncated(cut) 0",
        ),
        ("ai.streamText.doStream", &[], "truncated(cut) 0"),
        ("ai.generateText.doGenerate", &[], "complete 0"),
        (
            "chat",
            &[("gen_ai.request.stream", Value::Bool(false))],
            "complete 0",
        ),
        (
            "chat",
            &[("gen_ai.usage.output_tokens", Value::Int(5))],
            "complete 0",
        ),
        ("chat", &[("gen_ai.response.id", text("r"))], "unknown 0"),
        ("chat", &[], "unknown 0"),
        // The newer name wins over the older, whichever comes first.
        (
            "chat",
            &[
                (finish, text("length")),
                ("llm.response.finish_reason", text("stop")),
            ],
            "limited 0",
        ),
        (
            "chat",
            &[
                ("llm.response.finish_reason", text("stop")),
                (finish, text("length")),
            ],
            "limited 0",
        ),
    ] {
        let mut facts = Facts::default();
        for (name, value) in more {
            facts.tell(Facts::name(name.as_bytes()).unwrap(), value.clone());
        }
        let span = Span {
            name: name.into(),
            facts,
            ..Span::default()
        };
        assert_eq!(told(&span), wanted, "{name} {more:?}");
    }
}

#[test]
fn of_a_long_message_only_the_beginning_is_looked_at() {
    let long = |before: usize| format!("{}error code: 529", "é".repeat(before / 2));
    let status = |words: String| {
        let span = Span {
            failed: true,
            message: words.into(),
            ..Span::default()
        };
        judge(&span).http_status
    };
    assert_eq!(status(long(MAX_MESSAGE_BYTES - 16)), Some(529));
    assert_eq!(status(long(MAX_MESSAGE_BYTES)), None);
}
