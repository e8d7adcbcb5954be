//! Is it us? Evidence against a provider's edge counts only while our own network is proven.

/// How long edge evidence may wait for its verdict, in milliseconds.
pub(super) const HOLD_MS: i64 = 400;
/// Age up to which a good round vouches for evidence that came after it, in milliseconds.
const VOUCH_MS: i64 = 1_000;
/// How long a failed round forbids to believe, in milliseconds.
const DOUBT_MS: i64 = 2_000;
/// Least distance of two failing rounds that prove us offline, in milliseconds.
pub(super) const OFFLINE_MS: i64 = 500;
/// Distance of rounds while offline, in milliseconds.
const OFFLINE_ROUND_MS: i64 = 1_000;
/// Good rounds that bring us back.
const BACK_ROUNDS: u32 = 2;
/// Wait after them, in milliseconds; also after a jump of the clock.
pub(super) const BACK_MS: i64 = 2_000;
/// After this long of failing alone an anchor no longer counts, in milliseconds.
const LONE_MS: i64 = 600_000;
/// How often a lone failing anchor is looked at, in milliseconds.
const LONE_ROUND_MS: i64 = 60_000;
/// How far back providers are compared, in milliseconds.
pub(super) const PEERS_MS: i64 = 5_000;
/// Fewest providers that are compared.
pub(super) const PEERS_MIN: usize = 3;

/// What vouches for our network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Configured anchors.
    Anchors,
    /// Another provider.
    Peer,
    /// Nothing: edge evidence proves no more than that nothing is known.
    Lone,
}

/// What becomes of a piece of held evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It counts.
    Commit,
    /// It may be us.
    Drop,
    /// Not known yet.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Round {
    at_ms: i64,
    good: bool,
    /// It has vouched for a decisive piece of evidence, and does so once only.
    spent: bool,
}

/// The gate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gate {
    mode: Mode,
    offline: bool,
    last: Option<Round>,
    last_failed_ms: Option<i64>,
    /// First of the present run of failing rounds.
    failing_since_ms: Option<i64>,
    /// Since when each anchor fails while the others answer.
    alone_since_ms: Vec<Option<i64>>,
    requested_ms: Option<i64>,
    next_round_ms: Option<i64>,
    good_rounds: u32,
    back_at_ms: Option<i64>,
    /// Whatever was sent before this moment says nothing.
    discard_before_ms: i64,
}

impl Gate {
    pub(super) fn new(anchors: usize, providers: usize) -> Self {
        let mut gate = Self {
            mode: Mode::Lone,
            offline: false,
            last: None,
            last_failed_ms: None,
            failing_since_ms: None,
            alone_since_ms: Vec::new(),
            requested_ms: None,
            next_round_ms: None,
            good_rounds: 0,
            back_at_ms: None,
            discard_before_ms: i64::MIN,
        };
        gate.configure(anchors, providers);
        gate
    }

    /// Takes up another number of anchors or providers.
    pub(super) fn configure(&mut self, anchors: usize, providers: usize) {
        self.mode = match (anchors, providers) {
            (0, 0 | 1) => Mode::Lone,
            (0, _) => Mode::Peer,
            _ => Mode::Anchors,
        };
        self.alone_since_ms.resize(anchors.max(1), None);
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) const fn offline(&self) -> bool {
        self.offline
    }

    /// Whether an exchange that began then says anything.
    pub(super) const fn discards(&self, started_ms: i64) -> bool {
        self.offline || started_ms < self.discard_before_ms
    }

    /// Whether a round is under way whose answer is waited for.
    pub(super) const fn awaits(&self) -> bool {
        self.requested_ms.is_some()
    }

    /// Edge evidence came: whether a round should start now. `decisive` evidence, which adds to a suspicion, always
    /// gets a round of its own.
    pub(super) fn wants_round(&mut self, now_ms: i64, decisive: bool) -> bool {
        let under_way = self.requested_ms.is_some_and(|at| now_ms - at < HOLD_MS);
        let fresh = self.last.is_some_and(|round| now_ms - round.at_ms < VOUCH_MS);
        let vouched = fresh && !(decisive && self.last.is_some_and(|round| round.good));
        if self.mode == Mode::Lone || self.offline || under_way || vouched {
            return false;
        }
        self.requested_ms = Some(now_ms);
        true
    }

    /// What becomes of evidence that came at `held_ms`.
    pub(super) fn rule(&self, held_ms: i64, decisive: bool, now_ms: i64) -> Ruling {
        if self.mode == Mode::Lone {
            return Ruling::Commit;
        }
        let doubted = self.last_failed_ms.is_some_and(|at| now_ms - at < DOUBT_MS);
        if self.offline || doubted {
            return Ruling::Drop;
        }
        if let Some(round) = self.last.filter(|round| round.good) {
            let after = round.at_ms >= held_ms && !(decisive && round.spent);
            let just_before = held_ms - round.at_ms < VOUCH_MS;
            if after || (just_before && !decisive) {
                return Ruling::Commit;
            }
        }
        if now_ms - held_ms >= HOLD_MS {
            Ruling::Drop
        } else {
            Ruling::Wait
        }
    }

    /// A decisive piece of evidence was believed on the word of the last round.
    pub(super) fn spend(&mut self) {
        if let Some(round) = &mut self.last {
            round.spent = true;
        }
    }

    /// One round finished. Returns whether we went offline by it.
    pub(super) fn round(&mut self, answered: &[bool], now_ms: i64) -> bool {
        self.requested_ms = None;
        self.next_round_ms = None;
        let left = |since: &Option<i64>| since.is_some_and(|at| now_ms - at >= LONE_MS);
        let live: Vec<usize> = (0..answered.len())
            .filter(|i| !self.alone_since_ms.get(*i).is_some_and(left))
            .collect();
        let failed: Vec<usize> = live.iter().copied().filter(|i| !answered[*i]).collect();
        for (since, answered) in self.alone_since_ms.iter_mut().zip(answered) {
            if *answered {
                *since = None;
            }
        }
        if live.is_empty() {
            return false;
        }
        let good = failed.is_empty();
        let alone = failed.len() == 1 && live.len() > 1;
        let mut news = false;
        if alone && let Some(since) = self.alone_since_ms.get_mut(failed[0]) {
            news = since.is_none();
            since.get_or_insert(now_ms);
        }
        self.last = Some(Round {
            at_ms: now_ms,
            good,
            spent: false,
        });
        if good {
            self.failing_since_ms = None;
            self.good_rounds += 1;
            if self.offline && self.good_rounds >= BACK_ROUNDS {
                self.back_at_ms.get_or_insert(now_ms + BACK_MS);
            } else if self.offline {
                self.next_round_ms = Some(now_ms + OFFLINE_ROUND_MS);
            }
            return false;
        }
        self.last_failed_ms = Some(now_ms);
        self.good_rounds = 0;
        self.back_at_ms = None;
        if self.offline {
            self.next_round_ms = Some(now_ms + OFFLINE_ROUND_MS);
            return false;
        }
        // One anchor that fails while others answer is that anchor's trouble: enough to doubt, not to be offline.
        let known_trouble = alone && !news;
        self.next_round_ms = Some(now_ms + if known_trouble { LONE_ROUND_MS } else { OFFLINE_MS });
        if alone {
            self.failing_since_ms = None;
            return false;
        }
        let since = *self.failing_since_ms.get_or_insert(now_ms);
        if now_ms - since < OFFLINE_MS {
            return false;
        }
        self.go_offline(now_ms);
        true
    }

    /// The machine slept or its clock was set: offline for 2 s. Returns whether that is news.
    pub(super) fn jump(&mut self, now_ms: i64) -> bool {
        if self.offline {
            return false;
        }
        self.go_offline(now_ms);
        self.next_round_ms = None;
        self.back_at_ms = Some(now_ms + BACK_MS);
        true
    }

    fn go_offline(&mut self, now_ms: i64) {
        self.offline = true;
        self.good_rounds = 0;
        self.back_at_ms = None;
        self.requested_ms = None;
        self.next_round_ms = Some(now_ms + OFFLINE_ROUND_MS);
    }

    /// Whether we are back online at this moment.
    pub(super) fn comes_back(&mut self, now_ms: i64) -> bool {
        if !self.offline || self.back_at_ms.is_none_or(|at| now_ms < at) {
            return false;
        }
        self.offline = false;
        self.back_at_ms = None;
        self.failing_since_ms = None;
        self.last_failed_ms = None;
        self.next_round_ms = None;
        self.discard_before_ms = now_ms;
        true
    }

    /// Whether a round of the gate's own is due: after a failed one, while offline, or for a lone failing anchor.
    pub(super) fn due_round(&mut self, now_ms: i64) -> bool {
        if self.next_round_ms.is_none_or(|at| now_ms < at) {
            return false;
        }
        self.requested_ms = Some(now_ms);
        // A round whose answer never comes is asked for again.
        self.next_round_ms = Some(now_ms + OFFLINE_ROUND_MS.max(self.calm_ms()));
        true
    }

    fn calm_ms(&self) -> i64 {
        if self.offline || self.failing_since_ms.is_some() {
            0
        } else {
            LONE_ROUND_MS
        }
    }

    pub(super) fn next_wake(&self) -> Option<i64> {
        [self.back_at_ms, self.next_round_ms].into_iter().flatten().min()
    }
}
