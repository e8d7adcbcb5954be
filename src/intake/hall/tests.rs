//! Places, guests and the queue.

use futures_util::FutureExt;
use proptest::prelude::*;

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

#[tokio::test]
async fn a_batch_that_is_judged_to_its_last_gives_its_places_back() {
    let (intake, mut queue, _) = hall();
    assert_eq!(intake.observed(vec![seen("local/m"); 3]).unwrap().accepted, 3);
    for _ in 0..3 {
        queue.ready().await;
        assert!(queue.take().is_some());
    }
    // Nothing is left, and nobody has asked for a fourth.
    assert!(queue.ready().now_or_never().is_none());
    assert_eq!(intake.waiting(), 0);
}

/// A body of reports, or something else that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Their ids; an odd one is told without a verdict.
    Body(Vec<u8>),
    /// Observations that need no reading.
    Fill(usize),
    /// So many are judged.
    Judge(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let body = prop::collection::vec(0..40_u8, 0..12).prop_map(Step::Body);
    // Nearly all places, so that bodies come to a full hall.
    let fill = (0..30_usize).prop_map(|left| Step::Fill(MAX_WAITING - left));
    let judge = prop_oneof![0..30_usize, Just(MAX_WAITING)].prop_map(Step::Judge);
    prop::collection::vec(prop_oneof![4 => body, 1 => fill, 2 => judge], 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in which order: a body that is refused leaves nothing behind, and one that is taken is judged.
    #[test]
    fn a_refused_body_counts_for_nothing(steps in steps()) {
        let (intake, mut queue, _) = hall();
        let (mut known, mut wrong, mut repeated) = (HashSet::new(), 0, 0);
        let (mut taken, mut judged) = (0_usize, 0_usize);
        for step in steps {
            match step {
                Step::Body(ids) => {
                    let report = |id: &u8| match id % 2 {
                        0 => format!("{{\"id\":\"{id}\",\"target\":\"local/m\",\"verdict\":\"complete\"}}"),
                        _ => format!("{{\"id\":\"{id}\",\"target\":\"local/m\"}}"),
                    };
                    let body = format!("[{}]", ids.iter().map(report).collect::<Vec<_>>().join(","));
                    let free = MAX_WAITING - intake.waiting();
                    let answer = intake.reports(body.as_bytes(), Format::Json, Trust::Full);
                    prop_assert_eq!(answer.is_ok(), ids.len() <= free);
                    let Ok(receipt) = answer else { continue };
                    let right = ids.iter().filter(|id| *id % 2 == 0);
                    let fresh = right.clone().filter(|id| known.insert(**id)).count();
                    prop_assert_eq!(receipt.accepted, fresh);
                    prop_assert_eq!(receipt.duplicates, right.count() - fresh);
                    prop_assert_eq!(receipt.accepted + receipt.duplicates + receipt.rejected.len(), ids.len());
                    taken += fresh;
                    wrong += receipt.rejected.len() as u64;
                    repeated += receipt.duplicates as u64;
                }
                Step::Fill(n) => taken += intake.observed(vec![seen("local/m"); n]).map_or(0, |it| it.accepted),
                Step::Judge(n) => judged += (0..n).map_while(|_| queue.take()).count(),
            }
        }
        let figures = intake.reporters();
        let told = figures.first().map(|(_, it)| *it).unwrap_or_default();
        prop_assert_eq!((told.accepted, told.rejected, told.duplicates), (taken as u64, wrong, repeated));
        prop_assert_eq!(judged + drain(&mut queue).len(), taken);
        prop_assert_eq!(intake.waiting(), 0);
    }
}
