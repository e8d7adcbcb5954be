//! `/api/v2/*.json` against a schema of the documented shape, and against our own reader of such pages.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use endturn::{
    feed::v1::FRESH_FOR,
    health::State,
    official::{Format, parse},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::{
    api::{World, world},
    feed::target,
};

/// Each document with the members that it has beside `page`.
const DOCUMENTS: [(&str, &[&str]); 8] = [
    (
        "summary",
        &["components", "incidents", "scheduled_maintenances", "status"],
    ),
    ("status", &["status"]),
    ("components", &["components"]),
    ("incidents", &["incidents"]),
    ("incidents/unresolved", &["incidents"]),
    ("scheduled-maintenances", &["scheduled_maintenances"]),
    ("scheduled-maintenances/active", &["scheduled_maintenances"]),
    ("scheduled-maintenances/upcoming", &["scheduled_maintenances"]),
];

struct Answer {
    status: StatusCode,
    tag: String,
    body: Vec<u8>,
}

async fn get(world: &World, name: &str, tag: Option<&str>) -> Answer {
    let mut request =
        Request::get(format!("/api/v2/{name}.json?_=1781960460")).header("host", "localhost:7411");
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    let tag = response
        .headers()
        .get("etag")
        .map(|tag| tag.to_str().unwrap().to_owned());
    Answer {
        status: response.status(),
        tag: tag.unwrap_or_default(),
        body: response.into_body().collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// One target of each kind of trouble.
fn show(world: &World, states: [State; 3]) {
    let mut changed = view(T0, State::Operational);
    for ((place, id), state) in changed.targets.iter_mut().zip(IDS).zip(states) {
        *place = target(id, state);
    }
    let store = v1::StoreStatus::default();
    world.hub.publish(&changed, Cause::Heartbeat, &store).unwrap();
}

const TROUBLE: [[State; 3]; 3] = [
    [State::Partial, State::Operational, State::Degraded],
    [State::Down, State::Maintenance, State::Unknown],
    [State::Unknown; 3],
];

#[tokio::test]
async fn every_document_is_as_statuspage_writes_it() {
    let schema: Value = serde_json::from_str(include_str!("statuspage.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let world = world();
    for states in TROUBLE {
        show(&world, states);
        for (name, members) in DOCUMENTS {
            let answer = get(&world, name, None).await;
            assert_eq!(answer.status, 200, "{name}");
            let document: Value = serde_json::from_slice(&answer.body).unwrap();
            let errors: Vec<String> = validator
                .iter_errors(&document)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
            let mut there: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
            there.retain(|member| *member != "page");
            there.sort_unstable();
            assert_eq!(there, members, "{name}");
        }
    }
}

/// Whoever reads vendors' pages reads ours: here our own reader.
#[tokio::test]
async fn our_own_reader_of_status_pages_reads_it() {
    let world = world();
    for (states, whole, components, open) in [
        (
            TROUBLE[0],
            State::Partial,
            [State::Partial, State::Operational, State::Degraded],
            1,
        ),
        // The incident's target is unknown and keeps the last word of its timeline; the others were well.
        (
            TROUBLE[1],
            State::Down,
            [State::Down, State::Maintenance, State::Operational],
            2,
        ),
    ] {
        show(&world, states);
        let body = get(&world, "summary", None).await.body;
        let read = parse(Format::Statuspage, &body).unwrap();
        assert_eq!(read.state, whole);
        let targets: Vec<State> = IDS
            .iter()
            .map(|id| read.components.iter().find(|it| it.name == *id).unwrap().state)
            .collect();
        assert_eq!(targets, components);
        assert_eq!(read.incidents.len(), open, "{:?}", read.incidents);
        let incident = read.incidents.iter().find(|it| it.id == "inc-7").unwrap();
        assert!(incident.open && incident.impact == State::Partial);
        assert_eq!(incident.started, Some(T0));
        assert_eq!(incident.components, [IDS[0]]);
        assert_eq!(
            incident.url.as_deref(),
            Some("http://localhost:7411/incidents/inc-7")
        );
    }
}

#[tokio::test]
async fn an_unchanged_page_costs_a_304_and_a_stale_feed_is_no_page() {
    let world = world();
    for (name, _) in DOCUMENTS {
        show(&world, [State::Operational; 3]);
        let first = get(&world, name, None).await;
        // A heartbeat moves the feed and nothing here.
        show(&world, [State::Operational; 3]);
        let again = get(&world, name, Some(&first.tag)).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{name}");
        assert_eq!(again.tag, first.tag);
    }
    world.clock.advance(FRESH_FOR + Duration::from_millis(1));
    for (name, _) in DOCUMENTS {
        assert_eq!(get(&world, name, None).await.status, 503, "{name}");
    }
}
