//! Where health becomes public: one publisher, any number of readers, nobody waits for anybody.
//!
//! [`Hub::publish`] builds the bytes once, swaps the current snapshot and wakes the readers. Events of the recent
//! past stay in a ring; a reader is a cursor into it. One that has fallen out of the ring gets a fresh snapshot,
//! so a slow reader costs the publisher nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::{
    delta::{IncidentChange, Transition},
    filter::Filter,
    frame::{Builder, Frame, Key, Kind, write_json},
    packed::Packed,
    record::Change,
    subscription::Subscription,
    v1::{Head, Health, Identity, StoreStatus},
};
use crate::{
    clock::Timestamp,
    health::{self, IncidentPhase, View},
    id::TargetId,
};

/// How often the daemon publishes when nothing else happens.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Changed figures alone make a revision at most this often.
pub const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// Most events that are kept for readers that lag or come back.
pub const RING_EVENTS: usize = 512;
/// Most bytes that those events may take, unless [`RING_FEEDS`] are more; the newest one is kept whatever its size.
pub const RING_BYTES: usize = 1 << 20;
/// As many whole feeds may take their place in any case: once a second all figures may change, and who follows a large
/// feed and is a moment late still finds what came before them.
pub const RING_FEEDS: usize = 4;
/// Most readers of the event stream at a time.
pub const MAX_SUBSCRIBERS: usize = 12_000;

/// Why a revision is made.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// Targets moved, or the network was lost or found (then the list may be empty).
    Transition(&'a [health::Transition]),
    /// An incident opened, changed or closed.
    Incident(IncidentPhase, &'a health::Incident),
    /// Another model, configuration or tokenizer answers.
    Change(&'a health::Change),
    /// Figures may have changed.
    Figures,
    /// [`HEARTBEAT`] has passed.
    Heartbeat,
}

/// All subscriber places are taken ([`MAX_SUBSCRIBERS`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_SUBSCRIBERS} readers follow the events already")]
pub struct Full;

/// One published revision.
#[derive(Debug)]
pub struct Event {
    /// Its revision.
    pub revision: u64,
    /// The revision before it.
    pub after: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Its name.
    pub kind: Kind,
    /// Whether the event log should keep it: it tells of a transition or an incident, not just of figures.
    pub durable: bool,
    frame: Frame,
}

impl Event {
    /// The payload, on one line.
    pub fn json(&self) -> Bytes {
        self.frame.json()
    }

    /// The SSE frame, for a reader who wants all or some targets; `None`: nothing in it for that reader.
    pub(super) fn frame(&self, filter: Option<&Filter>) -> Option<Bytes> {
        match filter {
            None => Some(self.frame.sse()),
            Some(filter) => self.frame.filtered(filter).map(|frame| frame.sse()),
        }
    }
}

/// The whole feed at one revision.
#[derive(Debug)]
pub struct Snapshot {
    /// The feed as values.
    pub health: Health,
    /// Strong entity tag, quotes included.
    pub etag: String,
    /// That of the body packed by gzip.
    pub gzip_etag: String,
    frame: Frame,
    packed: Packed,
}

impl Snapshot {
    /// Its revision.
    pub fn revision(&self) -> u64 {
        self.health.head.revision
    }

    /// Whether it may still be believed at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now <= self.health.head.stale_after.0
    }

    /// The body of `GET /v1/health`.
    pub fn json(&self) -> Bytes {
        self.frame.json()
    }

    /// The same packed by gzip, where somebody has asked for it before.
    pub fn gzip_made(&self) -> Option<&Bytes> {
        self.packed.made()
    }

    /// The same packed by gzip, made now if need be. `None`: it can't be, for want of a thread.
    pub async fn gzip(&self) -> Option<&Bytes> {
        self.packed.of(self.json()).await
    }

    /// The body of `GET /v1/health?targets=`.
    pub fn json_filtered(&self, filter: &Filter) -> Bytes {
        match self.frame.filtered(filter) {
            Some(frame) => frame.json(),
            None => self.json(),
        }
    }

    /// The body of `GET /v1/health/{target}`.
    pub fn target_json(&self, target: &TargetId) -> Option<Bytes> {
        let index = self.health.targets.iter().position(|t| t.id == *target)?;
        self.frame.part_with_head("targets", index)
    }

    /// The SSE frame, for a reader who wants all or some targets.
    pub(super) fn frame(&self, filter: Option<&Filter>) -> Bytes {
        match filter.and_then(|filter| self.frame.filtered(filter)) {
            Some(frame) => frame.sse(),
            None => self.frame.sse(),
        }
    }
}

/// What readers look at: the newest snapshot and the event that made it.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) event: Arc<Event>,
}

/// Events of the recent past, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Ring {
    /// `feed`: the size of the whole feed.
    fn push(&mut self, event: Arc<Event>, feed: usize) {
        self.bytes += event.frame.len();
        self.events.push_back(event);
        let most = RING_BYTES.max(RING_FEEDS * feed);
        while self.events.len() > RING_EVENTS || (self.bytes > most && self.events.len() > 1) {
            if let Some(old) = self.events.pop_front() {
                self.bytes -= old.frame.len();
            }
        }
    }

    /// The event after `revision`, if the ring still knows that revision and has one.
    pub(super) fn after(&self, revision: u64) -> Option<Arc<Event>> {
        let index = self.events.partition_point(|event| event.after < revision);
        self.events
            .get(index)
            .filter(|event| event.after == revision)
            .cloned()
    }
}

/// What readers share with the hub.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) ring: RwLock<Ring>,
    pub(super) subscribers: AtomicUsize,
    pub(super) lagged: AtomicU64,
}

/// How much a `Last-Event-ID` or `since` is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is the current revision.
    Current,
    /// Everything after it is at hand.
    Recent,
    /// It is older than what is at hand; the event log may know it.
    Older,
    /// This instance never made it.
    Never,
}

struct Publisher {
    next_revision: Box<dyn FnMut() -> u64 + Send>,
    figures_at: Timestamp,
}

/// The published health. Shared by the daemon, the API and the page.
pub struct Hub {
    identity: Identity,
    tag: String,
    publisher: Mutex<Publisher>,
    current: watch::Sender<Arc<Current>>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("identity", &self.identity)
            .field("revision", &self.snapshot().revision())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub that shows `first` at the first revision that `next_revision` gives. Later ones must be larger than
    /// all before, across restarts too; should one not be, the hub counts on by itself.
    pub fn new(
        identity: Identity,
        mut next_revision: impl FnMut() -> u64 + Send + 'static,
        first: &View,
        store: &StoreStatus,
    ) -> Self {
        let digest = Sha256::digest(identity.instance.as_bytes());
        let tag = digest
            .iter()
            .take(6)
            .fold(String::new(), |tag, byte| tag + &format!("{byte:02x}"));
        let revision = next_revision();
        let health = Health::new(&identity, revision, first, store);
        let snapshot = Arc::new(snapshot(health, &tag, None));
        let event = Arc::new(Event {
            revision,
            after: revision.saturating_sub(1),
            at: first.at,
            kind: Kind::Snapshot,
            durable: false,
            frame: snapshot.frame.clone(),
        });
        Self {
            identity,
            tag,
            publisher: Mutex::new(Publisher {
                next_revision: Box::new(next_revision),
                figures_at: first.at,
            }),
            current: watch::Sender::new(Arc::new(Current { snapshot, event })),
            shared: Arc::default(),
        }
    }

    /// Who publishes.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.borrow().snapshot)
    }

    /// How many follow the events.
    pub fn subscribers(&self) -> usize {
        self.shared.subscribers.load(Ordering::Relaxed)
    }

    /// How often a reader had fallen out of the ring and got a snapshot instead.
    pub fn lagged(&self) -> u64 {
        self.shared.lagged.load(Ordering::Relaxed)
    }

    /// Makes a revision and wakes everybody who follows. `None`: nothing to tell, figures that are the same or came
    /// within [`FIGURES_EVERY`] of the last ones. The event that comes back is for the event log if it is durable.
    ///
    /// Never waits for a reader. Several transitions that were decided together make one revision.
    pub fn publish(&self, view: &View, cause: Cause<'_>, store: &StoreStatus) -> Option<Arc<Event>> {
        self.publish_all(view, &[cause], store).pop()
    }

    /// The same for all that came of one moment: a revision each, in their order, at the price of one. The first one
    /// shows what `view` has changed, which is also what the others were decided from.
    pub fn publish_all(&self, view: &View, causes: &[Cause<'_>], store: &StoreStatus) -> Vec<Arc<Event>> {
        // Few enough at a time that who follows finds each of them in the ring.
        causes
            .chunks(RING_EVENTS / 8)
            .flat_map(|causes| self.publish_few(view, causes, store))
            .collect()
    }

    fn publish_few(&self, view: &View, causes: &[Cause<'_>], store: &StoreStatus) -> Vec<Arc<Event>> {
        let mut publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.snapshot();
        let mut health = Health::new(&self.identity, 0, view, store);
        // Freshness never goes back, even should a view come late.
        health.head.generated_at = health.head.generated_at.max(old.health.head.generated_at);
        health.head.stale_after = health.head.stale_after.max(old.health.head.stale_after);
        if matches!(causes, [Cause::Figures]) {
            if view.at.since(publisher.figures_at) < FIGURES_EVERY && !is_urgent(&old.health, &health) {
                return Vec::new();
            }
            if is_same(&old.health, &health) {
                return Vec::new();
            }
            publisher.figures_at = view.at;
        }
        let mut last = old.revision();
        let next = |_: &Cause<'_>| {
            last = (publisher.next_revision)().max(last + 1);
            last
        };
        let revisions: Vec<u64> = causes.iter().map(next).collect();
        health.head.revision = last;
        let new = Arc::new(snapshot(health, &self.tag, Some(&old)));
        let events = events(&old, &new, causes, &revisions, &self.tag);
        if let Some(event) = events.last().cloned() {
            let feed = new.frame.len();
            let push = |ring: &mut Ring| events.iter().for_each(|event| ring.push(Arc::clone(event), feed));
            self.ring_mut(push);
            self.current
                .send_replace(Arc::new(Current { snapshot: new, event }));
        }
        events
    }

    fn ring_mut(&self, change: impl FnOnce(&mut Ring)) {
        change(&mut self.shared.ring.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// What a revision that a reader names is worth. `instance`: the one that the reader saw it at, where it says.
    pub fn known(&self, revision: u64, instance: Option<&str>) -> Known {
        if instance.is_some_and(|instance| instance != self.identity.instance) {
            return Known::Never;
        }
        let ring = self.shared.ring.read().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot().revision();
        match revision.cmp(&current) {
            std::cmp::Ordering::Equal => Known::Current,
            std::cmp::Ordering::Greater => Known::Never,
            std::cmp::Ordering::Less if ring.after(revision).is_some() => Known::Recent,
            std::cmp::Ordering::Less => Known::Older,
        }
    }

    /// Follows the events after `after`, or from a snapshot on if there is none or the ring no longer knows it.
    pub fn subscribe(&self, after: Option<u64>, filter: Option<Filter>) -> Result<Subscription, Full> {
        let taken = self
            .shared
            .subscribers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n < MAX_SUBSCRIBERS).then_some(n + 1)
            });
        match taken {
            Ok(_) => Ok(Subscription::new(
                self.current.subscribe(),
                Arc::clone(&self.shared),
                after,
                filter,
            )),
            Err(_) => Err(Full),
        }
    }

    /// Waits until a revision other than `revision` is current. For long polls; the caller sets the deadline.
    pub async fn moved_past(&self, revision: u64) {
        let mut current = self.current.subscribe();
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = current
            .wait_for(|current| current.snapshot.revision() != revision)
            .await;
    }
}

/// The same targets and providers in the same order.
fn is_same_shape(old: &Health, new: &Health) -> bool {
    let targets = old.targets.iter().map(|t| &t.id);
    let providers = old.providers.iter().map(|p| &p.id);
    targets.eq(new.targets.iter().map(|t| &t.id)) && providers.eq(new.providers.iter().map(|p| &p.id))
}

/// Nothing but the head's revision and times differs.
fn is_same(old: &Health, new: &Health) -> bool {
    old.head.network == new.head.network
        && old.head.store == new.head.store
        && old.targets == new.targets
        && old.providers == new.providers
}

/// Something that steers traffic differs: it must not wait for the next second.
fn is_urgent(old: &Health, new: &Health) -> bool {
    old.head.network != new.head.network
        || old.head.store.state != new.head.store.state
        || !is_same_shape(old, new)
        || old
            .targets
            .iter()
            .zip(&new.targets)
            .any(|(old, new)| old.state != new.state || old.routing != new.routing)
}

/// Builds a snapshot; targets and providers that read as in `old` are copied from its bytes.
fn snapshot(health: Health, tag: &str, old: Option<&Snapshot>) -> Snapshot {
    let capacity = old.map_or(4096, |old| old.frame.len() + 1024);
    let mut out = Builder::new(Kind::Snapshot, &health.head, true, capacity);
    let targets = health.targets.iter().enumerate();
    out.list(
        "targets",
        targets.map(|(index, target)| (Key::Target(target.id.clone()), (index, target))),
        |(index, target), out| {
            let same = old.filter(|old| old.health.targets.get(index) == Some(target));
            match same.and_then(|old| old.frame.part("targets", index)) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => write_json(out, target),
            }
        },
    );
    out.list(
        "providers",
        health.providers.iter().map(|p| (Key::Provider(p.id.clone()), p)),
        |provider, out| write_json(out, provider),
    );
    let revision = health.head.revision;
    Snapshot {
        etag: format!("\"{revision}-{tag}\""),
        gzip_etag: format!("\"{revision}-{tag}-gzip\""),
        frame: out.finish(),
        packed: Packed::default(),
        health,
    }
}

/// Builds the events that lead from `old` to `new` under these revisions; the first one tells what differs.
fn events(
    old: &Snapshot,
    new: &Snapshot,
    causes: &[Cause<'_>],
    revisions: &[u64],
    tag: &str,
) -> Vec<Arc<Event>> {
    let reshaped = !is_same_shape(&old.health, &new.health);
    let mut after = old.revision();
    let mut events = Vec::with_capacity(causes.len());
    for (cause, &revision) in causes.iter().zip(revisions) {
        let first = events.is_empty();
        let head = Head {
            revision,
            ..new.health.head.clone()
        };
        let at = head.generated_at.0;
        let (kind, frame) = if first && reshaped {
            let (targets, providers) = (new.health.targets.clone(), new.health.providers.clone());
            let health = Health {
                head,
                targets,
                providers,
            };
            (Kind::Snapshot, snapshot(health, tag, Some(new)).frame)
        } else {
            delta(first.then_some(&old.health), new, &head, *cause)
        };
        events.push(Arc::new(Event {
            revision,
            after,
            at,
            kind,
            durable: matches!(
                cause,
                Cause::Transition(_) | Cause::Incident(..) | Cause::Change(_)
            ),
            frame,
        }));
        after = revision;
    }
    events
}

/// Builds the event that leads from `old` to `new`, which name the same targets; without an old one they don't differ.
fn delta(old: Option<&Health>, new: &Snapshot, head: &Head, cause: Cause<'_>) -> (Kind, Frame) {
    let kind = match cause {
        Cause::Transition(_) | Cause::Figures => Kind::Health,
        Cause::Incident(..) => Kind::Incident,
        Cause::Change(_) => Kind::Change,
        Cause::Heartbeat => Kind::Heartbeat,
    };
    let turned = |old: &Health| old.head.network != head.network || old.head.store.state != head.store.state;
    let always = kind == Kind::Heartbeat || old.is_some_and(turned);
    let mut out = Builder::new(kind, head, always, 1024);
    match cause {
        Cause::Transition(moved) => out.list(
            "transitions",
            moved.iter().map(|t| (Key::Target(t.target.clone()), t)),
            |moved, out| write_json(out, &Transition::from(moved)),
        ),
        Cause::Incident(phase, incident) => out.object(
            "incident",
            Key::Target(incident.target.clone()),
            &IncidentChange::new(phase, incident),
        ),
        Cause::Change(change) => out.object(
            "change",
            Key::Target(change.target.clone()),
            &Change::from(change),
        ),
        Cause::Figures | Cause::Heartbeat => {}
    }
    let Some(old) = old else {
        return (kind, out.finish());
    };
    let changed = old.targets.iter().zip(&new.health.targets).enumerate();
    out.list(
        "targets",
        changed
            .filter(|(_, (old, new))| old != new)
            .map(|(index, (_, target))| (Key::Target(target.id.clone()), index)),
        |index, out| out.extend_from_slice(new.frame.part("targets", index).unwrap_or(b"null")),
    );
    let changed = old.providers.iter().zip(&new.health.providers);
    out.list(
        "providers",
        changed
            .filter(|(old, new)| old != new)
            .map(|(_, provider)| (Key::Provider(provider.id.clone()), provider)),
        |provider, out| write_json(out, provider),
    );
    (kind, out.finish())
}
