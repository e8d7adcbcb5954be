use std::path::PathBuf;

use super::*;
use crate::{
    config::{Env, load_text},
    health::{Reason, ReasonCode},
    official::{FetchError, ParseError, parse},
};

const ONSET: i64 = 1_795_296_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(ONSET + seconds * 1_000)
}

/// Two providers that share a page, one with another, one whose page is for people, one that wants none read.
fn config(head: &str) -> Config {
    let entry = |id: &str, official: &str| {
        format!(
            "[[provider]]\nid = \"{id}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
             free = true\nmodels = [\"m\"]\nofficial = {official}\n"
        )
    };
    let page = |path: &str, format: &str, component: &str| {
        format!(
            "{{ url = \"https://s.example/{path}\", format = \"{format}\", components = [\"{component}\"] }}"
        )
    };
    let text = head.to_owned()
        + &entry("one", &page("a", "statuspage", "Chat"))
        + &entry("two", &page("a", "statuspage", "Embeddings"))
        + &entry("three", &page("b", "google", "Gemini"))
        + &entry("four", &page("c", "html", "x"))
        + &entry("five", "false");
    let env = Env {
        working_dir: PathBuf::from("."),
        ..Env::default()
    };
    load_text("t.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

fn shared() -> Page {
    Page {
        url: "https://s.example/a".parse().unwrap(),
        format: Format::Statuspage,
    }
}

/// A page on which `Chat` is in that state, with an incident posted then.
fn says(chat: &str, posted: Option<Timestamp>) -> Reading {
    let incidents = posted.map_or_else(Vec::new, |posted| {
        vec![serde_json::json!({
            "id": "x", "name": "Chat fails", "status": "investigating", "impact": "major", "shortlink": "/i/x",
            "created_at": posted.to_rfc3339(), "components": [{"name": "Chat"}],
        })]
    });
    let body = serde_json::json!({
        "page": {}, "status": {"indicator": "none", "description": "fine"}, "incidents": incidents,
        "components": [{"name": "Chat", "status": chat}, {"name": "Embeddings", "status": "operational"}],
    });
    Reading::Said(Arc::new(
        parse(Format::Statuspage, body.to_string().as_bytes()).unwrap(),
    ))
}

fn incident(id: &str, target: &str) -> Incident {
    let entry = |kind, seconds, state| IncidentEntry {
        at: at(seconds),
        kind,
        state,
        text: String::new(),
    };
    Incident {
        id: id.to_owned(),
        target: target.parse().unwrap(),
        started: at(0),
        detected: at(2),
        opened: at(17),
        recovered: None,
        closed: None,
        worst: State::Partial,
        reason: Reason {
            code: ReasonCode::Truncated,
            text: String::new(),
            sources: Vec::new(),
        },
        timeline: vec![
            entry("first_evidence", 0, State::Operational),
            entry("transition", 2, State::Partial),
            entry("opened", 17, State::Partial),
        ],
        lead_s: None,
    }
}

fn word(annotator: &Annotator, provider: &str, now: Timestamp) -> Option<(State, Option<String>)> {
    let word = annotator.word(&provider.parse().unwrap(), now)?;
    Some((word.state, word.title))
}

#[test]
fn a_page_is_read_once_however_many_share_it() {
    let config = config("");
    let read: Vec<String> = pages(&config).iter().map(|page| page.url.to_string()).collect();
    assert_eq!(read, ["https://s.example/a", "https://s.example/b"]);
    assert_eq!(pages(&self::config("official = false\n")), []);
}

#[test]
fn each_provider_hears_of_its_own_components() {
    let mut annotator = Annotator::new(&config(""));
    assert_eq!(word(&annotator, "one", at(0)), None);
    annotator.read(&shared(), says("major_outage", Some(at(0))), at(1));
    assert_eq!(
        word(&annotator, "one", at(1)),
        Some((State::Down, Some("Chat fails".to_owned())))
    );
    assert_eq!(word(&annotator, "two", at(1)), Some((State::Operational, None)));
    for silent in ["three", "four", "five"] {
        assert_eq!(word(&annotator, silent, at(1)), None);
    }
    let url = annotator.word(&"one".parse().unwrap(), at(1)).unwrap().url;
    assert_eq!(url.as_deref(), Some("https://s.example/i/x"));
}

#[test]
fn a_word_ages_and_garbage_ends_it_at_once() {
    let mut annotator = Annotator::new(&config(""));
    let down = Some(State::Down);
    let state = |annotator: &Annotator, now| word(annotator, "one", now).map(|(state, _)| state);
    annotator.read(&shared(), Reading::Failed(FetchError::Timeout(LATE)), at(0));
    assert_eq!(state(&annotator, at(0)), None);
    annotator.read(&shared(), says("major_outage", None), at(1));
    // No answer leaves the word standing, until it is stale.
    annotator.read(&shared(), Reading::Failed(FetchError::Timeout(LATE)), at(100));
    assert_eq!(state(&annotator, at(601)), down);
    assert_eq!(state(&annotator, at(602)), Some(State::Unknown));
    annotator.read(&shared(), says("major_outage", None), at(602));
    assert_eq!(state(&annotator, at(602)), down);
    annotator.read(&shared(), Reading::Unreadable(ParseError::ForPeople), at(603));
    assert_eq!(state(&annotator, at(603)), Some(State::Unknown));
}

#[test]
fn the_lead_is_the_time_from_our_detection_to_its_first_post() {
    for (posted, lead) in [(at(62), 60), (at(2), 0), (at(-28), -30), (at(-3_600), -3_602)] {
        // Whichever comes first, the incident or the page.
        for page_first in [true, false] {
            let mut annotator = Annotator::new(&config(""));
            let mut ours = incident("i", "one/m");
            let (now, told) = (at(70), says("partial_outage", Some(posted)));
            let annotated = if page_first {
                annotator.read(&shared(), told, now);
                annotator.incident(&mut ours, now);
                ours
            } else {
                annotator.incident(&mut ours, now);
                assert_eq!(ours, incident("i", "one/m"));
                let mut news = annotator.read(&shared(), told.clone(), now);
                assert_eq!(annotator.read(&shared(), told, at(130)), [], "told once");
                let (phase, annotated) = news.pop().unwrap();
                assert_eq!((phase, news.len()), (IncidentPhase::Updated, 0));
                annotated
            };
            assert_eq!(annotated.lead_s, Some(lead));
            let words: Vec<_> = annotated
                .timeline
                .iter()
                .filter(|entry| entry.kind == SPOKE)
                .collect();
            assert_eq!(words.len(), 1);
            assert_eq!(
                (words[0].at, words[0].text.as_str()),
                (posted, "the official page spoke: Chat fails")
            );
            assert!(annotated.timeline.is_sorted_by_key(|entry| entry.at));
        }
    }
}

#[test]
fn what_is_no_word_about_it_gives_no_lead() {
    let nobody = |target: &str, reading: Reading, now: Timestamp| {
        let mut annotator = Annotator::new(&config(""));
        let mut ours = incident("i", target);
        annotator.read(&shared(), reading, now);
        annotator.incident(&mut ours, now);
        ours.lead_s
    };
    assert_eq!(nobody("one/m", says("operational", None), at(60)), None);
    assert_eq!(
        nobody("two/m", says("major_outage", Some(at(30))), at(60)),
        None,
        "of another component"
    );
    assert_eq!(
        nobody("three/m", says("major_outage", Some(at(30))), at(60)),
        None,
        "on another page"
    );
    assert_eq!(
        nobody("one/m", says("major_outage", Some(at(-3_601))), at(60)),
        None,
        "long before"
    );
    assert_eq!(
        nobody("one/m", says("major_outage", Some(at(61))), at(60)),
        None,
        "in the future"
    );
    assert_eq!(
        nobody("one/m", Reading::Unreadable(ParseError::ForPeople), at(60)),
        None
    );
    // A component that is ill without a date: from when we read it.
    assert_eq!(nobody("one/m", says("major_outage", None), at(60)), Some(58));
}

#[test]
fn a_page_may_speak_for_an_hour_after_the_end() {
    for (posted, lead) in [(3_600 + 40, Some(3_638)), (3_600 + 41, None)] {
        let mut annotator = Annotator::new(&config(""));
        let mut ours = incident("i", "one/m");
        ours.recovered = Some(at(40));
        ours.closed = Some(at(100));
        annotator.incident(&mut ours, at(100));
        let news = annotator.read(&shared(), says("operational", Some(at(posted))), at(4_000));
        assert_eq!(news.first().and_then(|(_, it)| it.lead_s), lead);
        // After that it is let go.
        let forgotten = at(100).plus(LATE + LOOK_BACK).plus(Duration::from_secs(1));
        annotator.read(&shared(), says("operational", None), forgotten);
        assert_eq!(annotator.followed.len(), 0);
    }
}

#[test]
fn a_restart_keeps_what_was_said_even_when_the_page_says_it_no_more() {
    let mut annotator = Annotator::new(&config(""));
    let mut ours = incident("i", "one/m");
    annotator.read(&shared(), says("partial_outage", Some(at(40))), at(60));
    annotator.incident(&mut ours, at(60));
    assert_eq!(ours.lead_s, Some(38));

    let mut later = Annotator::new(&config(""));
    later.resume(vec![ours.clone()]);
    later.read(&shared(), says("operational", None), at(90));
    let mut closed = incident("i", "one/m");
    later.incident(&mut closed, at(91));
    assert_eq!((closed.lead_s, &closed.timeline), (ours.lead_s, &ours.timeline));
    // Annotated twice is annotated once.
    let once = closed.clone();
    later.incident(&mut closed, at(92));
    assert_eq!(closed, once);
}

#[test]
fn a_full_timeline_stays_within_its_bound() {
    let mut annotator = Annotator::new(&config(""));
    let mut ours = incident("i", "one/m");
    while ours.timeline.len() < MAX_TIMELINE {
        ours.timeline.push(ours.timeline[2].clone());
    }
    annotator.read(&shared(), says("partial_outage", Some(at(40))), at(60));
    annotator.incident(&mut ours, at(60));
    assert_eq!((ours.timeline.len(), ours.lead_s), (MAX_TIMELINE, Some(38)));
    let mut later = Annotator::new(&config(""));
    later.resume(vec![ours.clone()]);
    let mut again = ours.clone();
    later.incident(&mut again, at(61));
    assert_eq!(again.lead_s, Some(38));
}

#[test]
fn no_more_incidents_are_followed_than_the_bound() {
    let mut annotator = Annotator::new(&config(""));
    for (n, second) in (0..=MAX_FOLLOWED).zip(0..) {
        let mut ours = incident(&format!("i{n}"), "one/m");
        ours.started = at(second);
        annotator.incident(&mut ours, at(5_000));
    }
    assert_eq!(annotator.followed.len(), MAX_FOLLOWED);
    assert!(!annotator.followed.contains_key("i0") && annotator.followed.contains_key("i1"));
}

#[test]
fn a_reload_keeps_what_pages_that_stay_have_said() {
    let mut annotator = Annotator::new(&config(""));
    annotator.read(&shared(), says("major_outage", None), at(1));
    annotator.reconfigure(&config(""));
    assert_eq!(word(&annotator, "one", at(2)).unwrap().0, State::Down);
    annotator.reconfigure(&config("official = false\n"));
    assert_eq!(word(&annotator, "one", at(2)), None);
    annotator.reconfigure(&config(""));
    assert_eq!(word(&annotator, "one", at(2)), None, "it is read anew");
}
