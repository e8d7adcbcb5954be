//! The shipped canaries beside the short one, from request to observation.

use serde_json::Value;

use super::*;
use crate::{
    config::{CanaryScript, Env, load_text},
    probe::budget::worst_case,
    verdict::{CanaryKind, OffScript, Source},
};

/// A job with the shipped script of that kind; the seed draws `kestrel`.
fn shipped(kind: ProbeKind) -> ProbeJob {
    let text = "[[provider]]\nid = \"sim\"\npreset = \"anthropic\"\nbase_url = \"http://sim.test\"\nmodels = [\"claude\"]\n\
                free = true\n";
    let env = Env {
        working_dir: std::env::temp_dir(),
        ..Env::default()
    };
    let config = load_text("kinds.toml", text, &env).unwrap().config;
    let provider = config.providers.into_iter().next().unwrap();
    ProbeJob {
        model: Arc::new(provider.models[0].clone()),
        provider: Arc::new(provider),
        seed: 0,
        ..job(kind)
    }
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.calls[0].body).unwrap()
}

fn script(job: &ProbeJob) -> &CanaryScript {
    &job.model.any(job.kind.canary().unwrap()).unwrap().script
}

/// A stream of that text in pieces of ten bytes.
fn spoken(answer: &str) -> Vec<Step> {
    let mut steps = vec![Connecting, Connected, Handed, Head(200, SSE), begin()];
    for piece in answer.as_bytes().chunks(10) {
        let piece = Value::from(String::from_utf8_lossy(piece).into_owned()).to_string();
        steps.extend([Wait(5), text(&piece[1..piece.len() - 1])]);
    }
    steps
}

/// A call with those arguments, in pieces of ten bytes.
fn called(name: &str, arguments: &str) -> Vec<Step> {
    let mut steps = vec![Connecting, Connected, Handed, Head(200, SSE), begin()];
    let block = format!(
        ",\"index\":0,\"content_block\":{{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"{name}\",\"input\":{{}}}}"
    );
    steps.extend([Wait(5), Say(event("content_block_start", &block))]);
    for piece in arguments.as_bytes().chunks(10) {
        let piece = Value::from(String::from_utf8_lossy(piece).into_owned());
        let delta =
            format!(",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{piece}}}");
        steps.extend([Wait(5), Say(event("content_block_delta", &delta))]);
    }
    steps
}

fn ended(mut steps: Vec<Step>, reason: &str, tokens: u64) -> Vec<Step> {
    let delta =
        format!(",\"delta\":{{\"stop_reason\":\"{reason}\"}},\"usage\":{{\"output_tokens\":{tokens}}}");
    steps.extend([Say(event("message_delta", &delta)), terminal()]);
    steps
}

fn long_answer() -> String {
    let job = shipped(ProbeKind::Long);
    let Answer::Words(words) = &script(&job).answer else {
        panic!("{:?}", script(&job).answer);
    };
    let counted = words
        .iter()
        .enumerate()
        .map(|(n, word)| format!("{} {word} ", n + 1));
    counted.collect::<String>() + "kestrel"
}

const ARGUMENTS: &str =
    r#"{"batch":7,"checked":true,"readings":[12,15,11,18],"unit":"celsius","word":"kestrel"}"#;

#[tokio::test(start_paused = true)]
async fn a_long_count_is_asked_for_and_cut_in_its_place() {
    let job = shipped(ProbeKind::Long);
    let answer = long_answer();
    let seen = play_job(&job, vec![ended(spoken(&answer), "end_turn", 400)]).await;
    let asked = body(&seen);
    assert_eq!(asked["max_tokens"], 2048 + 4 * (400 - 32));
    assert!(
        asked["messages"][0]["content"]
            .to_string()
            .contains("the word kestrel.")
    );
    let got = &seen.report.observation;
    assert_eq!((got.verdict, got.source), (Verdict::Complete, Source::Long));
    assert_eq!(got.canary_kind(), Some(CanaryKind::Long));
    let flags: Vec<_> = got.flags.names().collect();
    assert_eq!(flags, ["sentinel_found"], "its token count is plausible");

    let cut = &answer[..answer.find(" 58 ").unwrap()];
    let seen = play_job(&job, vec![ended(spoken(cut), "end_turn", 230)]).await;
    let got = &seen.report.observation;
    assert_eq!(got.verdict, Verdict::Truncated(Truncation::Silent));
    let why = "the text ends after 57 of 101 expected words, under a natural stop";
    assert_eq!(got.detail.as_deref(), Some(why));
    assert_eq!(seen.report.judgement.unwrap().cut_after, Some(57));
    assert!(got.flags.contains(Flags::FORGED) && !got.flags.contains(Flags::USAGE_MISMATCH));
}

#[tokio::test(start_paused = true)]
async fn a_document_is_asked_for_and_cut_in_its_place() {
    let job = shipped(ProbeKind::Json);
    let Answer::Json(document) = &script(&job).answer else {
        panic!("{:?}", script(&job).answer);
    };
    let answer = document.to_string().replace("SENTINEL_WORD", "kestrel");
    let seen = play_job(&job, vec![ended(spoken(&answer), "end_turn", 70)]).await;
    let asked = body(&seen)["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(
        asked.contains(&answer),
        "the prompt shows what is expected: {asked}"
    );
    let got = &seen.report.observation;
    assert_eq!((got.verdict, got.source), (Verdict::Complete, Source::Canary));
    assert_eq!(got.canary_kind(), Some(CanaryKind::Json));

    let seen = play_job(&job, vec![ended(spoken(&answer[..60]), "end_turn", 30)]).await;
    let got = &seen.report.observation;
    assert_eq!(got.verdict, Verdict::Truncated(Truncation::Silent));
    let why = "the JSON document ends after 60 of 150 bytes, under a natural stop";
    assert_eq!(got.detail.as_deref(), Some(why));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_forced_and_its_arguments_are_cut_in_their_place() {
    let job = shipped(ProbeKind::Tool);
    let seen = play_job(
        &job,
        vec![ended(called("record_batch", ARGUMENTS), "tool_use", 60)],
    )
    .await;
    let asked = body(&seen);
    assert_eq!(asked["tools"][0]["name"], "record_batch");
    assert_eq!(asked["tool_choice"]["name"], "record_batch");
    assert!(
        asked["messages"][0]["content"]
            .as_str()
            .unwrap()
            .ends_with(ARGUMENTS)
    );
    let got = &seen.report.observation;
    assert_eq!(
        (got.verdict, got.source),
        (Verdict::Complete, Source::Canary),
        "{got:?}"
    );
    assert_eq!(got.canary_kind(), Some(CanaryKind::Tool));

    let cut = ended(called("record_batch", &ARGUMENTS[..40]), "tool_use", 60);
    let seen = play_job(&job, vec![cut]).await;
    let got = &seen.report.observation;
    assert_eq!(got.verdict, Verdict::Truncated(Truncation::Silent));
    let why = "tool arguments end after 40 of 85 bytes, under a natural stop";
    assert_eq!(got.detail.as_deref(), Some(why));
    assert_eq!(
        got.tail.as_deref(),
        Some(&ARGUMENTS[..40]),
        "the tail is the call's"
    );
    assert_eq!(seen.report.judgement.unwrap().cut_at_byte, Some(40));

    let talk = ended(spoken("record_batch(7)"), "end_turn", 9);
    let got = play_job(&job, vec![talk]).await.report.observation;
    assert_eq!(got.verdict, Verdict::OffScript(OffScript::Text));
}

#[tokio::test(start_paused = true)]
async fn while_the_rule_is_off_a_right_answer_is_noted_and_a_wrong_one_decides_nothing() {
    for (answer, found) in [(ARGUMENTS, true), ("{}", false)] {
        let mut job = shipped(ProbeKind::Tool);
        job.check_text = false;
        let steps = ended(called("record_batch", answer), "tool_use", 60);
        let got = play_job(&job, vec![steps]).await.report.observation;
        assert_eq!(got.verdict, Verdict::Complete);
        assert!(got.flags.contains(Flags::SENTINEL_OFF));
        assert_eq!(got.flags.contains(Flags::SENTINEL_FOUND), found, "{answer}");
    }
}

#[test]
fn what_nobody_scheduled_can_be_asked_for_by_hand() {
    let job = shipped(ProbeKind::Tool);
    assert!(job.model.scheduled(CanaryKind::Tool).is_none() && job.model.any(CanaryKind::Tool).is_some());
    assert!(job.model.scheduled(CanaryKind::Long).is_some());
    assert!(
        worst_case(&job.model, CanaryKind::Tool).abs() < f64::EPSILON,
        "it is free"
    );
}
