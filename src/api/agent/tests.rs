use super::{super::fixture::target, *};

#[test]
fn every_line_is_a_whole_statement() {
    for (state, hint, weight, expected) in [
        (State::Operational, Hint::Allow, Some(1.0), "up ready 100%\n"),
        (State::Operational, Hint::Suspect, Some(1.0), "up ready 100%\n"),
        (State::Degraded, Hint::Allow, Some(0.5), "up ready 50%\n"),
        (State::Partial, Hint::Allow, Some(0.42), "up ready 42%\n"),
        (State::Partial, Hint::Avoid, Some(0.0), "up drain\n"),
        (State::Degraded, Hint::Avoid, Some(0.0), "up drain\n"),
        (State::Down, Hint::Avoid, Some(0.0), "ready down #truncated\n"),
        (State::Maintenance, Hint::Avoid, Some(0.0), "up maint\n"),
        (State::Operational, Hint::Ramp, Some(0.05), "up ready 5%\n"),
        (State::Operational, Hint::Ramp, Some(0.25), "up ready 25%\n"),
        (State::Operational, Hint::Throttle, None, "up ready 100%\n"),
        (State::Operational, Hint::Blocked, None, "up ready 100%\n"),
        (State::Unknown, Hint::NoOpinion, None, "up ready 100%\n"),
        // Overridden by a person.
        (State::Operational, Hint::Avoid, Some(0.0), "up drain\n"),
        (State::Unknown, Hint::Avoid, Some(0.0), "up drain\n"),
        (State::Down, Hint::Allow, Some(1.0), "up ready 100%\n"),
        (State::Maintenance, Hint::Allow, Some(1.0), "up ready 100%\n"),
    ] {
        let told = line(Some(&target(state, hint, weight)));
        assert_eq!(told, expected, "{state} {hint:?} {weight:?}");
        // HAProxy keeps whichever half it is not told: up or down, and ready, drain or maint.
        let words: Vec<&str> = told.trim_end().split(' ').collect();
        assert!(words.iter().any(|word| ["up", "down"].contains(word)), "{told}");
        assert!(
            words
                .iter()
                .any(|word| ["ready", "drain", "maint"].contains(word)),
            "{told}"
        );
    }
    assert_eq!(line(None), FREE);
}

#[test]
fn what_may_serve_gets_at_least_one_per_cent() {
    for (share, expected) in [
        (0.0, 1),
        (0.001, 1),
        (0.014, 1),
        (0.015, 2),
        (0.999, 100),
        (7.0, 100),
        (-1.0, 1),
        (f64::NAN, 1),
    ] {
        assert_eq!(percent(share), expected, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_is_named_in_one_line_of_bounded_length() {
    let longest = format!(
        "{}/{}",
        "p".repeat(MAX_PROVIDER_BYTES),
        "m".repeat(MAX_MODEL_BYTES)
    );
    for (what, sent, expected) in [
        ("a line", "a/m\n", Some("a/m")),
        ("a line of Windows", "a/m\r\n", Some("a/m")),
        ("no end of line", "a/m", Some("a/m")),
        ("more than a line", "a/m\nb/n\n", Some("a/m")),
        (
            "slashes",
            "openrouter/meta-llama/llama\n",
            Some("openrouter/meta-llama/llama"),
        ),
        ("the longest", &format!("{longest}\r\n"), Some(longest.as_str())),
        ("one too long", &format!("{longest}m\n"), None),
        ("endless", &"x".repeat(10_000), None),
        ("nothing", "", None),
        ("no model", "anthropic\n", None),
        ("an HTTP request", "GET / HTTP/1.1\r\n\r\n", None),
        ("not text", "\u{0}\u{1}\n", None),
    ] {
        let (mut here, mut there) = tokio::io::duplex(MAX_AGENT_LINE * 100);
        here.write_all(sent.as_bytes()).await.unwrap();
        // It stays open: whoever doesn't end its line is waited for, but not for long.
        let named = named(&mut there, AGENT_LINE_TIMEOUT).await;
        assert_eq!(named.map(|id| id.to_string()).as_deref(), expected, "{what}");
    }
}
