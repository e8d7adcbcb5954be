mod declared;
mod fixtures;
mod history;
mod incidents;
mod look;
mod methodology;
mod overview;
mod target;
mod ways;
mod whose;

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    clock::Timestamp,
    feed::{
        reliability::Reliability,
        route::Decision,
        v1::{Identity, SetAside, StoreState, StoreStatus},
    },
    health::{
        Figures, Hint, Incident, IncidentEntry, Network, Percentiles, ProviderView, Rate, Reason, ReasonCode,
        Routing, Standing, StateTimes, TargetView, View,
    },
    protocol::ErrorClass,
    store::{Rollup, Series},
    verdict::{CanaryKind, FailedAt, Failure, Observation, Purpose, Source, Truncation, Verdict},
};

use self::{fixtures::*, history::history, whose::evidence};

fn title(html: &str) -> &str {
    html.split_once("<title>")
        .unwrap()
        .1
        .split_once("</title>")
        .unwrap()
        .0
}

/// What a person reads: tags gone, spaces single.
fn text(html: &str) -> String {
    let html = html.split_once("<body").unwrap().1;
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                out.push(' ');
            }
            '>' => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "writes pages to ENDTURN_PAGE_DIR for somebody to look at"]
fn dump() {
    let dir = std::path::PathBuf::from(std::env::var("ENDTURN_PAGE_DIR").unwrap());
    let mut feeds = vec![("sick", feed(four()))];
    feeds.push((
        "well",
        feed(
            four()
                .into_iter()
                .filter(|t| t.state == State::Operational)
                .collect(),
        ),
    ));
    let states = [
        view_of(
            "openai/gpt-5.2",
            State::Down,
            ReasonCode::Overloaded,
            "12 of 12 requests were answered 529 in 60 s",
        ),
        well("openai/gpt-5.2-mini"),
        view_of(
            "groq/llama-4",
            State::Unknown,
            ReasonCode::Stale,
            "no evidence for 4 min",
        ),
        cut(),
        view_of(
            "anthropic/claude-sonnet-4-5",
            State::Degraded,
            ReasonCode::Slow,
            "first tokens come after 3.1 s",
        ),
        view_of(
            "xai/grok-5",
            State::Maintenance,
            ReasonCode::Maintenance,
            "declared by ops",
        ),
        well("openrouter/meta-llama/llama-3.1-8b-instruct-with-a-rather-long-name"),
    ];
    feeds.push(("states", feed(states.to_vec())));
    for (name, health) in feeds {
        std::fs::write(dir.join(format!("{name}.html")), render(&health)).unwrap();
    }
    let health = feed(vec![cut()]);
    for range in Range::ALL {
        let past = Past {
            history: Some(history(range)),
            ..past()
        };
        let html = scene(&health).target(&health.targets[0].id, range, &past, &plans());
        std::fs::write(dir.join(format!("target-{}.html", range.as_str())), html.unwrap()).unwrap();
    }
    let snapshot = serde_json::to_string(&feed(four())).unwrap();
    std::fs::write(dir.join("snapshot.json"), snapshot).unwrap();
    for asset in [&*assets::STYLE, &*assets::SCRIPT, &*assets::TARGET_SCRIPT] {
        let path = dir.join(asset.path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &asset.body).unwrap();
    }
}

#[test]
fn without_a_network_nothing_is_claimed() {
    let mut health = feed(four());
    health.head.network = Network::Offline;
    for html in [render(&health), render_target(&health, &past())] {
        assert!(
            title(&html).starts_with("This vantage has lost its network"),
            "{}",
            title(&html)
        );
        assert!(html.contains("network offline"));
    }
}

#[test]
fn a_silent_monitor_shows_no_old_health() {
    let health = feed(four());
    let at = |now| {
        Scene {
            now,
            ..scene(&health)
        }
        .overview(&calendar(&health), &ways(), &[outlook()])
    };
    let limit = health.head.stale_after.0;
    assert!(at(limit).contains("data-state=\"operational\""));
    let late = at(limit.plus(Duration::from_millis(1)));
    assert!(
        !late.contains("data-state=\"operational\"") && !late.contains("#operational"),
        "old health shown"
    );
    assert!(at(limit).contains("Routes</h2>") && !late.contains("Routes</h2>"));
    assert!(title(&late).starts_with("Nothing is known: the monitor itself is silent since 13:05 UTC"));
    assert!(!late.contains(">Open<"), "an incident is claimed");
}

#[test]
fn states_show_by_shape_and_word_and_never_as_another() {
    for state in State::ALL {
        for code in ReasonCode::ALL {
            let health = feed(vec![view_of("p/m", state, code, "why it is so")]);
            let html = render(&health);
            let row = html
                .split_once("class=\"row\"")
                .unwrap()
                .1
                .split_once("</a>")
                .unwrap()
                .0;
            assert!(row.contains(&format!("data-state=\"{state}\"")), "{state}: {row}");
            assert!(row.contains(&format!("href=\"#{state}\"")), "{state}: no shape");
            assert!(row.contains(&format!("<em>{state}</em>")), "{state}: no word");
            assert_eq!(
                row.contains("why it is so"),
                state != State::Operational,
                "{state}: its reason, or calm"
            );
            for other in State::ALL.into_iter().filter(|other| *other != state) {
                assert!(!row.contains(&format!("#{other}\"")), "{state} shown as {other}");
            }
            let one = render_target(&health, &Past::default());
            assert!(
                one.contains(&format!("<b>{state}</b>")),
                "{state}: not on its own page"
            );
            assert!(!title(&html).is_empty() && !title(&one).is_empty());
            if state != State::Operational {
                assert!(
                    !title(&html).contains("finish"),
                    "{state} {code:?}: {}",
                    title(&html)
                );
            }
        }
    }
}

#[test]
fn every_figure_has_its_n() {
    let mut health = feed(four());
    health.targets[2].ttft_ms = crate::feed::v1::Percentiles::default();
    health.targets[2].truncation_rate = crate::feed::v1::Rate::default();
    for html in [render(&health), render_target(&health, &past())] {
        let figures: Vec<&str> = html.split("data-f=").skip(1).collect();
        assert!(figures.len() >= 8);
        for figure in figures {
            let figure = figure.split_once("</small>").unwrap().0;
            let (before, note) = figure.rsplit_once("<small>").unwrap();
            let value = before.trim_end_matches("</b>").rsplit_once('>').unwrap().1;
            assert!(!value.is_empty() && note.contains("n "), "{figure}");
            assert_eq!(value == "–", note.ends_with("n 0"), "{figure}");
        }
    }
}

const HOSTILE: &str =
    "</script><script>alert(1)</script>\" onmouseover='x' \u{202e}evil\u{7}\nhttps://example.com/";

#[test]
fn foreign_text_is_data() {
    let mut seen = observation(NOW, Verdict::Truncated(Truncation::Cut));
    seen.stop_reason = Some(HOSTILE.into());
    seen.request_id = Some(HOSTILE.into());
    seen.detail = Some(HOSTILE.repeat(40));
    seen.tail = Some(HOSTILE.repeat(40));
    let mut past = past();
    past.observations = vec![seen];
    past.missing = None;
    let mut target = cut();
    target.reason.text = HOSTILE.into();
    let mut health = feed(vec![target]);
    health.head.vantage = HOSTILE.into();
    health.head.store = StoreStatus {
        state: StoreState::Failing,
        dropped: 3,
        detail: Some(HOSTILE.into()),
        set_aside: None,
    };
    let broken = Past {
        missing: Some(HOSTILE.into()),
        ..Past::default()
    };
    for html in [
        render(&health),
        render_target(&health, &past),
        render_target(&health, &broken),
        scene(&health).missing(Missing::Target, HOSTILE),
    ] {
        assert_eq!(html.matches("<script").count(), 1, "only our own script");
        for bad in [
            "onmouseover='",
            "\u{202e}",
            "\u{7}",
            "href=\"http",
            "alert(1)</script>",
        ] {
            assert!(!html.contains(bad), "{bad:?} came through");
        }
        assert!(html.len() < 64_000, "{} bytes: not cut", html.len());
        assert!(html.contains("&#60;script&#62;alert(1)"), "shown as text");
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    let health = feed(four());
    for html in [
        render(&health),
        render_target(&health, &past()),
        scene(&health).missing(Missing::Incident, "p/m"),
    ] {
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let outside_quotes: String = tag.split('"').step_by(2).collect();
            assert!(!tag.starts_with("style"), "{tag}");
            assert!(!outside_quotes.contains(" style="), "{tag}");
            assert!(!outside_quotes.contains(" on"), "{tag}");
            for value in ["src=\"", "href=\""] {
                if let Some((_, rest)) = tag.split_once(value) {
                    assert!(rest.starts_with('/') || rest.starts_with('#'), "{tag}");
                    assert!(!rest.starts_with("//"), "{tag}");
                }
            }
        }
        assert!(html.contains("<script src=\"/assets/status.") && html.contains(".js\"></script>"));
        assert_eq!(html.matches("aria-live").count(), 1, "one live region");
        assert_eq!(html.matches("<h1").count(), 1);
    }
}

#[test]
fn ids_in_links_are_encoded_by_segment() {
    for (id, path) in [
        (
            "anthropic/claude-haiku-4-5",
            "/targets/anthropic/claude-haiku-4-5",
        ),
        (
            "openrouter/meta-llama/llama:free",
            "/targets/openrouter/meta-llama/llama%3Afree",
        ),
        ("sim/gpt-5.2!status.529", "/targets/sim/gpt-5.2%21status.529"),
    ] {
        assert_eq!(frame::href(&id.parse().unwrap()), path);
    }
}

#[test]
fn the_footer_owns_up_to_lost_history() {
    let mut health = feed(four());
    assert!(!render(&health).contains("History"));
    health.head.store = StoreStatus {
        state: StoreState::Ok,
        dropped: 7,
        detail: None,
        set_aside: None,
    };
    assert!(render(&health).contains("History has a hole: 7 records were lost."));
    health.head.store.dropped = 0;
    health.head.store.set_aside = Some(SetAside {
        at: NOW.into(),
        file: "endturn.db.corrupt-1".to_owned(),
    });
    assert!(render(&health).contains("is set aside as endturn.db.corrupt-1"));
}
