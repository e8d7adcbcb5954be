//! Whose word the figures are.

use super::*;
use crate::{
    feed::{
        evidence::{Disagreement, Evidence, Part, SourceSeen},
        v1,
    },
    health,
};

/// Probes that are well, and traffic of one region that is not.
pub(super) fn evidence() -> Evidence {
    let rate = |hits, n| health::Rate::of(hits, n).into();
    let part = |value: &str, attempts, truncated| Part {
        value: value.to_owned(),
        attempts,
        errors: 0,
        truncated,
        failure_rate: rate(truncated, attempts),
    };
    let source = |name: &'static str, attempts, truncated| SourceSeen {
        source: name.into(),
        attempts,
        errors: 0,
        truncated,
        failure_rate: rate(truncated, attempts),
        ttft_ms: v1::Percentiles::default(),
    };
    Evidence {
        target: cut().id,
        window_s: 3_600,
        sources: vec![source("canary", 60, 0), source("report", 200, 40)],
        reporters: vec![part("checkout<script>", 120, 24), part("(not told)", 80, 16)],
        regions: vec![part("fra", 150, 0), part("iad", 50, 40)],
        models: vec![part("(not told)", 200, 40)],
        disagreement: Some(Disagreement {
            failing: "traffic".into(),
            probes: rate(0, 60),
            traffic: rate(40, 200),
            dimension: Some("region".into()),
            value: Some("iad".to_owned()),
            text: "20.0 % of 200 real requests failed; most at region iad: 80.0 % of 50".to_owned(),
        }),
    }
}

#[test]
fn sources_stand_apart_and_what_disagrees_is_said() {
    let page = render_target(&feed(vec![cut()]), &past());
    let section = page.split_once("data-part=\"whose\"").unwrap().1;
    let section = section.split_once("data-part=\"uptime\"").unwrap().0;
    for text in [
        "They disagree.",
        "most at region iad: 80.0 % of 50",
        "canary",
        "reports (real traffic)",
        "By reporter",
        "By region",
    ] {
        assert!(section.contains(text), "{text}: {section}");
    }
    // Nobody told of models, so nothing is said of them; a name is never markup.
    assert!(!section.contains("By answering model"));
    assert!(
        section.contains("checkout&lt;script&gt;") || section.contains("checkout&#60;script&#62;"),
        "{section}"
    );
    let marked = section.matches("class=\"marked\"").count();
    assert_eq!(marked, 3, "{section}");
}
