use super::*;
use crate::config::{Config, Env, load_text};

const PROVIDERS: &str = "[[provider]]\nid = \"a\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                         free = true\nmodels = [\"m\"]\n";

fn load(entries: &str) -> Result<Config, String> {
    let env = Env {
        working_dir: std::env::temp_dir(),
        system_dir: std::path::PathBuf::new(),
        ..Env::default()
    };
    let text = format!("{PROVIDERS}{entries}");
    load_text("test.toml", &text, &env)
        .map(|loaded| loaded.config)
        .map_err(|error| error.to_string())
}

fn entry(rest: &str) -> String {
    format!("[[maintenance]]\nname = \"n\"\ntargets = [\"a\"]\n{rest}\n")
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

#[test]
fn windows_are_reckoned_in_their_own_zone() {
    for (rule, zone, now, expected) in [
        (
            "0 2 * * SUN",
            "UTC",
            "2026-11-22T12:00:00Z",
            "2026-11-29T02:00:00.000Z",
        ),
        (
            "0 2 * * SUN",
            "Europe/Berlin",
            "2026-11-22T12:00:00Z",
            "2026-11-29T01:00:00.000Z",
        ),
        // Summer time.
        (
            "0 2 * * SUN",
            "Europe/Berlin",
            "2026-06-20T12:00:00Z",
            "2026-06-21T00:00:00.000Z",
        ),
        // The second Tuesday, the last day, and a day that comes every four years.
        (
            "30 4 * * 2#2",
            "UTC",
            "2026-11-22T12:00:00Z",
            "2026-12-08T04:30:00.000Z",
        ),
        (
            "0 0 L * *",
            "UTC",
            "2026-11-22T12:00:00Z",
            "2026-11-30T00:00:00.000Z",
        ),
        (
            "0 0 29 2 *",
            "UTC",
            "2026-11-22T12:00:00Z",
            "2028-02-29T00:00:00.000Z",
        ),
        // 02:30 is left out on the day on which the clocks go forward.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-28T00:00:00Z",
            "2027-03-29T00:30:00.000Z",
        ),
    ] {
        let config = load(&entry(&format!(
            "every = \"{rule}\"\nzone = \"{zone}\"\nfor = \"30m\""
        )))
        .unwrap();
        let next = config.maintenance[0].occurrences(at(now));
        assert_eq!(next[0].from.to_rfc3339(), expected, "{rule} {zone}");
        assert_eq!(next[0].until, next[0].from.plus(Duration::from_secs(1_800)));
    }
}

#[test]
fn occurrences_hold_the_running_one_are_bounded_and_keep_their_ids() {
    let config = load(&entry("every = \"0 * * * *\"\nfor = \"30m\"\nwhy = \"w\"")).unwrap();
    let plan = &config.maintenance[0];
    let ids =
        |now: &str| -> Vec<String> { plan.occurrences(at(now)).into_iter().map(|one| one.id).collect() };
    let during = ids("2026-11-22T12:10:00Z");
    assert_eq!(during.len(), MAX_OCCURRENCES);
    assert_eq!(during[..2], ["n.20261122T1200Z", "n.20261122T1300Z"]);
    assert_eq!(ids("2026-11-22T12:29:59Z")[0], "n.20261122T1200Z");
    assert_eq!(
        ids("2026-11-22T12:30:00Z")[0],
        "n.20261122T1300Z",
        "what is over is over"
    );
    let one = &plan.occurrences(at("2026-11-22T12:10:00Z"))[0];
    assert!(one.planned && one.by == "the plan n" && one.why == "w");
    assert!(one.id.len() <= crate::health::MAX_DECLARATION_ID_BYTES);
    // What comes seldom is told once; what is far away, not beyond the next.
    let yearly = load(&entry("every = \"0 0 1 1 *\"\nfor = \"30m\"")).unwrap();
    assert_eq!(
        yearly.maintenance[0]
            .occurrences(at("2026-11-22T12:00:00Z"))
            .len(),
        1
    );
}

#[test]
fn what_is_wrong_is_told() {
    let good = "every = \"0 2 * * *\"\nfor = \"1h\"";
    for (entries, message) in [
        (
            entry("every = \"0 2 * *\"\nfor = \"1h\""),
            "every is no line of cron",
        ),
        (
            entry("every = \"0 25 * * *\"\nfor = \"1h\""),
            "every is no line of cron",
        ),
        (
            entry("every = \"FREQ=WEEKLY\"\nfor = \"1h\""),
            "every is no line of cron",
        ),
        (entry("every = \"0 0 30 2 *\"\nfor = \"1h\""), "every never comes"),
        (
            entry("every = \"0 2 * * *\"\nfor = \"24h\""),
            "for is longer than the time to the next window",
        ),
        (entry("every = \"0 2 * * *\"\nfor = \"59s\""), "for is 59s"),
        (entry("every = \"0 2 1 1 *\"\nfor = \"32d\""), "for is 32d"),
        (
            entry(&format!("{good}\nzone = \"Europe/Bielefeld\"")),
            "zone \"Europe/Bielefeld\" is not known here",
        ),
        (
            entry(&format!("{good}\nwhy = \"{}\"", "w".repeat(MAX_WHY_BYTES + 1))),
            "why is too long",
        ),
        (
            entry(good).replace("\"a\"", "\"b\""),
            "\"b\" is no target of this file",
        ),
        (entry(good).replace("[\"a\"]", "[]"), "no target is named"),
        (
            entry(good).replace("\"a\"", "\"a b\""),
            "pattern \"a b\" holds ' '",
        ),
        (
            entry(good).replace("\"n\"", "\"a b\""),
            "that is no name of a maintenance",
        ),
        (entry(good) + &entry(good), "maintenance \"n\" is there twice"),
        (entry("every = \"0 2 * * *\""), "missing key `for`"),
    ] {
        let error = load(&entries).unwrap_err();
        assert!(error.contains(message), "{entries}\n{error}");
    }
    assert!(load(&entry("every = \"0 2 * * *\"\nfor = \"23h 59m\"")).is_ok());
    let many: String = (0..=MAX_PLANNED)
        .map(|n| entry(good).replace("\"n\"", &format!("\"n{n}\"")))
        .collect();
    assert!(load(&many).unwrap_err().contains("too many planned maintenances"));
}

proptest::proptest! {
    /// Whatever stands there: no panic, and what is taken comes again.
    #[test]
    fn any_line_is_taken_or_refused(line in "[0-9*,/ LW#A-Z-]{0,24}") {
        if let Ok(config) = load(&entry(&format!("every = \"{line}\"\nfor = \"1m\""))) {
            let found = config.maintenance[0].occurrences(at("2026-11-22T12:00:00Z"));
            proptest::prop_assert!(!found.is_empty() && found.len() <= MAX_OCCURRENCES);
            proptest::prop_assert!(found.windows(2).all(|pair| pair[0].until <= pair[1].from));
        }
    }
}
