//! The walls of the house: layers, sizes, and what pure rooms may name.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Most lines of a source file.
const MAX_FILE_LINES: usize = 700;

/// Rooms from the core outwards; a room may import rooms of a lower rank only.
const RANKS: &[(&str, u8)] = &[
    ("id", 0),
    ("clock", 0),
    ("protocol", 1),
    ("verdict", 2),
    ("gate", 3),
    ("health", 3),
    ("report", 4),
    ("config", 5),
    ("feed", 5),
    ("link", 6),
    ("alert", 7),
    ("client", 7),
    ("intake", 7),
    ("official", 7),
    ("probe", 7),
    ("route", 7),
    ("store", 7),
    ("tap", 7),
    ("telemetry", 7),
    ("api", 8),
    ("mcp", 8),
    ("simulate", 8),
    ("daemon", 9),
    ("cli", 10),
    ("lib", 11),
    ("main", 11),
];

/// Crates that pure rooms never name.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "rusqlite",
    "axum",
    "hyper",
    "std::net",
    "std::fs",
    "std::thread",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

fn files(room: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join(room), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8");
            (path.strip_prefix(root).expect("below the root").to_owned(), text)
        })
        .collect()
}

fn rank(room: &str) -> Option<u8> {
    RANKS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, rank)| *rank)
}

/// `src/health/engine.rs` is in the room `health`, `src/id.rs` in `id`.
fn room_of(path: &Path) -> String {
    let name = path
        .components()
        .nth(1)
        .expect("src/ROOM")
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    name.trim_end_matches(".rs").to_owned()
}

/// Names of our rooms that a line of code mentions as `crate::room`, groups included.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            // The first word of each member is a room; what follows it, nested groups too, is inside that room.
            let mut depth = 1;
            let mut word = String::new();
            let mut first = true;
            for c in group.chars() {
                if depth == 1 && first && (c.is_alphanumeric() || c == '_') {
                    word.push(c);
                    continue;
                }
                if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                    first = false;
                }
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => first = true,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn imports_point_inwards_only() {
    let mut bad = Vec::new();
    for (path, text) in files("src") {
        let room = room_of(&path);
        let own = rank(&room).unwrap_or_else(|| panic!("{}: room {room} has no rank", path.display()));
        for import in imports(&text) {
            let Some(theirs) = rank(&import) else { continue };
            if import != room && theirs >= own {
                bad.push(format!("{}: {room} must not use {import}", path.display()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn pure_rooms_do_no_io() {
    let mut bad = Vec::new();
    for room in [
        "src/protocol",
        "src/verdict",
        "src/gate",
        "src/health",
        "src/alert/policy",
    ] {
        for (path, text) in files(room) {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for name in IMPURE {
                    if code.contains(&format!("{name}::")) {
                        bad.push(format!("{}:{}: names {name}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// What vendors say of themselves is shown, never weighed: whoever decides doesn't know of it.
#[test]
fn whoever_decides_never_sees_official_pages() {
    let mut bad = Vec::new();
    for room in ["src/verdict", "src/health", "src/probe", "src/daemon/brain"] {
        let mut room_files = files(room);
        if room == "src/daemon/brain" {
            room_files.extend(
                files("src/daemon")
                    .into_iter()
                    .filter(|(path, _)| path.ends_with("brain.rs")),
            );
        }
        for (path, text) in room_files {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                // The engine makes views and records with an empty place for the words of others.
                let empty = ["official: None,", "lead_s: None,"].contains(&code.trim());
                let named = ["official", "annotate", "OfficialWord", "lead_s"];
                if !empty
                    && !path.ends_with("health/types.rs")
                    && !path.ends_with("probe/fixture.rs")
                    && named.iter().any(|name| code.contains(name))
                {
                    bad.push(format!("{}:{}: {code}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn no_room_outgrows_itself() {
    let mut bad = Vec::new();
    for dir in ["src", "tests/it"] {
        for (path, text) in files(dir) {
            let lines = text.lines().count();
            if lines > MAX_FILE_LINES {
                bad.push(format!(
                    "{}: {lines} lines, at most {MAX_FILE_LINES}",
                    path.display()
                ));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimple", "mented!"),
        concat!("to", "do!("),
    ];
    let mut bad = Vec::new();
    for (path, text) in files("src") {
        for (number, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                bad.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Each numbered invariant of ARCHITECTURE.md names a test that exists.
#[test]
fn every_invariant_names_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut code = String::new();
    for dir in ["src", "tests"] {
        for (_, text) in files(dir) {
            code.push_str(&text);
        }
    }
    let section = text
        .split("## Invariants")
        .nth(1)
        .expect("a section of invariants");
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut seen = 0;
    for line in section
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
    {
        seen += 1;
        let tests: Vec<&str> = line
            .rsplit_once("Test: ")
            .unwrap_or_else(|| panic!("no test named: {line}"))
            .1
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        assert!(!tests.is_empty(), "no test named: {line}");
        for test in tests {
            let name = test.rsplit("::").next().unwrap_or(test);
            assert!(
                code.contains(&format!("fn {name}(")),
                "{line}\nnames {test}, which does not exist"
            );
        }
    }
    assert!(seen >= 10, "only {seen} invariants found");
}

#[test]
fn imports_are_read_from_groups_too() {
    assert_eq!(imports("use crate::clock::Clock;"), ["clock"]);
    assert_eq!(
        imports("use crate::{clock::{A, B}, id::X, verdict};\n// crate::api"),
        ["clock", "id", "verdict"]
    );
    assert_eq!(
        imports("use crate::{api::v1,\n    feed::{C, D},\n};"),
        ["api", "feed"]
    );
}
