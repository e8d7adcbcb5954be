//! What one client may take, so that the rest is left for others: requests, connections, bodies on their way.
//!
//! A client is an address, of IPv6 its /64. This machine is none: whatever runs here could do worse than ask often.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests a second that a client may make in the long run.
pub const REQUESTS_PER_SECOND: f64 = 200.0;
/// Requests that it may make at once after a pause.
pub const REQUESTS_AT_ONCE: f64 = 2_000.0;
/// A request with a token that nobody knows counts as so many: nobody guesses quickly.
pub const WRONG_TOKEN: f64 = 20.0;
/// Most open connections of one client.
pub const CONNECTIONS_PER_CLIENT: usize = 1_024;
/// Most bodies of one client that are read at a time: fewer than there are places for any kind of body.
pub const BODIES_PER_CLIENT: usize = 3;
/// How long a further body waits for its turn.
const BODY_TURN: Duration = Duration::from_secs(1);
/// Clients whose requests are remembered, twice over: who is forgotten begins anew.
const MAX_CLIENTS: usize = 8_192;
/// Most hops of a forwarded request that are looked at.
const MAX_HOPS: usize = 16;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Client(IpAddr);

impl Client {
    /// `None`: this machine.
    pub(super) fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        };
        (!address.is_loopback()).then_some(Self(network))
    }
}

/// Whether an address is in one of these networks.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The address that a request began at: its peer, or where that is a proxy that is believed, the last address in
/// `X-Forwarded-For` that is none. What stands further left, anybody may have written.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let mut origin = peer;
    let lines: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        if !is_in(proxies, origin) {
            break;
        }
        match hop.trim().parse() {
            Ok(address) => origin = address,
            Err(_) => break,
        }
    }
    origin
}

/// How many requests a client still has, as of when.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

/// Of two generations, so that forgetting costs nothing: whoever asks moves to the young one.
#[derive(Debug, Default)]
struct Buckets {
    young: HashMap<Client, Bucket>,
    old: HashMap<Client, Bucket>,
}

impl Buckets {
    fn of(&mut self, client: Client, now: Duration) -> &mut Bucket {
        if self.young.len() >= MAX_CLIENTS && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        let bucket = self.young.entry(client).or_insert_with(|| {
            let left = REQUESTS_AT_ONCE;
            old.remove(&client).unwrap_or(Bucket { left, at: now })
        });
        let since = now.saturating_sub(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * REQUESTS_PER_SECOND).min(REQUESTS_AT_ONCE);
        bucket.at = now;
        bucket
    }
}

/// What clients have taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    requests: Mutex<Buckets>,
    connections: Mutex<HashMap<Client, usize>>,
    bodies: Mutex<HashMap<Client, Arc<Semaphore>>>,
}

impl Taken {
    /// Takes so many requests of a client; `Err`: it has none left, but will have in so long.
    pub(super) fn requests(&self, client: Client, cost: f64, now: Duration) -> Result<(), Duration> {
        let mut buckets = lock(&self.requests);
        let bucket = buckets.of(client, now);
        if bucket.left < 1.0 {
            let wait = (1.0 - bucket.left) / REQUESTS_PER_SECOND;
            return Err(Duration::from_secs_f64(wait));
        }
        bucket.left -= cost;
        Ok(())
    }

    /// A place for one more connection of a client.
    pub(super) fn connection(self: &Arc<Self>, client: Client) -> Option<Connected> {
        let mut connections = lock(&self.connections);
        let open = connections.entry(client).or_default();
        if *open >= CONNECTIONS_PER_CLIENT {
            return None;
        }
        *open += 1;
        drop(connections);
        Some(Connected {
            taken: Arc::clone(self),
            client,
        })
    }

    /// A client's turn to send a body, waited for a little.
    pub(super) async fn body(self: &Arc<Self>, client: Client) -> Option<Sending> {
        let turns = {
            let mut bodies = lock(&self.bodies);
            let turns = bodies
                .entry(client)
                .or_insert_with(|| Arc::new(Semaphore::new(BODIES_PER_CLIENT)));
            Arc::clone(turns)
        };
        let waiting = Waiting {
            taken: Arc::clone(self),
            client,
        };
        let turn = tokio::time::timeout(BODY_TURN, turns.acquire_owned()).await;
        Some(Sending {
            _turn: turn.ok()?.ok()?,
            _waiting: waiting,
        })
    }
}

/// A connection's place.
pub(super) struct Connected {
    taken: Arc<Taken>,
    client: Client,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connections = lock(&self.taken.connections);
        if let Some(open) = connections.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                connections.remove(&self.client);
            }
        }
    }
}

/// A body's turn. The turn is given back before the rest is cleared up: fields are dropped in their order.
pub(super) struct Sending {
    _turn: OwnedSemaphorePermit,
    _waiting: Waiting,
}

/// Somebody who has a client's turns in hand; the last one forgets them.
struct Waiting {
    taken: Arc<Taken>,
    client: Client,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut bodies = lock(&self.taken.bodies);
        // One count is the table's own; a turn in use has another.
        if bodies
            .get(&self.client)
            .is_some_and(|turns| Arc::strong_count(turns) == 1)
        {
            bodies.remove(&self.client);
        }
    }
}

/// Counts are whole between two calls, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
