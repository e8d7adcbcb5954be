//! Limits, at their limits.

use super::*;

fn client(text: &str) -> Client {
    Client::of(text.parse().unwrap()).unwrap()
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_client_is_an_address_or_a_network_of_them() {
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
        assert_eq!(client(one) == client(other), same, "{one} {other}");
    }
    for own in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(Client::of(own.parse().unwrap()), None, "{own}");
    }
}

#[test]
fn a_proxy_is_believed_only_where_somebody_said_so() {
    let proxies: Vec<IpNet> = ["10.0.0.0/24", "127.0.0.1/32"]
        .map(|net| net.parse().unwrap())
        .into();
    for (peer, lines, expected) in [
        ("10.0.0.1", &[][..], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", &["203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        // What stands before the first stranger, the stranger wrote.
        ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (
            "10.0.0.1",
            &["198.51.100.1", "203.0.113.9, 10.0.0.2"],
            "203.0.113.9",
        ),
        ("203.0.113.1", &["198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", &["unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
        ("::ffff:10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
    ] {
        let headers = lines
            .iter()
            .map(|line| (FORWARDED_FOR, line.parse().unwrap()))
            .collect();
        let found = origin(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }
    let endless = vec!["10.0.0.1"; 10_000].join(",");
    let headers = [(FORWARDED_FOR, endless.parse().unwrap())].into_iter().collect();
    assert_eq!(
        origin("127.0.0.1".parse().unwrap(), &headers, &proxies).to_string(),
        "10.0.0.1"
    );
}

#[test]
fn requests_come_back_with_time_and_never_more_than_at_once() {
    let taken = Taken::default();
    let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
    let many = |client, now, most: usize| {
        (0..most)
            .take_while(|_| taken.requests(client, 1.0, now).is_ok())
            .count()
    };
    assert_eq!(many(one, at(0.0), 9_999), 2_000);
    assert_eq!(many(other, at(0.0), 9), 9, "others have their own");
    assert_eq!(taken.requests(one, 1.0, at(0.0)), Err(Duration::from_millis(5)));
    assert_eq!(many(one, at(0.5), 9_999), 100);
    assert_eq!(many(one, at(3_600.0), 9_999), 2_000);
    assert_eq!(
        many(one, at(10.0), 9_999),
        0,
        "a clock that steps back gives nothing"
    );
    let guesses = (0..9_999).take_while(|_| {
        taken
            .requests(client("192.0.2.3"), 1.0 + WRONG_TOKEN, at(0.0))
            .is_ok()
    });
    assert_eq!(guesses.count(), 96);
}

#[test]
fn the_table_of_clients_is_bounded_and_remembers_who_asks() {
    let taken = Taken::default();
    let nth = |n: u32| Client(IpAddr::from(n.to_be_bytes()));
    let busy = nth(u32::MAX);
    while taken.requests(busy, 1.0, at(0.0)).is_ok() {}
    for n in 0..100_000 {
        let _ = taken.requests(nth(n), 1.0, at(0.0));
        if n % 5_000 == 0 {
            assert!(taken.requests(busy, 1.0, at(0.0)).is_err(), "{n}");
        }
    }
    let buckets = taken.requests.lock().unwrap();
    assert_eq!(buckets.old.len().max(buckets.young.len()), MAX_CLIENTS);
}

#[test]
fn connections_of_one_leave_room_for_others() {
    let taken = Arc::new(Taken::default());
    let one = client("192.0.2.1");
    let mut open: Vec<_> = (0..CONNECTIONS_PER_CLIENT)
        .map(|_| taken.connection(one).unwrap())
        .collect();
    assert!(taken.connection(one).is_none());
    assert!(taken.connection(client("192.0.2.2")).is_some());
    open.pop();
    open.extend(taken.connection(one));
    assert_eq!(open.len(), CONNECTIONS_PER_CLIENT);
    drop(open);
    assert!(
        taken.connections.lock().unwrap().is_empty(),
        "nobody is remembered"
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_of_one_leave_room_for_others() {
    let taken = Arc::new(Taken::default());
    let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
    let mut sending = Vec::new();
    for _ in 0..BODIES_PER_CLIENT {
        sending.push(taken.body(one).await.unwrap());
    }
    assert!(taken.body(one).await.is_none(), "after a second of waiting");
    assert!(taken.body(other).await.is_some());
    let (next, ()) = tokio::join!(taken.body(one), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        sending.pop();
    });
    assert!(next.is_some(), "a turn that comes back is taken");
    drop((next, sending));
    assert!(taken.bodies.lock().unwrap().is_empty(), "nobody is remembered");
}
