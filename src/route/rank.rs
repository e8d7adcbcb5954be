//! From a feed to a decision.

use std::collections::{BTreeSet, HashMap};

use super::{
    share,
    standing::{Standing, is_slow},
    words,
};
use crate::{
    config::{OnExhausted, Prefer, Price, Route as Rule, RouteTarget},
    feed::{
        route::{Candidate, Decision, Route, UsdPerMtok},
        v1::{Health, Percentiles, TargetHealth},
    },
    health::Network,
    id::TargetId,
};

/// A target is clearly faster if its median first token comes at least this many times sooner ..
pub const CLEARLY_FASTER: f64 = 1.2;
/// .. and sooner by this many standard errors of both medians, so that equals don't change places by chance.
pub const SIGMAS: f64 = 3.0;
/// Fewest first tokens of each that two targets are compared by.
pub const MIN_COMPARED: u64 = 5;
/// Spread (of the logarithm) that first-token times are believed to have at least: percentiles of few samples show too
/// little of it.
const MIN_SPREAD: f64 = 0.4;

/// What a route remembers from one decision to the next. All of it is hysteresis: without it `prefer = "latency"` and
/// `max_ttft` would follow every wiggle of the figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// The order of the last decision, had all been well.
    order: Vec<TargetId>,
    /// Who was too slow.
    slow: BTreeSet<TargetId>,
}

/// A feed that targets are looked up in: made once for all routes of a revision.
#[derive(Debug)]
pub struct Known<'a> {
    pub(super) network: Network,
    targets: HashMap<&'a TargetId, &'a TargetHealth>,
}

impl<'a> Known<'a> {
    /// That feed.
    pub fn of(feed: &'a Health) -> Self {
        Self {
            network: feed.head.network,
            targets: feed.targets.iter().map(|target| (&target.id, target)).collect(),
        }
    }
}

/// One target while the route is decided.
pub(super) struct Entrant<'a> {
    pub(super) target: &'a RouteTarget,
    pub(super) health: Option<&'a TargetHealth>,
    pub(super) standing: Standing,
}

impl Entrant<'_> {
    /// Whether it belongs before `other`, whatever the order was.
    fn beats(&self, other: &Self, prefer: Prefer) -> bool {
        if self.standing != other.standing {
            return self.standing < other.standing;
        }
        let (Some(mine), Some(theirs)) = (self.health, other.health) else {
            return false;
        };
        if self.standing == Standing::Avoid {
            // Of two that both fail the one that fails less, where that is no accident.
            return matches!((mine.failure_rate.high, theirs.failure_rate.low), (Some(high), Some(low)) if high < low);
        }
        prefer == Prefer::Latency && is_faster(&mine.ttft_ms, &theirs.ttft_ms)
    }
}

/// Who should serve `rule` by this feed, and what to remember of it. The same arguments give the same answer.
pub fn decide(rule: &Rule, feed: &Known<'_>, before: &Memory) -> (Route, Memory) {
    let entrants: Vec<Entrant<'_>> = preferred(rule, before)
        .into_iter()
        .map(|target| {
            let health = feed.targets.get(&target.id).copied();
            let was_slow = before.slow.contains(&target.id);
            let standing = Standing::of(rule, target, health, feed.network, was_slow);
            Entrant {
                target,
                health,
                standing,
            }
        })
        .collect();
    // The order of preference, had all been well, is what is remembered: a short fall changes no places for ever.
    let faster = |a: &Entrant<'_>, b: &Entrant<'_>| {
        let figures = |entrant: &Entrant<'_>| entrant.health.map(|health| health.ttft_ms).unwrap_or_default();
        rule.prefer == Prefer::Latency && is_faster(&figures(a), &figures(b))
    };
    let wanted = ordered(entrants, faster);
    let memory = Memory {
        order: wanted.iter().map(|entrant| entrant.target.id.clone()).collect(),
        slow: wanted
            .iter()
            .filter(|entrant| stays_slow(rule, entrant, before))
            .map(|entrant| entrant.target.id.clone())
            .collect(),
    };
    let first = wanted
        .iter()
        .find(|entrant| entrant.standing != Standing::Unfit)
        .map(|entrant| entrant.target.id.clone());
    let shares = share::shares(&wanted);
    let ranked = ordered(wanted.into_iter().zip(shares).collect(), |(a, _), (b, _)| {
        a.beats(b, rule.prefer)
    });
    (told(rule, feed.network, first.as_ref(), &ranked), memory)
}

/// Whoever is too slow is remembered as such while it fails for another reason too.
fn stays_slow(rule: &Rule, entrant: &Entrant<'_>, before: &Memory) -> bool {
    let was = before.slow.contains(&entrant.target.id);
    let (Some(most), Some(health)) = (rule.max_ttft, entrant.health) else {
        return false;
    };
    is_slow(&health.ttft_ms, most, was)
}

/// The targets as they come by preference alone: as configured, by price, or as they last came by latency.
fn preferred<'a>(rule: &'a Rule, before: &Memory) -> Vec<&'a RouteTarget> {
    let mut targets: Vec<&RouteTarget> = rule.targets.iter().collect();
    match rule.prefer {
        Prefer::Order => {}
        Prefer::Cost => targets.sort_by(|a, b| blended(a.price).total_cmp(&blended(b.price))),
        Prefer::Latency => targets.sort_by_key(|target| {
            let place = before.order.iter().position(|id| *id == target.id);
            place.unwrap_or(usize::MAX)
        }),
    }
    targets
}

/// Dollars per million tokens of which three in four are the prompt's, as vendors are commonly compared.
fn blended(price: Option<Price>) -> f64 {
    price.map_or(f64::INFINITY, |price| {
        (3.0 * price.input_usd_per_mtok + price.output_usd_per_mtok) / 4.0
    })
}

/// Whoever beats another comes before it; all else stays as it was. `beats` has no cycles: each of its comparisons is one
/// of numbers.
fn ordered<T>(mut left: Vec<T>, beats: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut done = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let unbeaten = left
            .iter()
            .position(|one| left.iter().all(|other| !beats(other, one)));
        done.push(left.remove(unbeaten.unwrap_or(0)));
    }
    done
}

/// Whether the median of `a` is below that of `b` by [`CLEARLY_FASTER`] and by [`SIGMAS`] standard errors.
fn is_faster(a: &Percentiles, b: &Percentiles) -> bool {
    let (Some(mine), Some(theirs)) = (a.p50, b.p50) else {
        return false;
    };
    if a.n.min(b.n) < MIN_COMPARED || mine <= 0.0 {
        return false;
    }
    let noise = SIGMAS * standard_error(a).hypot(standard_error(b));
    (theirs / mine).ln() > noise.max(CLEARLY_FASTER.ln())
}

/// Standard error of the logarithm of a median: 1.2533 sigma / sqrt(n), for first-token times that are log-normal.
fn standard_error(figures: &Percentiles) -> f64 {
    let spread = match (figures.p50, figures.p95) {
        (Some(p50), Some(p95)) if p50 > 0.0 => (p95 / p50).ln() / 1.645,
        _ => MIN_SPREAD,
    };
    1.2533 * spread.max(MIN_SPREAD) / (figures.n as f64).sqrt()
}

fn told(rule: &Rule, network: Network, first: Option<&TargetId>, ranked: &[(Entrant<'_>, f64)]) -> Route {
    let serving = ranked.first().map(|(entrant, _)| entrant);
    let chosen = serving.filter(|entrant| {
        entrant.standing.is_eligible()
            || (rule.on_exhausted == OnExhausted::LeastBad && entrant.standing != Standing::Unfit)
    });
    let candidates = ranked
        .iter()
        .map(|(entrant, share)| {
            // Nobody is eligible: all goes to the one that is taken for want of a better.
            let share = match chosen {
                Some(chosen) if !chosen.standing.is_eligible() => {
                    f64::from(u8::from(chosen.target.id == entrant.target.id))
                }
                Some(_) => *share,
                None => 0.0,
            };
            candidate(rule, network, entrant, share)
        })
        .collect();
    Route {
        name: rule.name.clone(),
        decision: if chosen.is_some() {
            Decision::Use
        } else {
            Decision::FailClosed
        },
        target: chosen.map(|entrant| entrant.target.id.clone()),
        reason: words::decision(network, chosen, first, ranked.iter().map(|(entrant, _)| entrant)),
        prefer: rule.prefer.as_str().into(),
        on_exhausted: rule.on_exhausted.as_str().into(),
        max_ttft_ms: rule
            .max_ttft
            .map(|most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX)),
        same_key: rule.same_key,
        requires: rule.requires.clone(),
        candidates,
    }
}

fn candidate(rule: &Rule, network: Network, entrant: &Entrant<'_>, share: f64) -> Candidate {
    let nothing = || crate::health::State::Unknown;
    let health = entrant.health;
    let ttft = health.map(|health| health.ttft_ms).unwrap_or_default();
    Candidate {
        target: entrant.target.id.clone(),
        eligible: entrant.standing.is_eligible(),
        share,
        why: words::candidate(rule, network, entrant),
        hint: health.map_or(crate::health::Hint::NoOpinion, |health| health.routing.hint),
        state: health.map_or_else(nothing, |health| health.state),
        weight: health.and_then(|health| health.routing.weight),
        ttft_p50_ms: ttft.p50,
        ttft_p95_ms: ttft.p95,
        ttft_n: ttft.n,
        usd_per_mtok: entrant.target.price.map(|price| UsdPerMtok {
            input: price.input_usd_per_mtok,
            output: price.output_usd_per_mtok,
        }),
        retry_at: health.and_then(|health| health.routing.retry_at),
    }
}
