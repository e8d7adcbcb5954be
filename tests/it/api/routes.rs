//! `/v1/routes`: as fresh as the feed, and what follows from it.

use super::*;

impl World {
    /// Publishes and decides, as the daemon does.
    fn decide(&self, after: Duration, state: State) -> u64 {
        let revision = self.publish(after, state);
        self.board.follow(&self.hub.snapshot());
        revision
    }
}

#[tokio::test]
async fn a_route_follows_the_feed() {
    let world = world();
    world.decide(Duration::ZERO, State::Operational);
    let all = world.json("/v1/routes").await;
    assert_eq!(all["schema"], "endturn.routes.v1");
    assert_eq!(all["revision"], 102);
    assert_eq!(all["routes"].as_array().unwrap().len(), 1);
    let one = world.json("/v1/routes/coding").await;
    assert_eq!(
        (&one["decision"], &one["target"], &one["reason"]["code"]),
        (&"use".into(), &IDS[0].into(), &"preferred".into())
    );
    for field in ["instance", "generated_at", "stale_after", "network"] {
        assert_eq!(one[field], all[field], "{field}");
        assert!(one[field].is_string(), "{field}");
    }
    world.decide(Duration::from_secs(1), State::Down);
    let one = world.json("/v1/routes/coding").await;
    assert_eq!(
        (&one["decision"], &one["target"], &one["revision"]),
        (&"fail_closed".into(), &Value::Null, &103.into())
    );
    assert_eq!(one["candidates"][0]["why"]["code"], "avoid");
}

#[tokio::test]
async fn a_copy_is_renewed_by_a_new_revision_only() {
    let world = world();
    let first = world.send(request("/v1/routes/coding")).await;
    let tag = header(&first, "etag").to_owned();
    assert_eq!(header(&first, "content-type"), "application/json");
    let again = |tag: &str| {
        let mut again = request("/v1/routes/coding");
        again.headers_mut().insert("if-none-match", tag.parse().unwrap());
        again
    };
    assert_eq!(world.send(again(&tag)).await.status(), 304);
    beat(&world.hub, T0.plus(HEARTBEAT));
    world.board.follow(&world.hub.snapshot());
    let renewed = world.send(again(&tag)).await;
    assert_eq!(renewed.status(), 200);
    assert_ne!(header(&renewed, "etag"), tag);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_for_a_route_ends_with_the_next_decision() {
    let world = world();
    let now = || tokio::time::sleep(Duration::ZERO).deadline();
    for (query, waited) in [
        ("", 0),
        ("?since=100&wait=30s", 0),
        ("?since=101&wait=30s&instance=instance-2", 0),
        ("?since=101&wait=30s", 30),
    ] {
        let start = now();
        assert_eq!(world.get(&format!("/v1/routes{query}")).await.0, 200);
        assert_eq!((now() - start).as_secs(), waited, "{query}");
    }
    let (answer, ()) = tokio::join!(world.json("/v1/routes/coding?since=101&wait=30s"), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.decide(Duration::from_secs(2), State::Down);
    });
    assert_eq!(
        (&answer["revision"], &answer["decision"]),
        (&102.into(), &"fail_closed".into())
    );
    let start = now();
    let _ = tokio::join!(world.get("/v1/routes?since=102&wait=60s"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.closing.cancel();
    });
    assert_eq!((now() - start).as_secs(), 1, "the end of the server ends a wait");
}

#[tokio::test]
async fn a_name_that_is_no_route_is_told_which_there_are() {
    let world = world();
    for path in ["/v1/routes/codding", "/v1/routes/a%2Fb"] {
        let (status, text) = world.get(path).await;
        assert_eq!(status, 404, "{path}");
        assert!(text.contains("there are: coding"), "{text}");
    }
}

#[test]
fn other_routes_are_in_force_with_the_next_revision_and_what_is_remembered_stays() {
    let hub = crate::feed::hub();
    let mut slow = view(T0, State::Operational);
    slow.targets[0].figures.ttft_ms.n = 30;
    slow.targets[0].figures.ttft_ms.p95 = Some(4_100.0);
    let publish = |p95: f64| {
        let mut view = slow.clone();
        view.targets[0].figures.ttft_ms.p95 = Some(p95);
        hub.publish(&view, Cause::Heartbeat, &v1::StoreStatus::default());
        hub.snapshot()
    };
    let board = endturn::route::Board::new(&rules(), &publish(4_100.0));
    let serving = || board.now().routes.routes[0].target.as_ref().unwrap().to_string();
    assert_eq!(serving(), IDS[1], "too slow");
    let mut other = rules();
    other[0].targets.reverse();
    board.set(&other);
    assert_eq!(serving(), IDS[1], "not before the next revision");
    board.follow(&publish(3_900.0));
    assert_eq!(serving(), IDS[1], "the first choice now");
    board.set(&rules());
    board.follow(&publish(3_900.0));
    assert_eq!(
        serving(),
        IDS[1],
        "what was too slow is too slow until it is clearly faster"
    );
    board.follow(&publish(3_100.0));
    assert_eq!(serving(), IDS[0]);
    board.set(&[]);
    board.follow(&publish(3_100.0));
    assert!(board.now().routes.routes.is_empty() && board.now().one("coding").is_none());
}
