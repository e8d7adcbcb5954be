//! Places, guests and the queue.

use super::*;
use crate::{
    config::{Env, load_text},
    verdict::{Source, Verdict},
};

fn config(models: &str) -> Config {
    let text = format!(
        "[[provider]]\nid = \"local\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [{models}]\n"
    );
    load_text("endturn.toml", &text, &Env::default())
        .expect("a configuration")
        .config
}

fn seen(target: &str) -> Observation {
    Observation::new(
        target.parse().unwrap(),
        Timestamp::default(),
        Source::Tap,
        Verdict::Complete,
    )
}

fn hall() -> (Intake, Queue, Clock) {
    let clock = Clock::manual(Timestamp::from_millis(1_781_960_400_000));
    let (intake, queue) = Intake::new(&config("\"m\""), &[], clock.clone());
    (intake, queue, clock)
}

fn drain(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.take())
        .map(|seen| seen.target.to_string())
        .collect()
}

#[test]
fn a_full_hall_takes_nothing_and_remembers_nothing() {
    let (intake, mut queue, _) = hall();
    let full = vec![seen("local/m"); MAX_WAITING - 1];
    assert_eq!(intake.observed(full).unwrap().accepted, MAX_WAITING - 1);
    let two = br#"[{"id":"1","target":"local/m","verdict":"complete"},{"id":"2","target":"local/m","verdict":"complete"}]"#;
    assert_eq!(
        intake.reports(two, Format::Json, Trust::Full),
        Err(Refused::Busy(Busy))
    );
    let one = br#"{"id":"1","target":"local/m","verdict":"complete"}"#;
    // The id is not known yet: the refused body counted for nothing.
    assert_eq!(
        intake.reports(one, Format::Json, Trust::Full).unwrap().accepted,
        1
    );
    assert_eq!(intake.observed(vec![seen("local/m")]), Err(Busy));
    assert_eq!(intake.waiting(), MAX_WAITING);
    assert_eq!(drain(&mut queue).len(), MAX_WAITING);
    assert_eq!(intake.waiting(), 0);
    assert_eq!(
        intake.reports(two, Format::Json, Trust::Full).unwrap().duplicates,
        1
    );
}

#[test]
fn so_many_targets_that_nobody_configured_are_taken_and_the_silent_ones_make_room() {
    let (intake, mut queue, clock) = hall();
    for n in 0..MAX_REPORTS_ONLY {
        assert_eq!(
            intake.observed(vec![seen(&format!("new/{n}"))]).unwrap().accepted,
            1
        );
    }
    let receipt = intake
        .observed(vec![seen("local/m"), seen("new/one-more"), seen("new/0")])
        .unwrap();
    assert_eq!(receipt.accepted, 2);
    assert_eq!(receipt.rejected.len(), 1);
    assert_eq!(receipt.rejected[0].index, 1);
    assert!(
        receipt.rejected[0]
            .reason
            .contains("new/one-more is not configured"),
        "{receipt:?}"
    );
    drain(&mut queue);
    // All but one are silent for a day.
    clock.advance(FORGOTTEN_AFTER.saturating_sub(Duration::from_secs(1)));
    intake.observed(vec![seen("new/0")]).unwrap();
    assert_eq!(intake.observed(vec![seen("new/one-more")]).unwrap().accepted, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(intake.observed(vec![seen("new/one-more")]).unwrap().accepted, 1);
    assert_eq!(intake.guests().others.len(), 2);
}

#[test]
fn a_million_unknown_targets_are_refused_one_by_one_and_held_nowhere() {
    let (intake, mut queue, _) = hall();
    let mut accepted = 0;
    for thousand in 0..1_000 {
        let line = |n: u32| format!("{{\"target\":\"p{thousand}/{n}\",\"verdict\":\"truncated\"}}");
        let lines = (0..1_000).map(line).collect::<Vec<_>>().join("\n");
        let receipt = intake
            .reports(lines.as_bytes(), Format::Lines, Trust::Full)
            .unwrap();
        accepted += receipt.accepted;
        assert_eq!(receipt.accepted + receipt.rejected.len(), 1_000);
        drain(&mut queue);
    }
    assert_eq!(accepted, MAX_REPORTS_ONLY);
    assert_eq!(intake.guests().others.len(), MAX_REPORTS_ONLY);
}

#[test]
fn a_target_that_is_configured_later_leaves_its_place() {
    let clock = Clock::manual(Timestamp::from_millis(1_781_960_400_000));
    let other = "local/n".parse().unwrap();
    let (intake, _queue) = Intake::new(&config("\"m\""), &[other], clock);
    assert_eq!(intake.guests().others.len(), 1);
    intake.configure(&config("\"m\", \"n\""));
    assert!(intake.guests().others.is_empty());
    assert!(
        intake
            .guests()
            .admit(&"local/n".parse().unwrap(), Timestamp::default())
    );
    assert!(intake.guests().others.is_empty());
}

#[tokio::test]
async fn what_was_waited_for_in_vain_is_not_lost() {
    let (intake, mut queue, _) = hall();
    {
        let ready = queue.ready();
        tokio::pin!(ready);
        assert!(futures_util::poll!(&mut ready).is_pending());
        intake.observed(vec![seen("local/m"), seen("new/1")]).unwrap();
        assert!(futures_util::poll!(&mut ready).is_ready());
    }
    queue.ready().await;
    assert_eq!(drain(&mut queue), ["local/m", "new/1"]);
}
