use std::{fmt::Write as _, time::Duration};

use crate::config::{
    ALERT_AFTER, ALERT_GROUP_WAIT, ALERT_REMIND, AlertGroup, AlertOn, AlertSeverity, Alerts, ConfigError,
    Env, MAX_ALERT_RULES, MAX_ALERT_TARGETS, MAX_QUIET, REMIND_DEFAULT, load_text,
};

const HEAD: &str = r#"
[[provider]]
id = "anthropic"
api_key = { env = "KEY" }
models = ["claude-haiku-4-5"]
"#;

const CHANNELS: &str = r#"
[[channel]]
name = "oncall"
type = "slack"
url = { env = "URL" }
[[channel]]
name = "log"
type = "slack"
url = { env = "URL" }
"#;

fn load(text: &str) -> Result<(Alerts, Vec<String>), Vec<String>> {
    let vars = [("KEY", "k"), ("URL", "https://hooks.example/1")];
    let env = Env {
        vars: vars
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Env::default()
    };
    let lines = |found: &crate::config::Diagnostics| -> Vec<String> {
        found.items().iter().map(|item| item.message.clone()).collect()
    };
    match load_text("endturn.toml", &format!("{HEAD}{text}"), &env) {
        Ok(loaded) => Ok((loaded.config.alerts, lines(&loaded.warnings))),
        Err(ConfigError::Invalid(found)) => Err(lines(&found)),
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn alerts(text: &str) -> Result<Alerts, Vec<String>> {
    load(&format!("{CHANNELS}{text}")).map(|(alerts, _)| alerts)
}

fn rule(rest: &str) -> String {
    format!("[[alert]]\nname = \"r\"\n{rest}\n")
}

#[test]
fn channels_without_a_rule_are_told_what_fails_and_what_blinds_us() {
    let read = alerts("").unwrap();
    let [rule] = read.rules.as_slice() else {
        panic!("{:?}", read.rules);
    };
    assert_eq!(rule.name, "default");
    assert_eq!(rule.channels, ["oncall", "log"]);
    assert_eq!(rule.on, AlertOn::STANDARD);
    assert!(rule.wants("any/thing/at:all"));
    assert_eq!((rule.after, rule.remind), (Duration::ZERO, Some(REMIND_DEFAULT)));
    let (none, warnings) = load("").unwrap();
    assert_eq!(none, Alerts::default(), "no channel, no rule");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_a_rule_leaves_out_has_a_default() {
    let read = alerts(&rule("")).unwrap().rules.remove(0);
    assert_eq!(read.on, AlertOn::DEFAULT);
    assert_eq!(read.channels, ["oncall", "log"], "every channel");
    assert_eq!((read.after, read.remind), (Duration::ZERO, Some(REMIND_DEFAULT)));
    assert_eq!(
        (read.group, read.group_wait),
        (AlertGroup::Provider, Duration::from_secs(5))
    );
    assert_eq!(read.severity, None);
}

#[test]
fn every_key_is_read() {
    let read = alerts(
        "[alerts]\npublic_url = \"https://status.example.com/llm\"\n[[alert]]\nname = \"r\"\n\
         targets = [\"anthropic/*\", \"*haiku*\"]\non = [\"down\", \"model_changed\", \"budget_spent\"]\n\
         after = \"2m\"\nremind = \"never\"\nseverity = \"critical\"\ngroup = \"target\"\ngroup_wait = \"0s\"\n\
         channels = [\"log\"]\n",
    );
    let read = read.unwrap();
    assert_eq!(
        read.public_url.unwrap().as_str(),
        "https://status.example.com/llm"
    );
    let rule = &read.rules[0];
    let globs: Vec<String> = rule.targets.iter().map(ToString::to_string).collect();
    assert_eq!(globs, ["anthropic/*", "*haiku*"]);
    let on: Vec<&str> = rule.on.iter().map(|on| on.as_str()).collect();
    assert_eq!(on, ["down", "model_changed", "budget_spent"]);
    assert_eq!((rule.after, rule.remind), (Duration::from_secs(120), None));
    assert_eq!(
        (rule.severity, rule.group),
        (Some(AlertSeverity::Critical), AlertGroup::Target)
    );
    assert_eq!(
        (rule.group_wait, &rule.channels),
        (Duration::ZERO, &vec!["log".to_owned()])
    );
    for on in AlertOn::all() {
        let read = alerts(&rule_on(on.as_str())).unwrap();
        assert_eq!(read.rules[0].on, [on]);
    }
}

fn rule_on(word: &str) -> String {
    rule(&format!("on = [\"{word}\"]"))
}

#[test]
fn quiet_hours_and_the_least_severity_belong_to_a_channel() {
    let channel = |rest: &str| {
        let text =
            format!("[[channel]]\nname = \"c\"\ntype = \"slack\"\nurl = {{ env = \"URL\" }}\n{rest}\n");
        load(&text).map(|(alerts, _)| alerts.channels.into_iter().next().expect("a channel"))
    };
    let read = channel(
        "min_severity = \"error\"\nquiet = [{ from = \"22:00\", to = \"07:00\", days = [\"mon\", \"sun\"], \
         zone = \"UTC\", unless = \"critical\" }, { from = \"00:00\", to = \"24:00\", zone = \"UTC\" }]",
    );
    let read = read.unwrap();
    assert_eq!(read.min_severity, AlertSeverity::Error);
    assert_eq!((read.quiet[0].from, read.quiet[0].to), (1_320, 420));
    assert_eq!(
        (read.quiet[0].days.len(), read.quiet[0].unless),
        (2, Some(AlertSeverity::Critical))
    );
    assert_eq!((read.quiet[1].to, read.quiet[1].unless), (1_440, None));
    let hours = |rest: &str| channel(&format!("quiet = [{{ {rest} }}]")).unwrap_err();
    for (rest, error) in [
        (
            "from = \"7:00\", to = \"08:00\", zone = \"UTC\"",
            "that is no time of day",
        ),
        (
            "from = \"24:00\", to = \"08:00\", zone = \"UTC\"",
            "that is no time of day",
        ),
        (
            "from = \"22:00\", to = \"24:01\", zone = \"UTC\"",
            "that is no time of day",
        ),
        ("from = \"22:00\", to = \"08:00\"", "missing key `zone`"),
        (
            "from = \"22:00\", to = \"08:00\", zone = \"Mars/Base\"",
            "time zone \"Mars/Base\" is unknown on this machine",
        ),
        (
            "from = \"22:00\", to = \"08:00\", zone = \"UTC\", days = [\"tues\"]",
            "\"tues\" is no day",
        ),
        (
            "from = \"22:00\", to = \"08:00\", zone = \"UTC\", days = []",
            "quiet on no day",
        ),
        (
            "from = \"22:00\", to = \"08:00\", zone = \"UTC\", unless = \"bad\"",
            "unless \"bad\" is unknown",
        ),
        (
            "from = \"22:00\", to = \"08:00\", zone = \"UTC\", until = 1",
            "unknown key `until`",
        ),
    ] {
        assert_eq!(hours(rest), [error], "{rest}");
    }
    assert_eq!(
        channel("min_severity = \"fatal\"").unwrap_err(),
        ["min_severity \"fatal\" is unknown"]
    );
    let many = |n: usize| {
        let one = "{ from = \"22:00\", to = \"07:00\", zone = \"UTC\" }";
        channel(&format!("quiet = [{}]", vec![one; n].join(", ")))
    };
    assert_eq!(many(MAX_QUIET).unwrap().quiet.len(), MAX_QUIET);
    assert_eq!(many(MAX_QUIET + 1).unwrap_err(), ["too many quiet hours"]);
}

#[test]
fn what_is_wrong_is_told() {
    for (rest, error) in [
        ("channels = [\"oncal\"]", "there is no channel \"oncal\""),
        ("channels = [\"log\", \"log\"]", "\"log\" is named twice"),
        ("channels = []", "alert \"r\" has nobody to tell"),
        ("on = [\"dwon\"]", "an alert on \"dwon\" is unknown"),
        ("on = [\"operational\"]", "an alert on \"operational\" is unknown"),
        ("on = [\"down\", \"down\"]", "down is named twice"),
        ("on = []", "an alert on nothing"),
        ("targets = []", "an alert names 0 patterns of targets"),
        (
            "targets = [\"a b\"]",
            "pattern \"a b\" holds ' ', which no target id does",
        ),
        ("severity = \"bad\"", "severity \"bad\" is unknown"),
        ("group = \"all\"", "group \"all\" is unknown"),
        (
            "remind = \"often\"",
            "not a length of time, write it as in \"4h\", or \"never\"",
        ),
        ("until = \"5m\"", "unknown key `until`"),
    ] {
        assert_eq!(alerts(&rule(rest)), Err(vec![error.to_owned()]), "{rest}");
    }
    assert_eq!(
        load(&rule("")).unwrap_err(),
        ["alert \"r\" has nobody to tell"],
        "no channel at all"
    );
    assert_eq!(
        alerts("[[alert]]\non = [\"down\"]\n").unwrap_err(),
        ["missing key `name`"]
    );
    assert_eq!(
        alerts("[[alert]]\nname = \"a b\"\n").unwrap_err(),
        ["that is no name of an alert"]
    );
    assert_eq!(
        alerts(&rule("").repeat(2)).unwrap_err(),
        ["alert \"r\" is there twice"]
    );
    for url in [
        "status.example.com",
        "ftp://x",
        "https://u:p@x",
        "https://x/?a",
        "https://x/#a",
        "",
    ] {
        let read = alerts(&format!("[alerts]\npublic_url = \"{url}\"\n"));
        assert_eq!(
            read.unwrap_err(),
            ["public_url is no plain address of a website"],
            "{url}"
        );
    }
}

#[test]
fn a_channel_with_an_error_of_its_own_is_known_to_rules() {
    let text = "[[channel]]\nname = \"c\"\ntype = \"slak\"\n[[alert]]\nname = \"r\"\nchannels = [\"c\"]\n";
    assert_eq!(load(text).unwrap_err(), ["there is no channel of type \"slak\""]);
}

#[test]
fn what_can_never_be_told_is_a_warning() {
    let warnings = |text: &str| load(&format!("{CHANNELS}{text}")).unwrap().1;
    assert_eq!(
        warnings(&rule("channels = [\"oncall\"]")),
        ["no alert names channel \"log\": nothing is ever told there"]
    );
    assert_eq!(
        warnings(&rule("targets = [\"anthropic/*\", \"openai/*\"]")),
        ["no target of this file matches \"openai/*\""]
    );
}

#[test]
fn limits_hold_at_the_limit() {
    let mut many = String::new();
    for n in 0..MAX_ALERT_RULES {
        writeln!(many, "[[alert]]\nname = \"r{n}\"").unwrap();
    }
    assert_eq!(alerts(&many).unwrap().rules.len(), MAX_ALERT_RULES);
    assert_eq!(
        alerts(&format!("{many}{}", rule(""))).unwrap_err(),
        ["too many alerts"]
    );
    let globs = |n: usize| rule(&format!("targets = [{}]", vec!["\"*\""; n].join(", ")));
    assert_eq!(
        alerts(&globs(MAX_ALERT_TARGETS)).unwrap().rules[0].targets.len(),
        MAX_ALERT_TARGETS
    );
    assert_eq!(alerts(&globs(MAX_ALERT_TARGETS + 1)).unwrap_err().len(), 1);
    for (key, (low, high)) in [
        ("after", ALERT_AFTER),
        ("remind", ALERT_REMIND),
        ("group_wait", ALERT_GROUP_WAIT),
    ] {
        let set = |span: Duration| alerts(&rule(&format!("{key} = \"{}ms\"", span.as_millis())));
        let millisecond = Duration::from_millis(1);
        assert!(set(low).is_ok() && set(high).is_ok(), "{key}");
        assert_eq!(set(high + millisecond).unwrap_err().len(), 1, "{key}");
        if let Some(less) = low.checked_sub(millisecond) {
            assert_eq!(set(less).unwrap_err().len(), 1, "{key}");
        }
    }
}
