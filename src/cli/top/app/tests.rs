use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::cli::fixture::{self, NOW};

const TARGETS: [(&str, &str); 5] = [
    ("a/one", "operational"),
    ("b/two", "degraded"),
    ("c/three", "down"),
    ("d/four", "unknown"),
    ("e/five", "operational"),
];

fn app(targets: &[(&str, &str)]) -> App {
    App::new(fixture::named(targets), "http://127.0.0.1:7411".to_owned(), NOW)
}

fn press(app: &mut App, keys: &str) -> Flow {
    let mut flow = Flow::Continue;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '⇟' => KeyCode::PageDown,
            '⇞' => KeyCode::PageUp,
            '⇱' => KeyCode::Home,
            '⇲' => KeyCode::End,
            c => KeyCode::Char(c),
        };
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        flow = app.update(Event::Input(Input::Key(key)), app.now);
    }
    flow
}

fn ids(app: &App) -> Vec<String> {
    app.rows().iter().map(|target| target.id.to_string()).collect()
}

fn selected(app: &App) -> String {
    app.selection()
        .map(|target| target.id.to_string())
        .unwrap_or_default()
}

fn snapshot(targets: &[(&str, &str)]) -> Event {
    Event::News(News::Snapshot(Box::new(fixture::named(targets))))
}

fn lost(why: &str) -> Event {
    Event::News(News::Lost {
        why: why.to_owned(),
        retry: Duration::from_secs(2),
    })
}

fn incident(id: &str, open: bool, started: &str) -> Incident {
    serde_json::from_value(serde_json::json!({
        "id": id, "target": "c/three", "open": open, "worst": "down",
        "reason": {"code": "truncated", "text": "cut", "sources": []},
        "started_at": started, "detected_at": started, "opened_at": started,
        "recovered_at": null, "closed_at": null, "timeline": [],
    }))
    .unwrap()
}

#[test]
fn the_worst_comes_first_and_each_order_has_its_key() {
    let mut app = app(&TARGETS);
    app.health.targets[4].ttft_ms.p95 = Some(5000.0);
    app.health.targets[0].ttft_ms.p95 = None;
    app.health.targets[4].failure_rate = fixture::rate(1, 100);
    assert_eq!(ids(&app), ["c/three", "b/two", "d/four", "a/one", "e/five"]);
    assert_eq!(selected(&app), "c/three");
    press(&mut app, "s");
    assert_eq!(
        (app.sort, ids(&app)),
        (
            Sort::Name,
            ["a/one", "b/two", "c/three", "d/four", "e/five"]
                .map(Into::into)
                .to_vec()
        )
    );
    press(&mut app, "s");
    assert_eq!(
        ids(&app),
        ["e/five", "b/two", "c/three", "d/four", "a/one"],
        "unmeasured last"
    );
    press(&mut app, "s");
    assert_eq!(ids(&app), ["c/three", "b/two", "e/five", "a/one", "d/four"]);
    press(&mut app, "s");
    assert_eq!((app.sort, selected(&app)), (Sort::State, "c/three".to_owned()));
}

#[test]
fn keys_move_within_bounds() {
    let mut app = app(&TARGETS);
    app.page = 2;
    for (keys, now) in [
        ("k", "c/three"),
        ("j", "b/two"),
        ("↓↓", "a/one"),
        ("↑", "d/four"),
        ("⇟", "e/five"),
        ("⇟⇟", "e/five"),
        ("⇞", "d/four"),
        ("⇞⇞⇞", "c/three"),
        ("G", "e/five"),
        ("g", "c/three"),
        ("⇲", "e/five"),
        ("⇱", "c/three"),
        ("x", "c/three"),
    ] {
        press(&mut app, keys);
        assert_eq!(selected(&app), now, "{keys}");
    }
}

#[test]
fn the_selection_stays_with_its_target() {
    let mut app = app(&TARGETS);
    press(&mut app, "j");
    assert_eq!(selected(&app), "b/two");
    let mut better = TARGETS;
    better[1].1 = "operational";
    app.update(snapshot(&better), NOW);
    assert_eq!((selected(&app).as_str(), app.selected_row()), ("b/two", Some(3)));
    app.update(snapshot(&TARGETS[..1]), NOW);
    assert_eq!(selected(&app), "a/one", "whose target is gone gets another");
    app.update(snapshot(&[]), NOW);
    assert_eq!(selected(&app), "");
    assert_eq!(press(&mut app, "jkGg⇟⇞\ns"), Flow::Continue, "nothing to move on");
}

#[test]
fn filter_and_search_leave_what_is_asked_for() {
    let mut app = app(&TARGETS);
    press(&mut app, "f");
    assert_eq!(ids(&app), ["c/three", "b/two", "d/four"]);
    press(&mut app, "f/E/T");
    assert_eq!((app.mode, ids(&app)), (Mode::Search, Vec::<String>::new()));
    press(&mut app, "\u{8}\u{8}");
    assert_eq!(
        ids(&app),
        ["c/three", "a/one", "e/five"],
        "without regard to case"
    );
    press(&mut app, "\n");
    assert_eq!((app.mode, app.search.as_str()), (Mode::Table, "E"));
    press(&mut app, "\u{1b}");
    assert_eq!((app.search.as_str(), ids(&app).len()), ("", 5));
    // q is a letter while a text is typed.
    press(&mut app, "/q");
    assert_eq!((app.mode, app.search.as_str()), (Mode::Search, "q"));
    press(&mut app, "\u{1b}");
    assert_eq!((app.mode, app.search.as_str()), (Mode::Table, ""));
    press(&mut app, "/");
    press(&mut app, &"x".repeat(MAX_SEARCH + 10));
    assert_eq!(app.search.len(), MAX_SEARCH);
}

#[test]
fn escape_goes_one_step_out_and_q_ends() {
    let mut app = app(&TARGETS);
    press(&mut app, "f?");
    assert_eq!(app.mode, Mode::Help);
    for (mode, unwell_only) in [(Mode::Table, true), (Mode::Table, false)] {
        assert_eq!(press(&mut app, "\u{1b}"), Flow::Continue);
        assert_eq!((app.mode, app.unwell_only), (mode, unwell_only));
    }
    assert_eq!(press(&mut app, "\n\u{1b}"), Flow::Continue);
    assert_eq!(press(&mut app, "\u{1b}"), Flow::Quit);
    assert_eq!(press(&mut app, "?q"), Flow::Quit);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut app, "/");
    assert_eq!(app.update(Event::Input(Input::Key(ctrl_c)), NOW), Flow::Quit);
}

#[test]
fn a_target_that_is_looked_at_stays_until_it_is_gone() {
    let mut app = app(&TARGETS);
    press(&mut app, "f\n");
    let mut better = TARGETS;
    better[2].1 = "operational";
    app.update(snapshot(&better), NOW);
    assert_eq!(
        (app.mode, selected(&app).as_str()),
        (Mode::Details, "c/three"),
        "though the filter hides it"
    );
    app.update(snapshot(&better[..2]), NOW);
    assert_eq!((app.mode, selected(&app).as_str()), (Mode::Table, "b/two"));
}

#[test]
fn nothing_is_known_past_its_time_or_without_a_network() {
    let mut app = app(&TARGETS);
    let states = |app: &App| {
        app.rows()
            .iter()
            .map(|target| app.state(target))
            .collect::<Vec<_>>()
    };
    assert_eq!(app.dark(), None);
    app.update(Event::Tick, NOW.plus(Duration::from_secs(15)));
    assert_eq!(app.dark(), None, "at the bound it is fresh");
    app.update(Event::Tick, NOW.plus(Duration::from_millis(15_001)));
    assert_eq!(
        (app.dark(), states(&app)),
        (Some("the feed is stale"), vec![State::Unknown; 5])
    );
    app.health.head.network = Network::Offline;
    app.update(Event::Tick, NOW);
    assert_eq!(
        (app.dark(), states(&app)),
        (Some("own network offline"), vec![State::Unknown; 5])
    );
}

#[test]
fn a_lost_connection_is_told_from_its_first_failure() {
    let mut app = app(&TARGETS);
    app.update(lost("reset"), NOW);
    let later = NOW.plus(Duration::from_secs(5));
    app.update(lost("refused"), later);
    let told = app.lost.clone().unwrap();
    assert_eq!((told.since, told.why.as_str()), (NOW, "refused"));
    assert_eq!(told.next, later.plus(Duration::from_secs(2)));
    assert_eq!(app.wish(), None, "nobody would answer");
    app.update(snapshot(&TARGETS), later);
    assert_eq!(app.lost, None);
    assert_eq!(
        app.wish(),
        Some(Wish::Incidents),
        "some may have come and gone unheard"
    );
}

#[test]
fn history_is_asked_in_turn_and_not_again_too_soon() {
    let mut app = app(&TARGETS[..2]);
    let hour = |id: &str| Some(Wish::Hour(id.parse().unwrap()));
    let all: Vec<_> = std::iter::from_fn(|| app.wish()).collect();
    assert_eq!(
        all.into_iter().map(Some).collect::<Vec<_>>(),
        [Some(Wish::Incidents), hour("b/two"), hour("a/one")]
    );
    press(&mut app, "\n");
    assert_eq!(app.wish(), Some(Wish::Details("b/two".parse().unwrap())));
    assert_eq!(app.wish(), None);
    app.update(Event::Tick, NOW.plus(DETAILS_EVERY));
    assert_eq!(app.wish(), Some(Wish::Details("b/two".parse().unwrap())));
    press(&mut app, "\u{1b}");
    assert_eq!(app.wish(), None);
    app.update(Event::Tick, NOW.plus(HOUR_EVERY));
    // The feed is stale by now, so that both are unknown and stand as configured.
    assert_eq!(
        [app.wish(), app.wish(), app.wish()],
        [hour("a/one"), hour("b/two"), None]
    );
    // An answer that failed is told, and what was known stays.
    let bars = vec![Bar {
        attempts: 1,
        failed: 0,
    }];
    let target: TargetId = "a/one".parse().unwrap();
    app.update(Event::Past(Answer::Hour(target.clone(), bars.clone())), NOW);
    app.update(Event::Past(Answer::Failed("busy".to_owned())), NOW);
    assert_eq!(
        (app.unread.as_deref(), app.hours.get(&target)),
        (Some("busy"), Some(&bars))
    );
}

#[test]
fn incidents_are_kept_open_ones_first() {
    let mut app = app(&TARGETS);
    let answer = vec![
        incident("old", false, "2026-06-20T10:00:00Z"),
        incident("long", true, "2026-06-20T09:00:00Z"),
    ];
    app.update(Event::Past(Answer::Incidents(answer)), NOW);
    let told = |app: &App| app.incidents.iter().map(|i| i.id.clone()).collect::<Vec<_>>();
    assert_eq!(told(&app), ["long", "old"]);
    let delta = |phase: &str, incident: &Incident| {
        let mut event = serde_json::to_value(fixture::named(&[])).unwrap();
        event["incident"] = serde_json::to_value(incident).unwrap();
        event["incident"]["phase"] = phase.into();
        Event::News(News::Delta(serde_json::from_value(event).unwrap()))
    };
    app.update(
        delta("opened", &incident("new", true, "2026-06-20T13:00:00Z")),
        NOW,
    );
    assert_eq!(told(&app), ["new", "long", "old"]);
    app.update(
        delta("closed", &incident("long", false, "2026-06-20T09:00:00Z")),
        NOW,
    );
    assert_eq!(told(&app), ["new", "old", "long"]);
    for at in 0..INCIDENTS + 10 {
        app.update(
            delta(
                "closed",
                &incident(&format!("c{at}"), false, "2026-06-20T08:00:00Z"),
            ),
            NOW,
        );
    }
    assert_eq!(
        (app.incidents.len(), app.incidents[0].id.as_str()),
        (INCIDENTS, "new")
    );
}
