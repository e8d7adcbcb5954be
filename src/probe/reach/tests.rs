use super::*;

#[test]
fn the_path_goes_below_the_base_and_its_query_behind() {
    for (base, path, whole) in [
        ("https://h", "/models", "https://h/models"),
        ("https://h/v1/", "/models?limit=1", "https://h/v1/models?limit=1"),
        (
            "https://h/openai?api-version=1",
            "/models",
            "https://h/openai/models?api-version=1",
        ),
        (
            "https://h?api-version=1",
            "/models?limit=1",
            "https://h/models?limit=1&api-version=1",
        ),
        ("http://127.0.0.1:11434", "/", "http://127.0.0.1:11434/"),
        ("https://h/p", "/m:countTokens", "https://h/p/m:countTokens"),
    ] {
        assert_eq!(url(&base.parse().unwrap(), path), whole);
    }
}

fn answer(body: &[u8], headers: &[(&str, &str)]) -> Timeline {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Timeline {
        status: Some(200),
        headers: headers.iter().map(owned).collect(),
        raw: body.to_vec(),
        ..Timeline::default()
    }
}

/// As far as an answer came it is judged; one that breaks off is no matter of the edge.
#[test]
fn a_body_is_of_its_kind_or_not() {
    let json = || BodyKind::JsonWith("data".to_owned());
    let text = || BodyKind::Text("Ollama is running".to_owned());
    for (kind, body, wrong) in [
        (BodyKind::Any, "<p>", None),
        (BodyKind::Empty, "", None),
        (BodyKind::Empty, " \n", None),
        (BodyKind::Empty, "x", Some("a body where none is expected")),
        (BodyKind::Json, "{}", None),
        (BodyKind::Json, "[1, 2]", None),
        (BodyKind::Json, "{\"a\": [", None),
        (BodyKind::Json, "", None),
        (BodyKind::Json, "<!doctype html>", Some("a body that is no JSON")),
        (BodyKind::Json, "{} trailing", Some("a body that is no JSON")),
        (json(), "{\"data\": []}", None),
        (json(), "{\"object\": \"list\", \"da", None),
        (json(), "{\"portal\": 1}", Some("JSON without \"data\"")),
        (json(), "[]", Some("a body that is no JSON object")),
        (json(), "welcome", Some("a body that is no JSON object")),
        (text(), "Ollama is running", None),
        (text(), "Ollama is running\n", None),
        (text(), "Ollama is", None),
        (
            text(),
            "It works!",
            Some("a body that does not begin with \"Ollama is running\""),
        ),
    ] {
        let seen = unlike(&kind, &answer(body.as_bytes(), &[]));
        assert_eq!(seen.as_deref(), wrong, "{kind:?} {body:?}");
    }
    let empty = answer(b"", &[("content-length", "0")]);
    assert_eq!(unlike(&json(), &empty).as_deref(), Some("an empty body"));
    assert_eq!(unlike(&BodyKind::Empty, &empty), None);
    // A character that the bound cut in two.
    let cut = answer(&"{\"data\": [\"ä".as_bytes()[..11], &[]);
    assert_eq!(unlike(&json(), &cut), None);
}

fn provider(change: impl FnOnce(&mut crate::config::Reach)) -> Provider {
    let mut config = crate::probe::fixture::config(1, Duration::from_secs(60));
    let mut provider = config.providers.remove(0);
    provider.reach.as_mut().map(change).unwrap();
    provider
}

#[test]
fn a_question_may_have_a_body_and_a_host_of_its_own() {
    let asked = call(&provider(|reach| {
        reach.method = "POST".to_owned();
        reach.base_url = Some("https://control.example".parse().unwrap());
        reach.path = "/count".to_owned();
        reach.body = Some("{\"a\":1}".to_owned());
    }))
    .unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.url.as_str()),
        ("POST", "https://control.example/count")
    );
    assert_eq!(
        (&asked.body[..], asked.headers[CONTENT_TYPE].as_bytes()),
        (&b"{\"a\":1}"[..], &b"application/json"[..])
    );
    let plain = call(&provider(|_| ())).unwrap();
    assert_eq!(plain.url, "https://p.example/v1/models");
    assert!(plain.body.is_empty() && !plain.headers.contains_key(CONTENT_TYPE));
}

/// A captive portal says 200, and so does whoever took over the address.
#[test]
fn the_right_status_with_the_wrong_body_is_not_as_expected() {
    let strict = provider(|reach| reach.with_key.body = BodyKind::JsonWith("data".to_owned()));
    for (body, right) in [
        ("{\"data\":[]}", true),
        ("{\"login\":\"here\"}", false),
        ("ok", false),
    ] {
        let judged = judge(&strict, &answer(body.as_bytes(), &[]));
        assert_eq!(judged.verdict == Verdict::Complete, right, "{body}");
        assert_eq!(judged.detail.is_none(), right, "{body}");
    }
    // The other way of asking has an answer of its own.
    let mut without = strict.clone();
    without.key = None;
    let refused = Timeline {
        status: Some(401),
        ..answer(b"{\"error\":{}}", &[])
    };
    assert_eq!(judge(&without, &refused).verdict, Verdict::Complete);
    assert_ne!(
        judge(&without, &answer(b"{\"data\":[]}", &[])).verdict,
        Verdict::Complete
    );
}
