//! The charts as wholes: what small pasts look like, and what holds for any.

use proptest::prelude::*;

use super::*;
use crate::{
    health::{Reason, ReasonCode},
    id::TargetId,
    protocol::ErrorClass,
    verdict::{FailedAt, Failure, Observation, Truncation, Verdict},
};

const NOW: Timestamp = Timestamp::from_millis(1_781_960_702_000); // 2026-06-20T13:05:02Z

fn target() -> TargetId {
    "p/m".parse().unwrap()
}

fn observation(verdict: Verdict, ttft_ms: f64) -> Observation {
    let mut seen = Observation::new(target(), NOW, Source::Canary, verdict);
    let ms = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).ok();
    seen.phases.first_token = ms(ttft_ms);
    seen.phases.last_token = ms(ttft_ms * 2.0);
    seen.phases.terminal = ms(ttft_ms * 2.1);
    seen.phases.gap_max = ms(ttft_ms / 3.0);
    seen.usage.output = Some(11);
    seen
}

/// A past of one minute a step, the last one holding [`NOW`].
fn past(steps: &[Vec<(Source, Verdict, f64)>]) -> History {
    let count = u32::try_from(steps.len()).unwrap();
    let step = Duration::from_secs(60);
    let from = Timestamp::from_millis(NOW.as_millis().div_euclid(60_000) * 60_000)
        .plus(step)
        .minus(step * count);
    let series = Source::ALL.map(|source| {
        let points = steps.iter().map(|seen| {
            let mut sum = Rollup::default();
            for (by, verdict, ttft) in seen.iter().filter(|(by, _, _)| *by == source) {
                let mut one = observation(*verdict, *ttft);
                one.source = *by;
                sum.add(&one);
            }
            sum
        });
        let points = points.collect();
        (source, Series { from, step, points })
    });
    History {
        range: Range::Hour,
        series: series.into(),
        incidents: Vec::new(),
    }
}

fn incident(started: Timestamp, recovered: Option<Timestamp>) -> Incident {
    Incident {
        id: "i".into(),
        target: target(),
        started,
        detected: started,
        opened: started,
        recovered,
        closed: recovered,
        worst: State::Down,
        reason: Reason {
            code: ReasonCode::Truncated,
            text: String::new(),
            sources: Vec::new(),
        },
        timeline: Vec::new(),
        lead_s: None,
    }
}

/// A chart in lines, for snapshots.
fn lines(chart: &Chart) -> String {
    let mut out = vec![
        format!(
            "{}: {} ({}x{})",
            chart.key, chart.title, chart.width, chart.height
        ),
        format!("note     {}", chart.note),
        format!("says     {}", chart.summary),
        format!("fields   {}", chart.fields),
        format!("data     {} by {} from {}", chart.data, chart.group, chart.offset),
        format!("rules    {}", chart.rules),
    ];
    for (state, d) in &chart.shades {
        out.push(format!("shade    {state} {d}"));
    }
    out.extend(
        chart
            .shapes
            .iter()
            .map(|s| format!("shape    {} {}", s.class, s.d)),
    );
    out.extend(
        chart
            .ticks
            .iter()
            .map(|t| format!("tick     {:.1} {}", t.y, t.text)),
    );
    out.extend(
        chart
            .labels
            .iter()
            .map(|l| format!("label    {:.1} {} {}", l.y, l.class, l.text)),
    );
    out.extend(
        chart
            .keys
            .iter()
            .map(|k| format!("key      {} {}", k.class, k.text)),
    );
    out.join("\n").replace('\u{a0}', " ")
}

const CUT: Verdict = Verdict::Truncated(Truncation::Cut);
const BUSY: Verdict = Verdict::Errored(Failure {
    class: ErrorClass::Overloaded,
    at: FailedAt::Status(529),
});

/// Six minutes: two well, a gap, one alone with a cut reply, a gap, one with an error.
fn six() -> History {
    let well = |ms| (Source::Canary, Verdict::Complete, ms);
    let mut past = past(&[
        vec![well(100.0), well(200.0), (Source::Reach, Verdict::Complete, 1.0)],
        vec![
            well(150.0),
            (Source::Report, Verdict::Complete, 300.0),
            (Source::Reach, BUSY, 1.0),
        ],
        vec![],
        vec![well(120.0), (Source::Canary, CUT, 90.0)],
        vec![],
        vec![(Source::Canary, BUSY, 0.0)],
    ]);
    let from = past.series[0].1.from;
    let minute = |n: u32| from.plus(Duration::from_secs(60) * n);
    past.incidents = vec![incident(minute(3), None), incident(minute(0), Some(minute(1)))];
    past
}

#[test]
fn six_minutes() {
    let board = Board::draw(&six(), 250, NOW);
    let shown: Vec<String> = board.charts.iter().map(lines).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn nothing_at_all_is_drawn_and_told_as_such() {
    for steps in [0, 1, 60] {
        let board = Board::draw(&past(&vec![Vec::new(); steps]), 250, NOW);
        for chart in &board.charts {
            assert!(chart.shapes.is_empty(), "{}: {:?}", chart.key, chart.shapes);
            assert!(chart.labels.is_empty(), "{}", chart.key);
            assert!(
                chart.summary.starts_with("No"),
                "{}: {}",
                chart.key,
                chart.summary
            );
            assert!(chart.data.chars().all(|c| c == ';'), "{}", chart.key);
        }
    }
    let never = History {
        range: Range::Day,
        series: Vec::new(),
        incidents: Vec::new(),
    };
    assert_eq!(Board::draw(&never, 0, NOW).steps, 0);
}

#[test]
fn the_script_finds_an_entry_for_every_step() {
    let board = Board::draw(&six(), 0, NOW);
    for chart in &board.charts {
        let entries = chart.data.split(';').count();
        assert_eq!(
            (board.steps - 1 + chart.offset) / chart.group + 1,
            entries,
            "{}",
            chart.key
        );
        let width = |unit: &str| if unit == "rate" { 3 } else { 1 };
        let fields: usize = chart
            .fields
            .split('|')
            .map(|f| width(f.split_once('=').unwrap().1))
            .sum();
        for entry in chart.data.split(';').filter(|e| !e.is_empty()) {
            assert_eq!(entry.split(',').count(), fields, "{}: {entry}", chart.key);
        }
    }
}

#[test]
fn shares_are_put_together_until_they_mean_something() {
    let steps = |per_step| vec![vec![(Source::Canary, Verdict::Complete, 100.0); per_step]; 60];
    for (per_step, group) in [(60, 1), (50, 1), (49, 2), (10, 5), (1, 5)] {
        let board = Board::draw(&past(&steps(per_step)), 0, NOW);
        assert_eq!(board.charts[3].group, group, "{per_step} a step");
    }
}

#[test]
fn the_last_step_holds_now_and_steps_are_whole() {
    for range in Range::ALL {
        let from = range.from(NOW);
        let last = from.plus(range.step() * (range.steps() - 1));
        assert!(last <= NOW && NOW < last.plus(range.step()), "{range:?}");
        assert_eq!(from.as_millis().rem_euclid(range.step().as_millis() as i64), 0);
        assert_eq!(Range::parse(range.as_str()), Some(range));
    }
    assert_eq!(Range::parse("2h"), None);
}

/// Walks along a path: every place that it comes to must lie in the box.
fn inside(d: &str, width: f64, height: f64) -> Result<(), String> {
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    let mut rest = d;
    while let Some(command) = rest.chars().next() {
        let letters = |c: char| c.is_ascii_alphabetic();
        let end = rest[1..].find(letters).map_or(rest.len(), |i| i + 1);
        let text = rest[1..end].replace('-', " -");
        let numbers: Vec<f64> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let mut stops = Vec::new();
        match command {
            'M' => stops.push((numbers[0], numbers[1])),
            'H' => stops.push((numbers[0], y)),
            'h' => stops.push((x + numbers[0], y)),
            'V' => stops.push((x, numbers[0])),
            'l' => stops.extend(numbers.chunks(2).scan((x, y), |at, two| {
                *at = (at.0 + two[0], at.1 + two[1]);
                Some(*at)
            })),
            'z' => {}
            other => return Err(format!("{other} in {d}")),
        }
        for stop in stops {
            (x, y) = stop;
            if !(-0.01..=width + 0.01).contains(&x) || !(-0.01..=height + 0.01).contains(&y) {
                return Err(format!("{x} {y} of {d}"));
            }
        }
        rest = &rest[end..];
    }
    Ok(())
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Complete),
        1 => Just(CUT),
        1 => Just(BUSY),
        1 => Just(Verdict::Refused),
        1 => Just(Verdict::Errored(Failure { class: ErrorClass::Auth, at: FailedAt::Status(401) })),
    ]
}

fn any_step() -> impl Strategy<Value = Vec<(Source, Verdict, f64)>> {
    let source = prop::sample::select(Source::ALL.to_vec());
    let length = prop_oneof![0.0..2_000.0_f64, Just(0.0), Just(1e9), Just(1e15), 0.0..0.1_f64];
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec((source, any_verdict(), length), 0..6)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_was_seen_is_drawn_inside_the_box(
        steps in prop::collection::vec(any_step(), 0..40),
        soft in prop_oneof![Just(0_u64), 1..5_000_u64, Just(u64::MAX)],
        began in -7_200_i64..7_200,
        lasted in prop::option::of(0..9_000_u64),
    ) {
        let mut past = past(&steps);
        let started = Timestamp::from_millis(NOW.as_millis() + began * 1_000);
        past.incidents = vec![incident(started, lasted.map(|s| started.plus(Duration::from_secs(s))))];
        let board = Board::draw(&past, soft, NOW);
        for chart in &board.charts {
            let (width, height) = (chart.width as f64, f64::from(chart.height) * 10.0);
            let paths = chart.shapes.iter().map(|s| &s.d).chain(chart.shades.iter().map(|(_, d)| d));
            for d in paths.chain([&chart.rules, &chart.posts]) {
                prop_assert_eq!(inside(d, width, height), Ok(()), "{}", chart.key);
            }
            for label in chart.labels.iter().chain(&chart.ticks) {
                prop_assert!((-1.0..=f64::from(chart.height) + 1.0).contains(&label.y), "{}", chart.key);
            }
            prop_assert!(!chart.data.contains("NaN") && !chart.data.contains("inf"));
            prop_assert!(!chart.summary.contains("NaN") && !chart.summary.contains("inf"));
        }
    }
}
