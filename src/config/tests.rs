use std::{
    collections::BTreeMap, fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration,
};

use super::{error::Report, resolve::Defaults, *};

/// Loads that text from a fresh directory, with a key for every hosted preset.
fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("endturn.toml");
    fs::write(&path, text).unwrap();
    load(Some(&path), &env(dir.path()))
}

fn env(dir: &Path) -> Env {
    let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"];
    Env {
        vars: keys.map(|name| (name.to_owned(), "k".to_owned())).into(),
        working_dir: dir.to_owned(),
        config_home: None,
        state_home: None,
        system_dir: dir.join("etc"),
    }
}

fn messages(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid(findings)) => {
            findings.items().iter().map(|item| item.message.clone()).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn the_shipped_canary_is_countable() {
    let presets = Presets::load(None, &mut Report::default());
    let canary = presets.canary("count20").unwrap();
    let Answer::Words(words) = &canary.answer else {
        panic!("{:?}", canary.answer);
    };
    assert_eq!((words.len(), canary.sentinels.len()), (20, 30));
    assert_eq!((words[0].as_str(), words[19].as_str()), ("one", "twenty"));
    assert_eq!(canary.prompt.matches("SENTINEL_WORD").count(), 1);
    let mut sorted = canary.sentinels.clone();
    sorted.dedup();
    assert_eq!(sorted.len(), 30);
}

#[test]
fn the_embedded_defaults_are_whole_and_agree_with_the_types() {
    let mut report = Report::default();
    let defaults = Defaults::embedded(&mut report);
    assert!(report.seal().is_empty());
    let limits = defaults.provider.limits.unwrap();
    let own = ProbeLimits::default();
    for (read, own) in [
        (limits.connect, own.connect),
        (limits.head, own.head),
        (limits.first_token, own.first_token),
        (limits.gap, own.gap),
        (limits.content_gap, own.content_gap),
        (limits.total, own.total),
    ] {
        assert_eq!(read.unwrap().get_ref().0, own);
    }
    let loaded = load_text("[[provider]]\nid = \"anthropic\"\n").unwrap();
    assert_eq!(loaded.config.vantage, "local");
    assert_eq!(
        loaded.config.providers[0].models[0]
            .canary
            .as_ref()
            .unwrap()
            .every,
        Duration::from_secs(60)
    );
}

/// The entry that limits are tried on.
const ENTRY: &str = "[[provider]]\nid = \"anthropic\"\n";

/// Each limit lets its own value pass and the next one not.
fn check_limits(rows: &[(&str, String, String)]) {
    for (what, within, beyond) in rows {
        assert_eq!(messages(within), Vec::<String>::new(), "{what}");
        assert_eq!(messages(beyond).len(), 1, "{what}: {:?}", messages(beyond));
    }
}

#[test]
fn counts_and_sizes_are_held_at_the_limit() {
    let entry = ENTRY;
    let providers = |n: usize| {
        (0..n).fold(String::new(), |mut text, n| {
            let _ = writeln!(
                text,
                "[[provider]]\nid = \"p{n}\"\npreset = \"anthropic\"\ncanary = false\n"
            );
            text
        })
    };
    let models = |n: usize| {
        let names: Vec<_> = (0..n).map(|n| format!("\"m{n}\"")).collect();
        format!("{entry}canary = false\nmodels = [{}]\n", names.join(","))
    };
    let anchors = |n: usize| {
        let hosts: Vec<_> = (0..n).map(|n| format!("\"10.0.0.{n}:443\"")).collect();
        format!("[network]\nanchors = [{}]\n{entry}", hosts.join(","))
    };
    let headers = |n: usize| {
        (0..n).fold(format!("{entry}[provider.headers]\n"), |mut text, n| {
            let _ = writeln!(text, "x-{n} = \"y\"");
            text
        })
    };
    let vantage = |n: usize| format!("vantage = \"{}\"\n{entry}", "v".repeat(n));
    let header = |n: usize| format!("{entry}headers = {{ x-a = \"{}\" }}\n", "v".repeat(n));
    let padded = |n: usize| format!("{entry}#{}", "x".repeat(n - entry.len() - 1));
    check_limits(&[
        (
            "providers",
            providers(MAX_PROVIDERS),
            providers(MAX_PROVIDERS + 1),
        ),
        ("targets", models(MAX_TARGETS), models(MAX_TARGETS + 1)),
        ("anchors", anchors(MAX_ANCHORS), anchors(MAX_ANCHORS + 1)),
        ("headers", headers(MAX_HEADERS), headers(MAX_HEADERS + 1)),
        ("header", header(MAX_HEADER_BYTES), header(MAX_HEADER_BYTES + 1)),
        (
            "vantage",
            vantage(MAX_VANTAGE_BYTES),
            vantage(MAX_VANTAGE_BYTES + 1),
        ),
        (
            "file",
            padded(MAX_FILE_BYTES as usize),
            padded(MAX_FILE_BYTES as usize + 1),
        ),
    ]);
}

#[test]
fn values_are_held_at_the_limit() {
    let entry = ENTRY;
    let usd = |usd: f64| format!("[budget]\nusd_per_day = {usd:?}\n{entry}");
    let price = |usd: f64| {
        format!(
            "{entry}[[provider.model]]\nid = \"m\"\nprice = {{ input_usd_per_mtok = {usd:?}, output_usd_per_mtok = 1 }}\n"
        )
    };
    let tokens = |n: u32| format!("{entry}[[provider.model]]\nid = \"claude-haiku-4-5\"\nmax_tokens = {n}\n");
    let canary = |ms: u128| format!("{entry}canary = {{ every = \"{ms}ms\" }}\n");
    let reach = |ms: u128| format!("{entry}reach = {{ every = \"{ms}ms\" }}\n");
    let size = |bytes: u64| format!("[store]\nmax_size = \"{bytes}B\"\n{entry}");
    let connect = |ms: u128| format!("{entry}limits = {{ connect = \"{ms}ms\" }}\n");
    check_limits(&[
        ("budget", usd(MAX_USD_PER_DAY), usd(MAX_USD_PER_DAY + 1.0)),
        ("budget", usd(1e-6), usd(0.0)),
        ("price", price(MAX_USD_PER_MTOK), price(MAX_USD_PER_MTOK + 1.0)),
        ("tokens", tokens(MAX_TOKENS.1), tokens(MAX_TOKENS.1 + 1)),
        ("tokens", tokens(MAX_TOKENS.0), tokens(MAX_TOKENS.0 - 1)),
        (
            "canary",
            canary(PAID_EVERY.0.as_millis()),
            canary(PAID_EVERY.0.as_millis() - 1),
        ),
        (
            "canary",
            canary(PAID_EVERY.1.as_millis()),
            canary(PAID_EVERY.1.as_millis() + 1),
        ),
        (
            "reach",
            reach(FREE_EVERY.0.as_millis()),
            reach(FREE_EVERY.0.as_millis() - 1),
        ),
        (
            "reach",
            reach(FREE_EVERY.1.as_millis()),
            reach(FREE_EVERY.1.as_millis() + 1),
        ),
        ("size", size(STORE_BYTES.0), size(STORE_BYTES.0 - 1)),
        ("size", size(STORE_BYTES.1), size(STORE_BYTES.1 + 1)),
        (
            "connect",
            connect(DEADLINES.0.as_millis()),
            connect(DEADLINES.0.as_millis() - 1),
        ),
        (
            "connect",
            connect(DEADLINES.1.as_millis()),
            connect(DEADLINES.1.as_millis() + 1),
        ),
    ]);
}

#[test]
fn a_model_overrides_single_limits_of_its_provider() {
    let with = |limits: &str| {
        format!(
            "{ENTRY}models = [\"claude-haiku-4-5\"]\nlimits = {{ gap = \"20s\", total = \"100s\" }}\n\
             [[provider.model]]\nid = \"claude-opus-5-5\"\nlimits = {{ {limits} }}\n"
        )
    };
    let config = load_text(&with("first_token = \"90s\"")).unwrap().config;
    let provider = &config.providers[0];
    let s = Duration::from_secs;
    let own = ProbeLimits {
        gap: s(20),
        total: s(100),
        ..ProbeLimits::default()
    };
    assert_eq!(provider.limits, own);
    assert_eq!(provider.limits_of(&provider.models[0]), own);
    let slow = ProbeLimits {
        first_token: s(90),
        ..own
    };
    assert_eq!(provider.limits_of(&provider.models[1]), slow);

    let (least, most) = DEADLINES;
    let connect = |ms: u128| with(&format!("connect = \"{ms}ms\""));
    check_limits(&[
        (
            "least",
            connect(least.as_millis()),
            connect(least.as_millis() - 1),
        ),
        ("most", connect(most.as_millis()), connect(most.as_millis() + 1)),
        (
            "total",
            with("first_token = \"100s\""),
            with("first_token = \"101s\""),
        ),
        ("total", with("total = \"30s\""), with("total = \"29s\"")),
    ]);
    let found = messages(&with("total = \"29s\", gap = \"1h\""));
    assert_eq!(
        found,
        ["limits.total ends before limits.first_token", "limits.gap is 1h"]
    );
}

#[test]
fn findings_are_bounded_and_say_so() {
    let wrong = |n: usize| (0..n).fold(String::new(), |text, n| text + &format!("wrong{n} = 1\n"));
    assert_eq!(messages(&wrong(MAX_FINDINGS)).len(), MAX_FINDINGS);
    let many = messages(&wrong(MAX_FINDINGS + 5));
    assert_eq!(many.len(), MAX_FINDINGS + 1);
    assert!(
        many[MAX_FINDINGS].ends_with("further errors are not shown"),
        "{}",
        many[MAX_FINDINGS]
    );
}

#[test]
fn times_of_keeping_are_held_at_the_limit() {
    let entry = ENTRY;
    let raw = |s: u64| format!("[store]\nkeep = {{ raw = \"{s}s\" }}\n{entry}");
    // The coarser steps last as long as they can, so that no order is broken at the limit.
    let minute = |s: u64| format!("[store]\nkeep = {{ minute = \"{s}s\", hour = \"4000d\" }}\n{entry}");
    let hour = |s: u64| format!("[store]\nkeep = {{ minute = \"1d\", hour = \"{s}s\" }}\n{entry}");
    let day =
        |s: u64| format!("[store]\nkeep = {{ hour = \"7d\", minute = \"1d\", day = \"{s}s\" }}\n{entry}");
    check_limits(&[
        (
            "minute",
            minute(KEEP_MINUTE.0.as_secs()),
            minute(KEEP_MINUTE.0.as_secs() - 1),
        ),
        (
            "minute",
            minute(KEEP_MINUTE.1.as_secs()),
            minute(KEEP_MINUTE.1.as_secs() + 1),
        ),
        (
            "hour",
            hour(KEEP_HOUR.0.as_secs()),
            hour(KEEP_HOUR.0.as_secs() - 1),
        ),
        (
            "hour",
            hour(KEEP_HOUR.1.as_secs()),
            hour(KEEP_HOUR.1.as_secs() + 1),
        ),
        ("day", day(KEEP_DAY.0.as_secs()), day(KEEP_DAY.0.as_secs() - 1)),
        ("day", day(KEEP_DAY.1.as_secs()), day(KEEP_DAY.1.as_secs() + 1)),
        ("raw", raw(KEEP_RAW.0.as_secs()), raw(KEEP_RAW.0.as_secs() - 1)),
        ("raw", raw(KEEP_RAW.1.as_secs()), raw(KEEP_RAW.1.as_secs() + 1)),
    ]);
}

#[test]
fn a_coarser_step_of_history_outlasts_the_finer_one() {
    let keep = |keep: &str| format!("[store]\nkeep = {{ {keep} }}\n{ENTRY}");
    for (text, wanted) in [
        ("minute = \"14d\", hour = \"14d\", day = \"forever\"", None),
        ("hour = \"13d\"", Some("keep.hour is shorter than keep.minute")),
        (
            "minute = \"399d\", hour = \"398d\"",
            Some("keep.hour is shorter than keep.minute"),
        ),
        ("day = \"399d\"", Some("keep.day is shorter than keep.hour")),
        (
            "day = \"often\"",
            Some("not a length of time, write it as in \"800d\", or \"forever\""),
        ),
    ] {
        let found = load_text(&keep(text));
        match wanted {
            None => assert!(found.is_ok(), "{text}: {found:?}"),
            Some(wanted) => {
                let told = messages(&keep(text));
                assert!(
                    told.iter().any(|message| message.contains(wanted)),
                    "{text}: {told:?}"
                );
            }
        }
    }
}

#[test]
fn key_files_are_bounded_and_plain() {
    for (text, ok) in [
        ("k".repeat(MAX_SECRET_BYTES), true),
        ("k".repeat(MAX_SECRET_BYTES + 1), false),
        (" \n".to_owned(), false),
        ("two words".to_owned(), false),
        ("schlüssel".to_owned(), false),
        ("key\n".to_owned(), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), &text).unwrap();
        fs::set_permissions(dir.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let path = dir.path().join("endturn.toml");
        fs::write(
            &path,
            "[[provider]]\nid = \"anthropic\"\napi_key = { file = \"key\" }\n",
        )
        .unwrap();
        let loaded = load(Some(&path), &env(dir.path()));
        assert_eq!(loaded.is_ok(), ok, "{} bytes", text.len());
    }
}

#[test]
fn preset_files_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let providers = dir.path().join("providers");
    fs::create_dir(&providers).unwrap();
    let whole = include_str!("../../probes/providers/openai.toml");
    let padded = |bytes: u64| format!("{whole}#{}", "x".repeat(bytes as usize - whole.len() - 1));
    let findings = || {
        let mut report = Report::default();
        Presets::load(Some(dir.path()), &mut report);
        report.seal().items().len()
    };
    fs::write(providers.join("own.toml"), padded(MAX_PRESET_BYTES)).unwrap();
    assert_eq!(findings(), 0);
    fs::write(providers.join("own.toml"), padded(MAX_PRESET_BYTES + 1)).unwrap();
    assert_eq!(findings(), 1);
    for n in 1..=MAX_PRESET_FILES {
        fs::write(providers.join(format!("{n}.toml")), whole).unwrap();
    }
    fs::write(providers.join("own.toml"), whole).unwrap();
    assert_eq!(findings(), 1);
    fs::remove_file(providers.join("own.toml")).unwrap();
    assert_eq!(findings(), 0);
}

#[test]
fn the_store_lies_in_the_state_directory() {
    let mut env = env(Path::new("/here"));
    assert_eq!(env.store_path(), Path::new("/here/endturn.db"));
    env.state_home = Some("/home/u/.local/state".into());
    assert_eq!(
        env.store_path(),
        Path::new("/home/u/.local/state/endturn/endturn.db")
    );
    env.vars = BTreeMap::from([(
        "STATE_DIRECTORY".to_owned(),
        "/var/lib/endturn:/var/lib/other".to_owned(),
    )]);
    assert_eq!(env.store_path(), Path::new("/var/lib/endturn/endturn.db"));
}

/// Every key that a file may hold is in the reference, under its own name.
#[test]
fn agent_checks_are_answered_where_the_file_says_and_nowhere_else() {
    let agent = |line: &str| load_text(&format!("[server]\n{line}\n{ENTRY}"));
    assert_eq!(agent("").unwrap().config.server.agent, None);
    for address in ["127.0.0.1:7413", "[::1]:7413", "127.0.0.1:0"] {
        let config = agent(&format!("agent = \"{address}\"")).unwrap().config;
        assert_eq!(config.server.agent.unwrap().to_string(), address);
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:7411");
    }
    for (address, message) in [
        (
            "0.0.0.0:7413",
            "agent is not a loopback address, and agent_allow names nobody",
        ),
        (
            "10.0.0.1:7413",
            "agent is not a loopback address, and agent_allow names nobody",
        ),
        ("localhost:7413", "agent is not an address with port"),
        ("127.0.0.1:7411", "agent is the address that listen has"),
    ] {
        assert_eq!(
            messages(&format!("[server]\nagent = \"{address}\"\n{ENTRY}")),
            [message],
            "{address}"
        );
    }
}

#[test]
fn the_reference_names_every_key() {
    let docs = include_str!("../../docs/configuration.md");
    for table in [
        "",
        "[server]",
        "[store]",
        "[store.keep]",
        "[network]",
        "[budget]",
        "[telemetry]",
        "[telemetry.otlp]",
        "[alerts]",
        "[[alert]]",
        "[[maintenance]]",
        "[[provider]]",
        "[[provider]]\n[provider.limits]",
        "[[provider]]\n[[provider.model]]",
        "[[provider]]\n[[provider.model]]\n[provider.model.limits]",
        "[[provider]]\n[provider.canary]",
        "[[provider]]\n[provider.api_key]",
        "[[provider]]\n[provider.aws]",
        "[[provider]]\n[provider.google]",
        "[[provider]]\n[[provider.model]]\n[provider.model.price]",
    ] {
        let Err(ConfigError::Invalid(findings)) = load_text(&format!("{table}\nqqqqqqqq = 1\n")) else {
            panic!("an unknown key in {table:?} was taken")
        };
        let help = findings
            .items()
            .iter()
            .find_map(|item| item.help.as_deref()?.strip_prefix("known here: "));
        let keys = help.map_or(vec!["every"], |keys| keys.split(", ").collect());
        for key in keys {
            let named = [
                format!("`{key}"),
                format!("[[{key}"),
                format!("[{key}]"),
                format!("{{ {key} = "),
            ];
            let dotted = format!(".{key}`");
            assert!(
                key == "keep" || docs.contains(&dotted) || named.iter().any(|name| docs.contains(name)),
                "{key} of {table:?} is not in docs/configuration.md"
            );
        }
    }
}

#[test]
fn tokens_are_held_as_digests_and_what_is_wrong_with_them_is_told() {
    let provider = "[[provider]]\nid = \"anthropic\"\n";
    let token = |rest: &str| format!("[[server.token]]\nname = \"a\"\n{rest}\n{provider}");
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let whole = format!("sha256 = \"{digest}\"\nscopes = [\"report\"]");
    let good = token(&format!("{whole}\ntrust = \"corroborate\""));
    let tokens = load_text(&good).unwrap().config.server.tokens;
    assert_eq!(
        (tokens[0].name.as_str(), tokens[0].trust),
        ("a", crate::verdict::Trust::Corroborate)
    );
    assert_eq!(tokens[0].digest[..2], [0x9f, 0x86]);
    for (rest, part) in [
        ("scopes = [\"report\"]", "not one of sha256 and token"),
        ("scopes = [\"report\"]\nsha256 = \"9f86\"", "no SHA-256"),
        (
            "scopes = [\"report\"]\ntoken = { env = \"ANTHROPIC_API_KEY\" }",
            "too short",
        ),
        ("scopes = []\nsha256 = \"DIGEST\"", "for nothing"),
        (
            "scopes = [\"rapport\"]\nsha256 = \"DIGEST\"",
            "scope \"rapport\" is unknown",
        ),
        (
            "scopes = [\"report\"]\nsha256 = \"DIGEST\"\ntrust = \"half\"",
            "trust \"half\" is unknown",
        ),
    ] {
        let found = messages(&token(&rest.replace("DIGEST", digest)));
        assert!(
            found.iter().any(|message| message.contains(part)),
            "{rest}: {found:?}"
        );
    }
    let twice = token(&format!("{whole}\n[[server.token]]\nname = \"a\"\n{whole}"));
    assert!(
        messages(&twice)
            .iter()
            .any(|message| message.contains("there twice"))
    );
}

#[test]
fn a_rest_is_for_the_short_canary_and_held_at_its_limit() {
    let with = |entry: &str| format!("[[provider]]\nid = \"anthropic\"\n{entry}\n");
    let rest = |entry: &str| {
        let config = load_text(&with(entry)).unwrap().config;
        config.providers[0].models[0].canary.as_ref().unwrap().rest_after
    };
    assert_eq!(rest(""), Some(20));
    assert_eq!(rest("canary = { every = \"30s\" }"), Some(20));
    assert_eq!(rest("canary = { every = \"30s\", rest_after = 0 }"), None);
    let most = format!("canary = {{ rest_after = {MAX_REST_AFTER} }}");
    assert_eq!(rest(&most), Some(MAX_REST_AFTER));
    let over = format!("canary = {{ rest_after = {} }}", MAX_REST_AFTER + 1);
    assert!(messages(&with(&over))[0].contains("rest_after is 1001"));
    assert!(messages(&with("long = { rest_after = 5 }"))[0].contains("no meaning for long"));
}
