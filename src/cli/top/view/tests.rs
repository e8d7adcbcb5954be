use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;
use crate::{
    cli::{
        fixture::{self, NOW},
        top::{
            app::Event,
            past::{Answer, BARS, Bar, Details},
        },
    },
    client::follow::News,
    health::Network,
};

const PLAIN: Theme = Theme { colour: false };

fn app() -> App {
    let mut health = fixture::named(&[
        ("anthropic/claude-haiku-4-5", "partial"),
        ("openai/gpt-5.2", "operational"),
        ("openrouter/meta-llama/llama-3.1-8b-instruct", "down"),
        ("gemini/gemini-2.5-flash-lite", "unknown"),
        ("mistral/mistral-small", "degraded"),
        ("cohere/command-r7b", "maintenance"),
    ]);
    let target = &mut health.targets[0];
    target.served_model = Some("claude-haiku-4-5-20251001".to_owned());
    target.flags = vec!["model_changed".into()];
    target.last_complete_at = Some(NOW.minus(Duration::from_secs(3)).into());
    let mut app = App::new(health, "http://127.0.0.1:7411".to_owned(), NOW);
    let mut learn = |answer| app.update(Event::Past(answer), NOW);
    for (id, failed) in [("anthropic/claude-haiku-4-5", 7), ("openai/gpt-5.2", 0)] {
        let bars = (0..BARS as u64).map(|at| Bar {
            attempts: if at < 4 { 0 } else { 12 },
            failed: if at > 15 { failed } else { 0 },
        });
        learn(Answer::Hour(id.parse().unwrap(), bars.collect()));
    }
    learn(Answer::Incidents(incidents()));
    app
}

fn incidents() -> Vec<crate::feed::record::Incident> {
    let reason =
        json!({"code": "truncated", "text": "7 of 12 replies ended before a stop reason", "sources": []});
    let made = json!([
        {"id": "1", "target": "anthropic/claude-haiku-4-5", "open": true, "worst": "partial", "reason": reason,
         "started_at": "2026-06-20T13:01:00Z", "detected_at": "2026-06-20T13:01:02Z", "opened_at": "2026-06-20T13:01:03Z",
         "recovered_at": null, "closed_at": null, "timeline": []},
        {"id": "2", "target": "openai/gpt-5.2", "open": false, "worst": "down", "reason": reason,
         "started_at": "2026-06-20T11:30:00Z", "detected_at": "2026-06-20T11:30:02Z", "opened_at": "2026-06-20T11:30:03Z",
         "recovered_at": "2026-06-20T11:48:00Z", "closed_at": "2026-06-20T11:53:00Z", "timeline": []},
        {"id": "3", "target": "openai/gpt-5.2", "open": false, "worst": "degraded", "reason": reason,
         "started_at": "2026-06-17T11:30:00Z", "detected_at": "2026-06-17T11:30:02Z", "opened_at": "2026-06-17T11:30:03Z",
         "recovered_at": null, "closed_at": "2026-06-17T11:53:00Z", "timeline": []},
        {"id": "4", "target": "cohere/command-r7b", "open": true, "worst": "down", "reason": reason,
         "started_at": "2026-06-20T12:30:00Z", "detected_at": "2026-06-20T12:30:02Z", "opened_at": "2026-06-20T12:30:03Z",
         "recovered_at": "2026-06-20T13:03:30Z", "closed_at": null, "timeline": []},
    ]);
    serde_json::from_value(made).unwrap()
}

fn details() -> Details {
    let seen = |verdict: &str, kind: Option<&str>, tail: Option<&str>| {
        json!({
            "target": "anthropic/claude-haiku-4-5", "at": "2026-06-20T13:04:58Z", "started_at": "2026-06-20T13:04:57Z",
            "source": "canary", "purpose": "scheduled", "verdict": verdict, "kind": kind, "flags": [],
            "http_status": 200, "stop_reason": null, "ttft_ms": 412.0, "ttfo_ms": 412.0, "itl_ms": null, "e2e_ms": null,
            "output_tps": null, "phases_ms": {"connect": 18.2, "head": 120.4, "first_token": 412.0, "last_token": 1890.0,
            "terminal": 1903.7}, "connection": "reused", "input_tokens": null, "output_tokens": null,
            "reasoning_tokens": null, "cost_usd": 0.0001, "retry_after_ms": null, "served_model": null,
            "request_id": tail.map(|_| "req_0182"), "detail": tail.map(|_| "the body ended early\u{1b}[2J"), "tail": tail,
            "reporter": null,
        })
    };
    let of = |value| serde_json::from_value(value).unwrap();
    Details {
        failures: vec![
            of(seen("truncated", Some("cut"), Some("seven eight nine ten"))),
            of(seen("errored", Some("overloaded"), None)),
        ],
        complete: Some(of(seen("complete", None, None))),
    }
}

fn drawn(app: &mut App, theme: Theme, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(app, theme, frame)).unwrap();
    terminal
}

fn text(app: &mut App, width: u16, height: u16) -> String {
    drawn(app, PLAIN, width, height).backend().to_string()
}

#[test]
fn the_table_at_every_size() {
    for (width, height) in [(80, 24), (120, 40), (40, 12), (24, 8)] {
        insta::assert_snapshot!(format!("table_{width}x{height}"), text(&mut app(), width, height));
    }
}

#[test]
fn one_target_and_help_at_two_sizes() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut app = app();
        app.mode = Mode::Help;
        insta::assert_snapshot!(format!("help_{width}x{height}"), text(&mut app, width, height));
    }
    let mut app = app();
    let id = "anthropic/claude-haiku-4-5".parse().unwrap();
    app.update(Event::Past(Answer::Details(id, Box::new(details()))), NOW);
    // The worst is another: one row down.
    let down = ratatui::crossterm::event::KeyCode::Down.into();
    let enter = ratatui::crossterm::event::KeyCode::Enter.into();
    for key in [down, enter] {
        app.update(Event::Input(ratatui::crossterm::event::Event::Key(key)), NOW);
    }
    for (width, height) in [(80, 24), (120, 40)] {
        insta::assert_snapshot!(format!("details_{width}x{height}"), text(&mut app, width, height));
    }
}

#[test]
fn a_lost_feed_shows_nothing_as_known() {
    let mut app = app();
    let why = "connection refused".to_owned();
    let retry = Duration::from_secs(4);
    app.update(Event::News(News::Lost { why, retry }), NOW);
    let fresh = text(&mut app, 80, 24);
    assert!(
        fresh.contains("connection lost since 13:05:00 UTC, as of then"),
        "{fresh}"
    );
    assert!(fresh.contains("✕ down"), "{fresh}");
    app.update(Event::Tick, NOW.plus(Duration::from_secs(16)));
    let stale = text(&mut app, 80, 24);
    assert!(stale.contains("nothing is known"), "{stale}");
    for word in ["✕ down", "● operational", "58.3 %", "412/903"] {
        assert!(
            !stale.lines().take(9).any(|line| line.contains(word)),
            "{word}: {stale}"
        );
    }
    let rows = stale
        .lines()
        .filter(|line| line.contains('/') && line.contains("○ unknown"));
    assert_eq!(rows.count(), 6, "{stale}");
    app.lost = None;
    app.health.head.network = Network::Offline;
    app.update(Event::Tick, NOW);
    assert!(text(&mut app, 80, 24).contains("own network offline: nothing is known"));
}

#[test]
fn a_selected_row_is_on_the_screen_whatever_its_size() {
    let targets: Vec<_> = (0..200)
        .map(|at| (format!("p/m{at:03}"), "operational"))
        .collect();
    let targets: Vec<_> = targets.iter().map(|(id, state)| (id.as_str(), *state)).collect();
    let mut app = App::new(fixture::named(&targets), "http://h".to_owned(), NOW);
    for (width, height) in [(80, 24), (40, 6), (120, 50), (20, 5)] {
        for key in ["End", "Home", "PageDown"] {
            let code = match key {
                "End" => ratatui::crossterm::event::KeyCode::End,
                "Home" => ratatui::crossterm::event::KeyCode::Home,
                _ => ratatui::crossterm::event::KeyCode::PageDown,
            };
            app.update(
                Event::Input(ratatui::crossterm::event::Event::Key(code.into())),
                NOW,
            );
            let shown = text(&mut app, width, height);
            let id = app.selection().unwrap().id.to_string();
            assert!(shown.contains(&id), "{key} {width}x{height}: {id}\n{shown}");
        }
    }
}

#[test]
fn no_size_is_too_small_to_draw() {
    for mode in [Mode::Table, Mode::Search, Mode::Details, Mode::Help] {
        for (width, height) in (0..60)
            .step_by(7)
            .flat_map(|width| (0..20).step_by(2).map(move |height| (width, height)))
        {
            let mut app = app();
            app.mode = mode;
            drawn(&mut app, PLAIN, width, height);
        }
    }
}

#[test]
fn colour_is_beside_shape_and_word_and_can_be_left_out() {
    let colours = |theme| {
        let terminal = drawn(&mut app(), theme, 120, 40);
        let cells = terminal.backend().buffer().content().to_vec();
        cells
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert!(colours(Theme { colour: true }) > 0);
    assert_eq!(colours(PLAIN), 0);
}

#[test]
fn text_of_others_is_shown_and_never_obeyed() {
    let mut app = app();
    app.health.targets[2].reason.text = "a\u{1b}[31mb\u{7}".to_owned();
    app.health.head.vantage = "v\n\u{9b}".to_owned();
    app.update(Event::Tick, NOW);
    let shown = text(&mut app, 120, 40);
    assert!(
        shown.contains("a\\u{1b}[31mb\\u{7}") && shown.contains("vantage v\\n"),
        "{shown}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever is pressed, heard and resized in whatever order: it draws, and the selected row is one of the rows.
    #[test]
    fn no_order_of_events_breaks_it(
        steps in proptest::collection::vec((0_u8..24, 0_usize..7, 0_u16..130, 0_u16..45), 1..25)
    ) {
        use ratatui::crossterm::event::{Event as Input, KeyCode};
        const STATES: [&str; 6] = ["operational", "degraded", "partial", "down", "unknown", "maintenance"];
        const KEYS: [KeyCode; 17] = [
            KeyCode::Up, KeyCode::Down, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Enter,
            KeyCode::Esc, KeyCode::Backspace, KeyCode::Char('s'), KeyCode::Char('f'), KeyCode::Char('/'),
            KeyCode::Char('?'), KeyCode::Char('m'), KeyCode::Char('4'), KeyCode::Char('j'), KeyCode::Char('k'),
        ];
        let mut app = app();
        for (what, many, width, height) in steps {
            let event = match (KEYS.get(usize::from(what)), what) {
                (Some(key), _) => Event::Input(Input::Key((*key).into())),
                (None, 17..20) => {
                    let targets: Vec<_> = (0..many).map(|at| (format!("p{at}/m"), STATES[(at + many) % 6])).collect();
                    let targets: Vec<_> = targets.iter().map(|(id, state)| (id.as_str(), *state)).collect();
                    Event::News(News::Snapshot(Box::new(fixture::named(&targets))))
                }
                (None, 20) => Event::News(News::Lost { why: "gone".to_owned(), retry: Duration::from_secs(1) }),
                (None, _) => Event::Tick,
            };
            let now = app.now.plus(Duration::from_secs(u64::from(what % 3)));
            app.update(event, now);
            drawn(&mut app, PLAIN, width, height);
            let rows = app.rows().len();
            if let Some(row) = app.selected_row() {
                proptest::prop_assert!(row < rows);
            } else {
                proptest::prop_assert!(rows == 0 || app.mode == Mode::Details, "{rows} rows and none is selected");
            }
        }
    }
}
