use super::{
    board::Board,
    shape::{ComponentStatus, Indicator, Stage},
};
use crate::{
    api::fixture::{T0, view},
    clock::Timestamp,
    feed::{
        declared::{Declaration, Declarations, Declared},
        v1::{Health, Identity, StoreStatus},
    },
    health::{
        Hint, Incident, IncidentEntry, Network, Percentiles, ProviderView, Reason, ReasonCode, State, View,
    },
};

const A: &str = "anthropic/claude";
const B: &str = "openai/gpt";

fn health(states: [State; 2]) -> Health {
    let provider = |id: &str, state| ProviderView {
        id: id.parse().unwrap(),
        state,
        edge: State::Operational,
        connect_ms: Percentiles::default(),
    };
    let [a, b] = states;
    let view = View {
        at: T0,
        network: Network::Online,
        targets: vec![
            view(A, a, Hint::Allow, Some(1.0)),
            view(B, b, Hint::Allow, Some(1.0)),
        ],
        providers: vec![provider("anthropic", a), provider("openai", b)],
    };
    let identity = Identity {
        instance: "one run".to_owned(),
        vantage: "fra-1".to_owned(),
    };
    Health::new(&identity, 7, &view, &StoreStatus::default())
}

fn later(seconds: u64) -> Timestamp {
    T0.plus(std::time::Duration::from_secs(seconds))
}

fn incident(timeline: &[(u64, &'static str, State)]) -> Incident {
    let when = |kind| {
        let found = timeline.iter().find(|entry| entry.1 == kind);
        found.map(|entry| later(entry.0))
    };
    Incident {
        id: "inc-1".to_owned(),
        target: A.parse().unwrap(),
        started: T0,
        detected: T0,
        opened: later(15),
        recovered: when("recovered"),
        closed: when("closed"),
        worst: State::Partial,
        reason: Reason {
            code: ReasonCode::Truncated,
            text: "7 of 12 replies".to_owned(),
            sources: Vec::new(),
        },
        timeline: timeline
            .iter()
            .map(|(at, kind, state)| IncidentEntry {
                at: later(*at),
                kind,
                state: *state,
                text: format!("{kind} at {at}"),
            })
            .collect(),
        lead_s: None,
    }
}

static NONE: Declarations = Declarations { declared: Vec::new() };

fn board<'a>(health: &'a Health, open: &'a [Incident]) -> Board<'a> {
    Board {
        health,
        open,
        declared: &NONE,
        origin: "http://localhost:7411",
    }
}

/// Each state with the words of Statuspage.
const WORDS: [(State, ComponentStatus, Indicator, &str); 5] = [
    (
        State::Operational,
        ComponentStatus::Operational,
        Indicator::None,
        "All Systems Operational",
    ),
    (
        State::Degraded,
        ComponentStatus::DegradedPerformance,
        Indicator::Minor,
        "Partially Degraded Service",
    ),
    (
        State::Partial,
        ComponentStatus::PartialOutage,
        Indicator::Major,
        "Partial System Outage",
    ),
    (
        State::Down,
        ComponentStatus::MajorOutage,
        Indicator::Critical,
        "Major Service Outage",
    ),
    (
        State::Maintenance,
        ComponentStatus::UnderMaintenance,
        Indicator::Maintenance,
        "Service Under Maintenance",
    ),
];

#[test]
fn each_state_has_its_word_and_the_worst_speaks_for_all() {
    for (state, status, indicator, description) in WORDS {
        let health = health([State::Operational, state]);
        let board = board(&health, &[]);
        let overall = board.overall();
        assert_eq!(
            (overall.indicator, overall.description.as_str()),
            (indicator, description)
        );
        let components = board.components();
        let told: Vec<_> = components
            .iter()
            .map(|it| (it.name.as_str(), it.group, it.status, it.position))
            .collect();
        let well = ComponentStatus::Operational;
        assert_eq!(
            told,
            [
                ("anthropic", true, well, 1),
                (A, false, well, 2),
                ("openai", true, status, 3),
                (B, false, status, 4)
            ],
            "{state}"
        );
        assert_eq!(components[3].group_id.as_ref(), Some(&components[2].id));
        assert_eq!(
            components[2].components.as_deref(),
            Some(&[components[3].id.clone()][..])
        );
        assert_eq!(
            components[3].description.is_some(),
            state != State::Operational,
            "{state}"
        );
        let work = board.maintenances();
        assert_eq!(work.len(), usize::from(state == State::Maintenance), "{state}");
        assert!(
            work.iter()
                .all(|it| it.status == Stage::InProgress && it.components.len() == 1)
        );
    }
}

/// Statuspage has no word for it, so the last one stays and the description tells.
#[test]
fn what_is_unknown_keeps_its_last_word_and_says_so() {
    let cut = incident(&[
        (0, "first_evidence", State::Operational),
        (1, "transition", State::Partial),
        (15, "opened", State::Partial),
        (40, "transition", State::Unknown),
    ]);
    let recovered = incident(&[
        (1, "transition", State::Partial),
        (30, "recovered", State::Operational),
        (40, "transition", State::Unknown),
    ]);
    for (what, states, open, status, description) in [
        (
            "ill",
            [State::Unknown, State::Operational],
            vec![cut.clone()],
            ComponentStatus::PartialOutage,
            "Partial System Outage; nothing is known now of 1 of 2",
        ),
        (
            "recovered",
            [State::Unknown, State::Operational],
            vec![recovered],
            ComponentStatus::Operational,
            "All Systems Operational; nothing is known now of 1 of 2",
        ),
        (
            "never ill",
            [State::Unknown, State::Unknown],
            vec![],
            ComponentStatus::Operational,
            "Nothing is known now; last known: All Systems Operational",
        ),
        (
            "another's incident",
            [State::Operational, State::Unknown],
            vec![cut],
            ComponentStatus::Operational,
            "All Systems Operational; nothing is known now of 1 of 2",
        ),
    ] {
        let health = health(states);
        let board = board(&health, &open);
        assert_eq!(board.overall().description, description, "{what}");
        let components = board.components();
        let unknown = components
            .iter()
            .find(|it| !it.group && it.description.is_some())
            .unwrap();
        assert_eq!(unknown.status, status, "{what}");
        assert!(
            unknown
                .description
                .as_ref()
                .unwrap()
                .starts_with("nothing is known now"),
            "{what}"
        );
    }
}

#[test]
fn a_timeline_becomes_updates() {
    use ComponentStatus::{Operational, PartialOutage};
    let all = [
        (0, "first_evidence", State::Operational),
        (1, "transition", State::Partial),
        (15, "opened", State::Partial),
        (20, "official", State::Down),
        (30, "transition", State::Unknown),
        (40, "recovered", State::Operational),
        (50, "transition", State::Partial),
        (60, "recovered", State::Operational),
        (120, "closed", State::Operational),
    ];
    let health = health([State::Operational; 2]);
    let told = |entries: usize| {
        let incidents = [incident(&all[..entries])];
        board(&health, &incidents).incidents(&incidents).remove(0)
    };
    let whole = told(9);
    let updates: Vec<_> = whole
        .incident_updates
        .iter()
        .rev()
        .map(|it| {
            let [affected] = &it.affected_components[..] else {
                panic!("one component")
            };
            assert_eq!(affected.name, A);
            (it.status, affected.old_status, affected.new_status)
        })
        .collect();
    assert_eq!(
        updates,
        [
            (Stage::Investigating, Operational, Operational),
            (Stage::Investigating, Operational, PartialOutage),
            (Stage::Investigating, PartialOutage, PartialOutage),
            (Stage::Investigating, PartialOutage, PartialOutage),
            (Stage::Investigating, PartialOutage, PartialOutage),
            (Stage::Monitoring, PartialOutage, Operational),
            (Stage::Investigating, Operational, PartialOutage),
            (Stage::Monitoring, PartialOutage, Operational),
            (Stage::Resolved, Operational, Operational),
        ]
    );
    assert_eq!(
        whole.incident_updates[5].body,
        "the provider's own page: official at 20"
    );
    assert_eq!(whole.incident_updates[7].body, "partial: transition at 1");
    for (entries, status, updated) in [
        (3, Stage::Investigating, 15),
        (8, Stage::Monitoring, 60),
        (9, Stage::Resolved, 120),
    ] {
        let told = told(entries);
        assert_eq!(
            (told.status, told.updated_at.0),
            (status, later(updated)),
            "{entries}"
        );
        assert_eq!((told.impact, told.components.len()), (Indicator::Major, 1));
        // Whoever remembers an update by its id finds it again.
        let older = &told.incident_updates;
        assert_eq!(older[..], whole.incident_updates[9 - entries..]);
    }
    assert_eq!(whole.shortlink, "http://localhost:7411/incidents/inc-1");
}

#[test]
fn ids_hold_over_restarts_and_differ() {
    let (one, other) = (health([State::Operational; 2]), health([State::Down; 2]));
    let mut later = other.clone();
    later.head.instance = "another run".to_owned();
    let ids = |health: &Health| -> Vec<String> {
        let board = board(health, &[]);
        let mut ids: Vec<String> = board.components().into_iter().map(|it| it.id).collect();
        ids.push(board.page(&[]).id);
        ids
    };
    assert_eq!(ids(&one), ids(&later));
    let mut all = ids(&one);
    assert!(all.iter().all(|id| id.len() == 12), "{all:?}");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
}

/// A heartbeat is no news to who asks every few seconds.
#[test]
fn the_page_changes_when_something_does() {
    let mut health = health([State::Operational; 2]);
    let page = board(&health, &[]).page(&[]);
    health.head.generated_at = later(5).into();
    assert_eq!(board(&health, &[]).page(&[]), page);
    let news = [incident(&[(70, "transition", State::Partial)])];
    assert_eq!(board(&health, &news).page(&[]).updated_at.0, later(70));
    assert_eq!(board(&health, &[]).page(&news).updated_at.0, later(70));
}

#[test]
fn maintenance_is_one_entry_for_all_that_it_means_and_is_told_ahead() {
    let health = health([State::Maintenance; 2]);
    let declared = |id: &str, kind: &'static str, from: u64, target: &str, active| Declaration {
        declared: Declared {
            id: id.to_owned(),
            kind: kind.into(),
            hint: None,
            from: later(from).into(),
            until: later(from + 60).into(),
            by: "the plan n".to_owned(),
            why: String::new(),
        },
        targets: vec![target.to_owned()],
        active,
        planned: true,
    };
    let ahead = Declarations {
        declared: vec![
            declared("3fa9c1d2", "maintenance", 0, "*", true),
            declared("next", "maintenance", 3_600, "openai", false),
            declared("p", "pause", 3_600, "openai", false),
        ],
    };
    let board = Board {
        declared: &ahead,
        ..board(&health, &[])
    };
    let active = board.active();
    assert_eq!(active.len(), 1);
    let work = &active[0];
    assert_eq!((work.status, work.components.len()), (Stage::InProgress, 2));
    assert_eq!(work.name, "anthropic/claude and 1 more: maintenance");
    assert_eq!(work.scheduled_for, Some(T0.into()));
    assert_eq!(work.scheduled_until, Some(later(7_200).into()));
    assert_eq!(work.incident_updates[0].body, "declared by ana: <b>announced</b>");
    let upcoming = board.upcoming();
    assert_eq!(upcoming.len(), 1);
    assert_eq!(
        (upcoming[0].status, upcoming[0].name.as_str()),
        (Stage::Scheduled, "openai/gpt: maintenance")
    );
    assert_eq!(upcoming[0].scheduled_for, Some(later(3_600).into()));
    assert_ne!(upcoming[0].id, work.id);
    assert_eq!(board.maintenances(), [active, upcoming].concat());
}
