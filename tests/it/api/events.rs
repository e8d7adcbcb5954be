//! The event stream in process: where it begins, what it replays, how it ends.

use super::*;

#[tokio::test]
async fn events_resume_where_the_reader_was() {
    let first = 101;
    let ring = u64::try_from(RING_EVENTS).unwrap();
    let newest = first + ring + 1;
    for (what, id, query, expected) in [
        ("no id", "", "", vec![(newest, "snapshot")]),
        ("the newest", "614", "", vec![]),
        (
            "a known one",
            "612",
            "",
            vec![(613, "heartbeat"), (614, "heartbeat")],
        ),
        ("by query", "", "?last_event_id=613", vec![(614, "heartbeat")]),
        (
            "of this instance",
            "613",
            "?instance=instance-1",
            vec![(614, "heartbeat")],
        ),
        (
            "of another instance",
            "613",
            "?instance=instance-2",
            vec![(newest, "snapshot")],
        ),
        ("from the future", "615", "", vec![(newest, "snapshot")]),
        ("garbage", "12three", "", vec![(newest, "snapshot")]),
        ("negative", "-1", "", vec![(newest, "snapshot")]),
        (
            "older than the ring",
            "40",
            "",
            vec![(50, "health"), (60, "incident"), (newest, "snapshot")],
        ),
        (
            "older, the log has less",
            "55",
            "",
            vec![(60, "incident"), (newest, "snapshot")],
        ),
        (
            "older, the log has nothing",
            "101",
            "",
            vec![(newest, "snapshot")],
        ),
        (
            "older, filtered",
            "40",
            "?targets=openai/*",
            vec![(60, "incident"), (newest, "snapshot")],
        ),
    ] {
        let world = world();
        for step in 0..=ring {
            beat(&world.hub, T0.plus(Duration::from_secs(step)));
        }
        *world.past.events.lock().unwrap() = kept();
        let mut follow = request(&format!("/v1/events{query}"));
        if !id.is_empty() {
            follow.headers_mut().insert("last-event-id", id.parse().unwrap());
        }
        let response = world.send(follow).await;
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        assert_eq!(
            drain(response),
            expected
                .into_iter()
                .map(|(id, kind)| (id, kind.to_owned()))
                .collect::<Vec<_>>(),
            "{what}"
        );
    }
}

/// The events that a stream has at once, behind its `retry` line.
fn drain(response: Response<Body>) -> Vec<(u64, String)> {
    let mut body = response.into_body();
    let mut chunks = std::iter::from_fn(|| chunk(&mut body).now_or_never().flatten());
    assert_eq!(chunks.next().unwrap(), b"retry: 3000\n\n");
    chunks
        .map(|chunk| {
            let (revision, kind, _) = parts(&chunk);
            (revision, kind)
        })
        .collect()
}

/// An event log of two events from before the ring, each of another provider.
fn kept() -> Vec<KeptEvent> {
    let hub = hub();
    let store = v1::StoreStatus::default();
    let mut changed = view(T0, State::Operational);
    changed.targets[0] = target(IDS[0], State::Down);
    let moved = [transition(IDS[0], T0, State::Operational, State::Down)];
    let health = hub.publish(&changed, Cause::Transition(&moved), &store).unwrap();
    let told = incident(IDS[1], 7);
    let phase = endturn::health::IncidentPhase::Opened;
    let opened = hub
        .publish(&changed, Cause::Incident(phase, &told), &store)
        .unwrap();
    assert!(health.durable && opened.durable);
    [(50, health), (60, opened)]
        .map(|(revision, event)| KeptEvent {
            revision,
            kind: event.kind.as_str().to_owned(),
            json: String::from_utf8(event.json().to_vec()).unwrap(),
        })
        .to_vec()
}

#[tokio::test]
async fn a_log_that_is_too_long_broken_or_not_ours_is_not_replayed() {
    let event = &kept()[0];
    let many = |n: usize| vec![event.clone(); n];
    let torn = KeptEvent {
        json: "{}\n\nevent: forged".to_owned(),
        ..event.clone()
    };
    let strange = KeptEvent {
        kind: "forged".to_owned(),
        ..event.clone()
    };
    for (what, events, broken, expected) in [
        ("at the limit", many(MAX_REPLAY), 0, MAX_REPLAY + 1),
        ("one too many", many(MAX_REPLAY + 1), 0, 1),
        ("history fails", many(1), 1, 1),
        ("two lines", vec![torn], 0, 1),
        ("no kind of ours", vec![strange], 0, 1),
    ] {
        let world = world();
        *world.past.events.lock().unwrap() = events;
        world.past.broken.store(broken, Ordering::SeqCst);
        let mut follow = request("/v1/events");
        follow.headers_mut().insert("last-event-id", "0".parse().unwrap());
        let told = tokio::task::unconstrained(async { drain(world.send(follow).await) }).await;
        assert_eq!(told.len(), expected, "{what}");
        assert_eq!(told.last().unwrap(), &(101, "snapshot".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn one_subscriber_too_many_is_told_so() {
    let world = world();
    let all: Vec<_> = (0..MAX_SUBSCRIBERS)
        .map(|_| world.hub.subscribe(None, None).unwrap())
        .collect();
    let response = world.send(request("/v1/events")).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "retry-after")),
        (503, "5")
    );
    drop(all);
    assert_eq!(world.send(request("/v1/events")).await.status(), 200);
    assert_eq!(
        world.hub.subscribers(),
        0,
        "a reader that left has freed its place"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_breathes_and_ends_at_shutdown() {
    let world = world();
    let mut body = world.send(request("/v1/events")).await.into_body();
    chunk(&mut body).await.unwrap();
    chunk(&mut body).await.unwrap();
    for _ in 0..3 {
        let start = tokio::time::sleep(Duration::ZERO).deadline();
        assert_eq!(chunk(&mut body).await.unwrap(), b": alive\n\n");
        let waited = tokio::time::sleep(Duration::ZERO).deadline() - start;
        assert!(
            waited <= COMMENT_EVERY && waited + Duration::from_millis(5) >= COMMENT_EVERY,
            "{waited:?}"
        );
    }
    world.closing.cancel();
    assert_eq!(chunk(&mut body).await, None);
}
