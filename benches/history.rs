//! Reading a year of 50 targets: idle, while 5,000 rows a second are written, and beside the same questions put to
//! raw rows in a plain table.
//!
//! `cargo bench --bench history`; `-- --every 60` for an observation a minute and target instead of one in five,
//! `-- --only page` for the questions with that in their name. The year is made once (`support/year.rs`) and kept below
//! `target/tmp`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "a bench prints and may panic; it counts to some millions"
)]

#[path = "support/html.rs"]
mod html;
#[path = "support/year.rs"]
mod year;

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    health::histogram::Histogram,
    id::TargetId,
    store::{MAX_READERS, Options, Reader, Record, SeriesQuery, Span, Store, Writer},
    verdict::{Observation, Source, Verdict},
};
use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};

use year::{END, Year, names, settle};

/// Rows a second that are written beside the reads.
const PACE: u64 = 5_000;
/// So much of that writing is done before the first read: more than a minute, so that the rows that rolling has not
/// reached are as many as they get.
const AHEAD_S: u64 = 150;
const RUNS: usize = 400;
const LONG_RUNS: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;
const WAIT: Duration = Duration::from_secs(120);

/// One of the questions, and what it took.
struct Question<'a> {
    name: &'static str,
    /// p99 at most, in milliseconds.
    target_ms: f64,
    runs: usize,
    ask: Box<dyn Fn(usize) + 'a>,
    /// The same put to raw rows.
    raw: Option<Box<dyn Fn(usize) + 'a>>,
}

/// What one question took, in milliseconds: p50 and p99 by the wall, and the same of the asking thread's CPU time, which
/// other work on the machine does not lengthen.
struct Taken {
    wall: [f64; 2],
    cpu: [f64; 2],
}

impl Taken {
    /// From the times of each run, in milliseconds.
    fn of(mut wall: Vec<f64>, mut cpu: Vec<f64>) -> Self {
        let ends = |taken: &mut Vec<f64>| {
            taken.sort_by(f64::total_cmp);
            [taken[taken.len() / 2], taken[taken.len() * 99 / 100]]
        };
        Self {
            wall: ends(&mut wall),
            cpu: ends(&mut cpu),
        }
    }
}

/// CPU time of this thread; of threads that it starts, none.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap())
}

fn measure(runs: usize, ask: &dyn Fn(usize)) -> Taken {
    let clock = Clock::system();
    ask(0);
    let (mut wall, mut busy) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for run in 0..runs {
        let (start, begun) = (clock.mono(), cpu());
        ask(run);
        busy.push(cpu().saturating_sub(begun).as_secs_f64() * 1e3);
        wall.push(clock.mono().saturating_sub(start).as_secs_f64() * 1e3);
    }
    Taken::of(wall, busy)
}

fn series(reader: &Reader, now: &Clock, target: &TargetId, span: Duration, step: Duration) -> f64 {
    let query = SeriesQuery {
        target: target.clone(),
        from: now.now().minus(span),
        to: now.now(),
        step,
        sources: vec![Source::Canary, Source::Long, Source::Report, Source::Tap],
        spans: vec![Span::Ttft],
        outcomes: false,
    };
    let series = reader.series(&query).unwrap();
    assert_eq!(series.step, step);
    let quantile = |q| move |point: &endturn::store::Rollup| point.span(Span::Ttft).quantile(q);
    let mut sum = 0.0;
    for q in [0.5, 0.95, 0.99] {
        sum += series.points.iter().filter_map(quantile(q)).sum::<f64>();
    }
    let attempts: u64 = series.points.iter().map(|point| point.counts.attempts).sum();
    assert!(attempts > 0);
    sum
}

/// What the overview reads when nothing that it keeps is fresh: ninety days of everybody, today apart, how they stood,
/// and the incidents in them. (`src/daemon/shelf/days.rs`; the states of now come from the feed.)
fn page(reader: &Reader, now: &Clock, targets: &[TargetId]) {
    let today = Timestamp::from_millis(now.now().as_millis() / DAY_MS * DAY_MS);
    let mut days = 0;
    for (from, to) in [(today.minus(DAY * 89), today), (today, today.plus(DAY))] {
        days += reader.days(from, to).unwrap().len();
        assert!(!reader.standings(from, to).unwrap().is_empty());
        assert!(!reader.spans(from.minus(DAY * 30), 10_000).unwrap().is_empty());
    }
    assert_eq!(days, targets.len() * 90);
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted
        .get(((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// Counts and percentiles by step, from one row an observation.
fn raw_series(raw: &Connection, target: usize, span: Duration, step: Duration) {
    let step = step.as_millis() as i64;
    let mut statement = raw
        .prepare_cached("SELECT at, failed, truncated, ttft_ms FROM raw WHERE target = ?1 AND at >= ?2")
        .unwrap();
    let mut rows = statement
        .query(params![target as i64, END.minus(span).as_millis()])
        .unwrap();
    let mut points = BTreeMap::<i64, (i64, i64, i64, Vec<f64>)>::new();
    while let Some(row) = rows.next().unwrap() {
        let at: i64 = row.get(0).unwrap();
        let point = points.entry(at / step).or_default();
        point.0 += 1;
        point.1 += row.get::<_, i64>(1).unwrap();
        point.2 += row.get::<_, i64>(2).unwrap();
        point.3.extend(row.get::<_, Option<f64>>(3).unwrap());
    }
    for point in points.values_mut() {
        point.3.sort_by(f64::total_cmp);
        for q in [0.5, 0.95, 0.99] {
            black_box(quantile(&point.3, q));
        }
    }
}

/// Ninety days of everybody by the day, counts alone.
fn raw_days(raw: &Connection) {
    let mut statement = raw
        .prepare_cached(
            "SELECT target, at / 86400000 AS day, count(*), sum(failed), sum(truncated) FROM raw
             WHERE target >= 0 AND at >= ?1 GROUP BY target, day",
        )
        .unwrap();
    let rows = statement
        .query_map([END.minus(DAY * 89).as_millis()], |row| row.get::<_, i64>(2))
        .unwrap();
    black_box(rows.map(Result::unwrap).sum::<i64>());
}

/// The p99 of 30 days by the hour, straight from the hours' table: what any reader of it has to do at least.
fn bare_thirty(bare: &Connection, number: i64) {
    let hour = |at: Timestamp| at.as_millis() / 3_600_000;
    let mut statement = bare
        .prepare_cached(
            "SELECT attempts, errors, truncated, ttft FROM hours
             WHERE target = ?1 AND source = 1 AND at >= ?2 AND at < ?3 ORDER BY at",
        )
        .unwrap();
    let range = params![number, hour(END.minus(DAY * 30)), hour(END)];
    let mut rows = statement.query(range).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..3 {
            black_box(row.get::<_, i64>(column).unwrap());
        }
        if let Some(blob) = row.get_ref(3).unwrap().as_blob_or_null().unwrap() {
            black_box(Histogram::from_blob(blob).unwrap().quantile(0.99));
        }
    }
}

/// A year of every target as the API reads it: a thread for each request, and so many at a time as the store lends
/// readers.
fn year_at_once(reader: &Reader, clock: &Clock, targets: &[TargetId]) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..MAX_READERS {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    black_box(series(reader, clock, target, DAY * 364, DAY));
                }
            });
        }
    });
}

fn questions<'a>(
    reader: &'a Reader,
    clock: &'a Clock,
    targets: &'a [TargetId],
    raw: &'a Connection,
    only: &str,
) -> Vec<Question<'a>> {
    let of = |run: usize| &targets[run % targets.len()];
    let mut all = vec![
        Question {
            name: "90 d by 1 h, one target",
            target_ms: 10.0,
            runs: RUNS,
            ask: Box::new(move |run| {
                black_box(series(reader, clock, of(run), DAY * 90, HOUR));
            }),
            raw: Some(Box::new(move |run| {
                raw_series(raw, run % targets.len(), DAY * 90, HOUR);
            })),
        },
        Question {
            name: "30 d by 1 h, one target",
            target_ms: 10.0,
            runs: RUNS,
            ask: Box::new(move |run| {
                black_box(series(reader, clock, of(run), DAY * 30, HOUR));
            }),
            raw: Some(Box::new(move |run| {
                raw_series(raw, run % targets.len(), DAY * 30, HOUR);
            })),
        },
        Question {
            name: "a year by 1 d, 50 targets",
            target_ms: 50.0,
            runs: LONG_RUNS,
            ask: Box::new(move |_| {
                for target in targets {
                    black_box(series(reader, clock, target, DAY * 364, DAY));
                }
            }),
            raw: Some(Box::new(move |_| {
                for index in 0..targets.len() {
                    raw_series(raw, index, DAY * 364, DAY);
                }
            })),
        },
        Question {
            name: "the same, as the API reads",
            target_ms: 50.0,
            runs: LONG_RUNS,
            ask: Box::new(move |_| year_at_once(reader, clock, targets)),
            raw: None,
        },
        Question {
            name: "the page's data, 50 targets",
            target_ms: 10.0,
            runs: LONG_RUNS,
            ask: Box::new(move |_| page(reader, clock, targets)),
            raw: Some(Box::new(move |_| raw_days(raw))),
        },
        Question {
            name: "the last hour, one target",
            target_ms: 10.0,
            runs: RUNS,
            ask: Box::new(move |run| {
                black_box(series(reader, clock, of(run), HOUR, MINUTE));
            }),
            raw: None,
        },
    ];
    all.retain(|question| question.name.contains(only));
    all
}

fn line(name: &str, what: &str, taken: &Taken) -> String {
    let ([p50, p99], [cpu50, cpu99]) = (taken.wall, taken.cpu);
    format!("  {name:<30}{what:<8}{p50:>9.2}{p99:>9.2}{cpu50:>9.2}{cpu99:>9.2}")
}

fn report(what: &str, question: &Question<'_>, taken: &Taken) {
    let met = match taken {
        _ if what == "raw" => "",
        taken if taken.wall[1] <= question.target_ms => "met",
        taken if taken.cpu[1] <= question.target_ms => "met by CPU time alone",
        _ => "MISSED",
    };
    let line = line(question.name, what, taken);
    println!("{line}   target {:>3.0}  {met}", question.target_ms);
}

fn healthy(target: &TargetId, n: u64, at: Timestamp) -> Observation {
    let us = |micros: u64| Some(Duration::from_micros(micros));
    let mut o = Observation::new(target.clone(), at, Source::Report, Verdict::Complete);
    let p = &mut o.phases;
    let first = 300_000 + n * 7_919 % 900_000;
    (p.head, p.first_byte) = (us(first), us(first));
    (p.first_token, p.first_output) = (us(first), us(first));
    (p.last_token, p.terminal, p.end) = (us(first + 900_000), us(first + 900_000), us(first + 900_000));
    p.gap_max = us(60_000 + n % 1_000);
    o.usage.input = Some(64);
    o.usage.output = Some(44);
    o
}

/// Writes at that pace under the manual clock until told to stop.
fn paced(writer: &Writer, clock: &Clock, targets: &[TargetId], stop: &AtomicBool, written: &AtomicU64) {
    let real = Clock::system();
    let mut n = 0;
    let mut told = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let elapsed = real.mono();
        clock.advance(elapsed.saturating_sub(told));
        told = elapsed;
        while n < (elapsed.as_secs_f64() * PACE as f64) as u64 {
            let target = &targets[n as usize % targets.len()];
            writer.send(Record::Observation(healthy(target, n, clock.now())));
            n += 1;
        }
        written.store(n, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Some minutes of the same writing at full speed.
fn ahead(writer: &Writer, clock: &Clock, targets: &[TargetId]) {
    for second in 0..AHEAD_S {
        for n in 0..PACE {
            let at = clock.now().plus(Duration::from_micros(n * 1_000_000 / PACE));
            let target = &targets[n as usize % targets.len()];
            writer.send(Record::Observation(healthy(target, second * PACE + n, at)));
        }
        assert!(writer.flush(WAIT));
        clock.advance(Duration::from_secs(1));
    }
}

fn sizes(path: &Path, raw: &Path) {
    let size = |path: &Path| fs::metadata(path).unwrap().len() as f64 / f64::from(1 << 20);
    let database = Connection::open(path).unwrap();
    let count = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    println!(
        "store {:.0} MiB: {} raw, {} minutes, {} hours, {} days, {} incidents; plain table {:.0} MiB",
        size(path),
        count("SELECT count(*) FROM observations"),
        count("SELECT count(*) FROM minutes"),
        count("SELECT count(*) FROM hours"),
        count("SELECT count(*) FROM days"),
        count("SELECT count(*) FROM incidents"),
        size(raw),
    );
}

/// What follows that word on the command line.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let every = Duration::from_secs(argument("--every").map_or(300, |text| text.parse().unwrap()));
    let only = argument("--only").unwrap_or_default();
    let made = Year::made(every, |line| println!("{line}"));
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("year.db");
    fs::copy(&made.store, &path).unwrap();
    sizes(&path, &made.raw);
    let raw = Connection::open(&made.raw).unwrap();
    let targets = names();
    let clock = Clock::manual(END);
    let (writer, reader) = Store::open(&path, Options::default(), clock.clone()).unwrap();
    settle(&writer);
    println!(
        "an observation every {} s and target                 wall ms           CPU ms
{:>47}{:>9}{:>9}{:>9}",
        every.as_secs(),
        "p50",
        "p99",
        "p50",
        "p99"
    );
    let asked = || questions(&reader, &clock, &targets, &raw, &only);
    for question in asked() {
        report("idle", &question, &measure(question.runs, &question.ask));
        if let Some(ask) = &question.raw {
            report("raw", &question, &measure(10, ask));
        }
    }
    let bare = Connection::open(&path).unwrap();
    let taken = measure(RUNS, &|run| bare_thirty(&bare, 1 + (run % targets.len()) as i64));
    println!("{}", line("30 d by 1 h, p99 alone", "bare", &taken));

    ahead(&writer, &clock, &targets);
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let begun = Clock::system();
    let handle = {
        let (writer, clock, targets) = (writer.clone(), clock.clone(), targets.clone());
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        thread::spawn(move || paced(&writer, &clock, &targets, &stop, &written))
    };
    for question in asked() {
        report("writing", &question, &measure(question.runs, &question.ask));
    }
    let rate = written.load(Ordering::Relaxed) as f64 / begun.mono().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    handle.join().unwrap();
    assert!(writer.flush(WAIT));
    assert_eq!(writer.status().dropped.total(), 0);
    println!("  written beside them: {rate:.0} rows/s, none dropped");
    assert!(writer.close(WAIT));
    if "html".contains(&only) {
        html::measured(&path, &clock);
    }
}
