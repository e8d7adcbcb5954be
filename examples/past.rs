//! A past for a database: `cargo run --example past -- FILE DAYS MINUTES TARGET..` writes seeded days that end now, an
//! observation of each target every so many minutes, through the store's own writer: for pictures of the page, and for
//! looking at long spans without waiting for them.
//!
//! The same targets and seed give the same troubles, counted back from now.
#![expect(clippy::print_stdout, reason = "what was written is this program's answer")]

use std::{error::Error, path::Path, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    health::{Incident, IncidentEntry, Reason, ReasonCode, Saved, Standing, State, StateTimes},
    id::TargetId,
    protocol::{ErrorClass, Usage},
    store::{Options, Record, Store, Writer},
    verdict::{Connection, FailedAt, Failure, Observation, Source, Truncation, Verdict},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

const SEED: u64 = 20_260_620;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The troubles of a target are this far apart on average, in days.
const APART_DAYS: f64 = 16.0;
/// The last hour is left to the monitor itself.
const LAST_MS: i64 = 60 * MINUTE_MS;
const WAIT: Duration = Duration::from_secs(600);
/// Turns of the writer after the last row: each rolls up a few steps.
const SETTLE_TURNS: usize = 200;

/// A stretch in which a share of the replies goes wrong in one way, in milliseconds since 1970.
struct Trouble {
    from: i64,
    to: i64,
    share: f64,
    state: State,
    verdict: Verdict,
    code: ReasonCode,
    text: String,
}

fn trouble(rng: &mut ChaCha8Rng, from: i64) -> Trouble {
    let minutes = LogNormal::new(45.0_f64.ln(), 0.8).map_or(45.0, |d| d.sample(rng).clamp(10.0, 480.0));
    let share = rng.random_range(0.15..0.9);
    let (verdict, code, what) = match rng.random_range(0..3) {
        0 => (
            Verdict::Errored(Failure {
                class: ErrorClass::Overloaded,
                at: FailedAt::Status(529),
            }),
            ReasonCode::Overloaded,
            "requests were turned away as overloaded",
        ),
        1 => (
            Verdict::Errored(Failure {
                class: ErrorClass::ServerError,
                at: FailedAt::Status(500),
            }),
            ReasonCode::ServerError,
            "requests met an error of the server",
        ),
        _ => (
            Verdict::Truncated(Truncation::Cut),
            ReasonCode::Truncated,
            "replies ended before a stop reason",
        ),
    };
    Trouble {
        from,
        to: from + (minutes * MINUTE_MS as f64) as i64,
        share,
        state: if share > 0.7 { State::Down } else { State::Partial },
        verdict,
        code,
        text: format!("{:.0} of 12 {what} in 60 s", share * 12.0),
    }
}

fn observe(rng: &mut ChaCha8Rng, target: &TargetId, ms: i64, base_ms: f64, verdict: Verdict) -> Observation {
    let draw = LogNormal::new(0.0, 0.4).map_or(1.0, |d| d.sample(rng));
    // Working hours are slower than nights.
    let hours = ms.rem_euclid(DAY_MS) as f64 / 3.6e6;
    let load = 1.0 + 0.3 * (std::f64::consts::TAU * (hours - 9.0) / 24.0).sin();
    let (ttft, decode) = (base_ms * load * draw, 600.0 + 400.0 * draw);
    let us = |ms: f64| Some(Duration::from_micros((ms * 1e3) as u64));
    let mut o = Observation::new(
        target.clone(),
        Timestamp::from_millis(ms),
        Source::Canary,
        verdict,
    );
    o.started = Timestamp::from_millis(ms - (ttft + decode) as i64);
    o.connection = Some(Connection::Fresh);
    let p = &mut o.phases;
    (p.dns, p.connect, p.request) = (us(1.9), us(18.0 + decode / 90.0), us(0.05));
    if verdict == Verdict::Complete {
        (p.head, p.first_byte, p.first_token, p.first_output) =
            (us(ttft * 0.8), us(ttft * 0.8), us(ttft), us(ttft));
        (p.last_token, p.stop, p.terminal, p.end) = (
            us(ttft + decode),
            us(ttft + decode),
            us(ttft + decode + 0.6),
            us(ttft + decode + 0.9),
        );
        p.gap_max = us(decode / 9.0);
        o.http_status = Some(200);
        o.stop_reason = Some("end_turn".to_owned());
        o.usage = Usage {
            input: Some(64),
            output: Some(44),
            reasoning: None,
            provisional: false,
        };
        o.cost_usd = 0.000_2;
    } else {
        o.request_id = Some(format!("req_{ms:x}"));
    }
    o
}

fn incident(target: &TargetId, t: &Trouble) -> Incident {
    let at = Timestamp::from_millis;
    let entry = |ms, kind, state, text: &str| IncidentEntry {
        at: at(ms),
        kind,
        state,
        text: text.to_owned(),
    };
    Incident {
        id: format!("{}-{}", target.provider(), t.from),
        target: target.clone(),
        started: at(t.from),
        detected: at(t.from + 4_000),
        opened: at(t.from + 9_000),
        recovered: Some(at(t.to)),
        closed: Some(at(t.to + 5 * MINUTE_MS)),
        worst: t.state,
        reason: Reason {
            code: t.code,
            text: t.text.clone(),
            sources: vec![Source::Canary],
        },
        timeline: vec![
            entry(t.from, "first_evidence", State::Operational, &t.text),
            entry(t.from + 4_000, "transition", t.state, &t.text),
            entry(t.from + 9_000, "opened", t.state, "incident opened"),
            entry(
                t.to,
                "recovered",
                State::Operational,
                "replies are complete again",
            ),
            entry(t.to + 5 * MINUTE_MS, "closed", State::Operational, "stayed well"),
        ],
        lead_s: None,
    }
}

/// One target's days.
fn write(writer: &Writer, target: &TargetId, stream: u64, (from, to): (i64, i64), every: i64) {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(stream);
    let base_ms = rng.random_range(280.0..900.0);
    let mut troubles = Vec::new();
    let mut end = to - (rng.random_range(0.2..APART_DAYS) * DAY_MS as f64) as i64;
    while end > from {
        troubles.push(trouble(&mut rng, end));
        end -= (rng.random_range(0.3..2.0 * APART_DAYS) * DAY_MS as f64) as i64;
    }
    troubles.reverse();
    let at = |ms: i64| troubles.iter().find(|t| (t.from..t.to).contains(&ms));
    let mut ms = from;
    while ms < to {
        let day = ms.div_euclid(DAY_MS);
        let mut times = StateTimes::default();
        while ms < to && ms.div_euclid(DAY_MS) == day {
            let now = at(ms);
            times.add(now.map_or(State::Operational, |t| t.state), every.cast_unsigned());
            let bad = rng.random_bool(now.map_or(0.002, |t| t.share));
            let verdict = if bad {
                now.map_or(Verdict::Truncated(Truncation::Cut), |t| t.verdict)
            } else {
                Verdict::Complete
            };
            writer.send(Record::Observation(observe(
                &mut rng, target, ms, base_ms, verdict,
            )));
            ms += every;
        }
        writer.send(Record::Standing(Standing {
            target: target.clone(),
            day: Timestamp::from_millis(day * DAY_MS),
            times,
        }));
        writer.flush(WAIT);
    }
    for t in &troubles {
        writer.send(Record::Incident(incident(target, t)));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, days, minutes, targets @ ..] = args.as_slice() else {
        return Err("usage: past FILE DAYS MINUTES TARGET..".into());
    };
    let clock = Clock::system();
    let to = clock.now().as_millis() - LAST_MS;
    let from = to - i64::from(days.parse::<u16>()?) * DAY_MS;
    let every = i64::from(minutes.parse::<u16>()?.max(1)) * MINUTE_MS;
    let (writer, _) = Store::open(Path::new(file), Options::default(), clock)?;
    for (stream, target) in targets.iter().enumerate() {
        write(&writer, &target.parse()?, stream as u64, (from, to), every);
    }
    for _ in 0..SETTLE_TURNS {
        writer.send(Record::State(Saved::default()));
        writer.flush(WAIT);
    }
    let dropped = writer.status().dropped.total();
    if !writer.close(WAIT) || dropped > 0 {
        return Err(format!("{dropped} records were not written").into());
    }
    println!("{days} days of {} targets in {file}", targets.len());
    Ok(())
}
