//! What people declared, on both pages.

use super::*;
use crate::{
    api::fixture::maintenance,
    health::{Declaration, Declares, Forced},
};

fn declared(id: &str) -> TargetView {
    TargetView {
        declared: maintenance(ago(60)),
        ..view_of(
            id,
            State::Maintenance,
            ReasonCode::Maintenance,
            "maintenance, declared by ana",
        )
    }
}

#[test]
fn a_notice_names_whom_until_when_who_and_why() {
    let targets = ["a/1", "a/2", "a/3", "a/4", "a/5", "b/1"].map(declared).to_vec();
    let health = feed(targets);
    let page = scene(&health).overview(&calendar(&health), &[], &[]);
    assert_eq!(
        page.matches("Maintenance</b>").count(),
        1,
        "one declaration, one notice"
    );
    let until = figures::Moment::new(ago(60).plus(Duration::from_secs(7_200)), NOW);
    for part in [
        "by people, not measured",
        "<a href=\"/targets/a/1\">a/1</a>",
        "and 2 more",
        "by ana: &#60;b&#62;announced&#60;/b&#62;",
        &format!("until <time datetime=\"{}\"", until.iso),
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<b>announced</b>"));
    let health = feed(vec![well("a/1")]);
    let calm = scene(&health).overview(&calendar(&health), &[], &[]);
    assert!(!calm.contains("by people"));
}

#[test]
fn a_target_that_is_well_and_overridden_says_so() {
    let mut target = well("a/1");
    target.reason.text = "60 of 60 replies finished; overridden to avoid by ana until 14:00 UTC".into();
    let one = Arc::unwrap_or_clone(maintenance(ago(60)).maintenance.unwrap());
    target.declared.forced = Some(Arc::new(Declaration {
        what: Declares::Override(Forced::Avoid),
        ..one
    }));
    let health = feed(vec![target]);
    let page = scene(&health).overview(&calendar(&health), &[], &[]);
    assert!(page.contains("overridden to avoid by ana until 14:00 UTC"));
    assert!(page.contains("Overridden: do not use it"));
    let page = scene(&health)
        .target(&"a/1".parse().unwrap(), Range::Hour, &Past::default(), &[])
        .unwrap();
    assert!(page.contains("<dt>Declared</dt>") && page.contains("Overridden: do not use it"));
}
