//! What one request comes to: healthy replies and every fault of the specification.

use std::time::Duration;

use endturn::{
    clock::Timestamp,
    id::TargetId,
    protocol::{ErrorClass, Usage},
    verdict::{FailedAt, Failure, Observation, Source, Truncation, Verdict},
};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal};

/// Median first token of a healthy reply.
const TTFT_S: f64 = 0.6;
/// Sigma of its logarithm.
const SIGMA: f64 = 0.45;
/// Share of healthy replies that come much later.
const TAIL: f64 = 0.015;

/// What is wrong with a provider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Refused,
    BlackHole,
    ServerError,
    Overloaded,
    Truncated,
    /// First tokens come that many times later.
    Slow(f64),
    Hang,
    Auth,
    Quota,
    RateLimit,
}

/// A fault with its time and the share of requests that it strikes.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub provider: usize,
    pub kind: Kind,
    pub share: f64,
    pub from: Timestamp,
    pub to: Timestamp,
    /// On and off in turns of this length, beginning with on.
    pub flapping: Option<Duration>,
}

impl Fault {
    pub fn is_on(&self, now: Timestamp) -> bool {
        let turn = |every: Duration| (now.since(self.from).as_millis() / every.as_millis()).is_multiple_of(2);
        (self.from..self.to).contains(&now) && self.flapping.is_none_or(turn)
    }
}

/// One request's fate.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Complete { ttft: Duration },
    Cut { ttft: Duration },
    Status { code: u16, class: ErrorClass },
    Unreachable { refused: bool },
    Hang,
}

pub fn draw(kind: Option<Kind>, rng: &mut impl Rng) -> Shape {
    let law = LogNormal::new(TTFT_S.ln(), SIGMA).expect("a law");
    let late = if rng.random::<f64>() < TAIL {
        rng.random_range(3.0..8.0)
    } else {
        1.0
    };
    let ttft = |factor: f64, rng: &mut _| Duration::from_secs_f64(law.sample(rng) * factor * late);
    let status = |code, class| Shape::Status { code, class };
    match kind {
        None => Shape::Complete { ttft: ttft(1.0, rng) },
        Some(Kind::Slow(factor)) => Shape::Complete {
            ttft: ttft(factor, rng),
        },
        Some(Kind::Truncated) => Shape::Cut { ttft: ttft(1.0, rng) },
        Some(Kind::Refused) => Shape::Unreachable { refused: true },
        Some(Kind::BlackHole) => Shape::Unreachable { refused: false },
        Some(Kind::Hang) => Shape::Hang,
        Some(Kind::ServerError) => status(500, ErrorClass::ServerError),
        Some(Kind::Overloaded) => status(529, ErrorClass::Overloaded),
        Some(Kind::Auth) => status(401, ErrorClass::Auth),
        Some(Kind::Quota) => status(402, ErrorClass::Quota),
        Some(Kind::RateLimit) => status(429, ErrorClass::RateLimit),
    }
}

fn failed(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

/// Connected, and then nothing in time.
fn late(mut observation: Observation) -> Observation {
    observation.phases.connect = Some(Duration::from_millis(20));
    observation
}

/// A generation: how long it takes and what it is. No first token by `hard` is a time-out.
pub fn reply(
    shape: &Shape,
    target: &TargetId,
    now: Timestamp,
    hard: Duration,
    decode: Duration,
) -> (Duration, Observation) {
    let ms = Duration::from_millis;
    let observation = |verdict| {
        let mut observation = Observation::new(target.clone(), now, Source::Canary, verdict);
        observation.started = now;
        observation
    };
    let timeout = || {
        (
            hard,
            late(observation(failed(ErrorClass::Timeout, FailedAt::Transport))),
        )
    };
    match shape {
        Shape::Hang => timeout(),
        Shape::Complete { ttft } | Shape::Cut { ttft } if *ttft > hard => timeout(),
        Shape::Complete { ttft } => {
            let mut whole = observation(Verdict::Complete);
            let end = *ttft + decode;
            whole.http_status = Some(200);
            whole.phases.connect = Some(ms(20));
            whole.phases.head = Some(*ttft * 9 / 10);
            whole.phases.first_token = Some(*ttft);
            whole.phases.first_output = Some(*ttft);
            whole.phases.last_token = Some(end);
            whole.phases.terminal = Some(end);
            whole.usage = Usage {
                input: Some(45),
                output: Some(30),
                reasoning: None,
                provisional: false,
            };
            (end, whole)
        }
        Shape::Cut { ttft } => {
            let mut cut = observation(Verdict::Truncated(Truncation::Cut));
            cut.http_status = Some(200);
            cut.phases.first_token = Some(*ttft);
            (*ttft + decode * 3 / 5, cut)
        }
        Shape::Status { code, class } => {
            let mut refused = observation(failed(*class, FailedAt::Status(*code)));
            refused.http_status = Some(*code);
            (ms(120), refused)
        }
        Shape::Unreachable { refused } => {
            let class = ErrorClass::Connect;
            (
                if *refused { ms(2) } else { ms(1_000) },
                observation(failed(class, FailedAt::Transport)),
            )
        }
    }
}

/// A reachability probe of the same provider at the same moment.
pub fn reach(shape: &Shape, target: TargetId, now: Timestamp, connect: Duration) -> (Duration, Observation) {
    let (length, mut observation) = match shape {
        Shape::Unreachable { refused: true } => (
            Duration::from_millis(2),
            Observation::new(
                target,
                now,
                Source::Reach,
                failed(ErrorClass::Connect, FailedAt::Transport),
            ),
        ),
        Shape::Unreachable { refused: false } => (
            connect,
            Observation::new(
                target,
                now,
                Source::Reach,
                failed(ErrorClass::Connect, FailedAt::Transport),
            ),
        ),
        _ => {
            let mut answered = Observation::new(target, now, Source::Reach, Verdict::Complete);
            answered.expected = true;
            answered.http_status = Some(200);
            (Duration::from_millis(40), answered)
        }
    };
    observation.started = now;
    (length, observation)
}

/// Whether an observation is evidence of a fault, in the simulation's own eyes.
pub fn is_bad(observation: &Observation) -> bool {
    match observation.verdict {
        Verdict::Truncated(_) => true,
        Verdict::Errored(failure) => !matches!(
            failure.class,
            ErrorClass::Auth | ErrorClass::Quota | ErrorClass::RateLimit | ErrorClass::Permission
        ),
        Verdict::Complete => observation
            .ttft()
            .is_some_and(|ttft| ttft > Duration::from_millis(1_500)),
        _ => false,
    }
}
