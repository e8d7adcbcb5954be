//! What must hold for any body of reports.

use std::sync::LazyLock;

use endturn::{
    clock::{Clock, Timestamp},
    config::{Config, Env, load_text},
    intake::{Format, Intake, MAX_ITEMS, MAX_REPORTS_ONLY, Receipt},
    verdict::{Observation, Trust},
};

/// With one configured target.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "[[provider]]\nid = \"local\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [\"m\"]\n";
    let loaded = load_text("endturn.toml", text, &Env::default());
    loaded.expect("a configuration").config
});

/// A body of each format: every item is accepted, known or refused with a reason; what is taken comes out again, and
/// a second time only what has no id. The first byte chooses.
pub fn check_reports(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let format = [Format::Json, Format::Lines][usize::from(choice & 1)];
    let clock = Clock::manual(Timestamp::from_millis(1_781_960_460_000));
    let (intake, mut queue) = Intake::new(&CONFIG, &[], clock.clone());
    let mut take = || {
        let receipt = intake.reports(body, format, Trust::Corroborate).ok()?;
        let taken: Vec<Observation> = std::iter::from_fn(|| queue.take()).collect();
        Some((receipt, taken))
    };
    let Some((first, taken)) = take() else {
        return;
    };
    assert_eq!(first.accepted, taken.len());
    assert!(items(&first) <= MAX_ITEMS && items(&first) <= body.len());
    for seen in &taken {
        assert!(seen.trust == Trust::Corroborate && seen.at == clock.now() && seen.started <= seen.at);
        assert!(!seen.source.is_probe());
    }
    let unknown = taken.iter().filter(|seen| seen.target.to_string() != "local/m");
    let unknown: std::collections::HashSet<_> = unknown.map(|seen| &seen.target).collect();
    assert!(unknown.len() <= MAX_REPORTS_ONLY);
    for rejected in &first.rejected {
        assert!(
            !rejected.reason.is_empty() && rejected.reason.len() < 2_000,
            "{}",
            rejected.reason
        );
    }
    let (again, _) = take().expect("it was read before");
    assert_eq!(items(&again), items(&first));
    assert_eq!(again.rejected, first.rejected);
    assert!(again.accepted <= first.accepted, "more was new the second time");
}

fn items(receipt: &Receipt) -> usize {
    receipt.accepted + receipt.duplicates + receipt.rejected.len()
}
