//! Stylesheet, script and icon, embedded. Their address holds a hash of their bytes, so that they may be kept for ever.

use std::{fmt::Write, sync::LazyLock};

use sha2::{Digest, Sha256};

/// One stylesheet for the browser, two files for us: the frame and the overview, and the charts.
const CSS: &str = concat!(
    include_str!("../../../dashboards/status/status.css"),
    include_str!("../../../dashboards/status/chart.css"),
);
const SVG: &str = include_str!("../../../dashboards/status/icon.svg");
/// The same with scripts: each file is a function of its own that is called at once. A page gets what it needs.
const JS: &str = concat!(
    include_str!("../../../dashboards/status/status.js"),
    include_str!("../../../dashboards/status/bars.js"),
);
const TARGET_JS: &str = concat!(
    include_str!("../../../dashboards/status/status.js"),
    include_str!("../../../dashboards/status/chart.js"),
);
/// Hexadecimal digits of the hash in an address: 64 bits, plenty to tell releases apart.
const HASH_DIGITS: usize = 16;

/// One embedded file.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its address on the server.
    pub(super) path: String,
    /// Its media type.
    pub(super) mime: &'static str,
    /// Its bytes.
    pub(super) body: String,
}

/// The stylesheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("css", "text/css; charset=utf-8", lean(CSS)));
/// The script.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("js", "text/javascript; charset=utf-8", lean(JS)));
/// The script of a target's page.
pub(super) static TARGET_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("js", "text/javascript; charset=utf-8", lean(TARGET_JS)));
/// The icon of the tab.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", SVG.to_owned()));

/// A source without what only its readers need: indentation, empty lines and lines that are a comment. Lines stay
/// lines, so that an error still names one; neither language of ours has a text that goes over several lines.
fn lean(source: &str) -> String {
    let mut lean = String::with_capacity(source.len());
    for line in source.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with("//") {
            lean.push_str(line);
            lean.push('\n');
        }
    }
    lean
}

impl Asset {
    fn new(extension: &str, mime: &'static str, body: String) -> Self {
        let hash = Sha256::digest(body.as_bytes()).iter().take(HASH_DIGITS / 2).fold(
            String::new(),
            |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a String takes every write");
                hex
            },
        );
        Self {
            path: format!("/assets/status.{hash}.{extension}"),
            mime,
            body,
        }
    }
}

/// The asset at that address.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    [&*STYLE, &*SCRIPT, &*TARGET_SCRIPT, &*ICON]
        .into_iter()
        .find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stays_small() {
        for script in [&*SCRIPT, &*TARGET_SCRIPT] {
            assert!(script.body.len() < 15_000, "{} bytes", script.body.len());
        }
    }

    #[test]
    fn only_what_readers_need_is_left_out() {
        assert_eq!(lean("// why\n  a {\n\n    b // c\n  }\n"), "a {\nb // c\n}\n");
        for line in JS.lines().chain(TARGET_JS.lines()) {
            assert_eq!(
                line.matches('`').count() % 2,
                0,
                "a text over several lines: {line}"
            );
        }
    }

    #[test]
    fn an_asset_is_found_by_its_hash_alone() {
        assert_eq!(find(&STYLE.path).map(|a| a.mime), Some("text/css; charset=utf-8"));
        assert!(find("/assets/status.0000000000000000.css").is_none());
        assert!(find("/assets/../Cargo.toml").is_none());
    }
}
