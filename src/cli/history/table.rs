//! A series as a table for people or as CSV.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Point, Series};
use crate::{cli::ask::cell, clock::Timestamp};

/// Stands for a gap.
const GAP: &str = "–";
/// Columns of a sparkline; longer series are drawn in as many groups.
const SPARK_WIDTH: usize = 80;
/// Heights of a sparkline.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A column: its name, and what it shows of one step of all series.
struct Column {
    name: String,
    value: Value,
}

/// How a column reads the points of one step, one a series.
type Value = Box<dyn Fn(&[&Point]) -> Option<String>>;

/// Rows for people; on a terminal a picture above them.
pub(super) fn text(series: &[Series], terminal: bool) -> String {
    let Some(first) = series.first() else {
        return String::new();
    };
    let columns = columns(series, false);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let names = columns.iter().map(|column| column.name.to_uppercase());
    table.set_header(std::iter::once("TIME (UTC)".to_owned()).chain(names));
    for steps in steps(series) {
        let cells = columns
            .iter()
            .map(|column| (column.value)(&steps).unwrap_or_else(|| GAP.to_owned()));
        table.add_row(std::iter::once(moment(steps[0].at.0, first.step_s)).chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    let spark = if terminal {
        sparkline(series)
    } else {
        String::new()
    };
    format!(
        "{}, {} to {} UTC, in steps of {}\n{spark}\n{}\n",
        first.target,
        moment(first.from.0, 60),
        moment(first.to.0, 60),
        humantime::format_duration(std::time::Duration::from_secs(first.step_s)),
        lines.join("\n")
    )
}

/// Every figure of every step; a gap is empty.
pub(super) fn csv(series: &[Series]) -> String {
    let columns = columns(series, true);
    let names: Vec<String> = columns.iter().map(|column| cell(&column.name)).collect();
    let mut text = format!("at,{}\n", names.join(","));
    for steps in steps(series) {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| cell(&(column.value)(&steps).unwrap_or_default()))
            .collect();
        let _ = writeln!(text, "{},{}", steps[0].at, cells.join(","));
    }
    text
}

/// One step of every series at a time. They come from the same question, so that their grids agree; where an hour was
/// closed between two answers, the shorter one ends the table.
fn steps(series: &[Series]) -> impl Iterator<Item = Vec<&Point>> {
    let length = series.iter().map(|series| series.points.len()).min().unwrap_or(0);
    (0..length).map(move |index| series.iter().map(|series| &series.points[index]).collect())
}

fn columns(series: &[Series], plain: bool) -> Vec<Column> {
    let mut columns = vec![Column {
        name: "attempts".to_owned(),
        value: Box::new(|steps| Some(steps[0].attempts.to_string())),
    }];
    match series {
        [one] => columns.extend(figures_of(one, plain)),
        several => columns.extend(overview(several, plain)),
    }
    columns
}

/// All figures of one metric.
fn figures_of(series: &Series, plain: bool) -> Vec<Column> {
    if series.metric == "verdicts" {
        return verdicts(series);
    }
    let names: &[&'static str] = match series.metric.as_str() {
        "counts" => &["began", "complete", "truncated", "errors", "ours"],
        "failure_rate" | "error_rate" | "truncation_rate" => &["value", "low", "high", "n"],
        "tokens" => &["input", "output", "reasoning"],
        "spend_usd" => &["value"],
        _ => &["p50", "p95", "p99", "n"],
    };
    let share = series.metric.ends_with("_rate");
    let dollars = series.metric == "spend_usd";
    names
        .iter()
        .map(|&name| Column {
            name: name.to_owned(),
            value: Box::new(move |steps| {
                let value = steps[0].number(name)?;
                Some(match name {
                    _ if plain => value.to_string(),
                    "value" if dollars => format!("${value:.4}"),
                    "value" | "low" | "high" if share => percent(value),
                    "p50" | "p95" | "p99" => format!("{value:.0} ms"),
                    _ => value.to_string(),
                })
            }),
        })
        .collect()
}

/// A column for every verdict that came.
fn verdicts(series: &Series) -> Vec<Column> {
    let name = |outcome: &serde_json::Value| {
        let family = outcome
            .get("verdict")
            .and_then(|v| v.as_str())
            .unwrap_or("unknown");
        match outcome.get("kind").and_then(|v| v.as_str()) {
            Some(kind) => format!("{family}/{kind}"),
            None => family.to_owned(),
        }
    };
    let outcomes = |point: &Point| -> Vec<serde_json::Value> {
        let all = point.figures.get("verdicts").and_then(|v| v.as_array());
        all.cloned().unwrap_or_default()
    };
    let mut names: Vec<String> = series
        .points
        .iter()
        .flat_map(|point| outcomes(point).iter().map(name).collect::<Vec<_>>())
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|wanted| Column {
            name: wanted.clone(),
            value: Box::new(move |steps| {
                let all = outcomes(steps[0]);
                let found = all.iter().find(|outcome| name(outcome) == wanted);
                let n = found.and_then(|outcome| outcome.get("n")?.as_u64());
                Some(n.unwrap_or(0).to_string())
            }),
        })
        .collect()
}

/// What matters of counts, first tokens and lengths, in this order.
fn overview(series: &[Series], plain: bool) -> Vec<Column> {
    let rate = move |of: fn(&Point) -> Option<(f64, f64)>| {
        move |steps: &[&Point]| {
            let (hits, n) = of(steps[0]).filter(|(_, n)| *n > 0.0)?;
            let value = hits / n;
            Some(if plain {
                format!("{value:.6}")
            } else {
                percent(value)
            })
        }
    };
    let mut columns = vec![
        Column {
            name: "truncated".to_owned(),
            value: Box::new(rate(|point| {
                Some((point.number("truncated")?, point.number("began")?))
            })),
        },
        Column {
            name: "errors".to_owned(),
            value: Box::new(rate(|point| {
                Some((point.number("errors")?, point.attempts as f64))
            })),
        },
    ];
    for (index, metric) in series.iter().enumerate().skip(1) {
        let label = metric.metric.trim_end_matches("_ms").to_owned();
        for quantile in ["p50", "p95"] {
            columns.push(Column {
                name: if plain {
                    format!("{label}_ms_{quantile}")
                } else {
                    format!("{label} {quantile}")
                },
                value: Box::new(move |steps| {
                    let value = steps.get(index)?.number(quantile)?;
                    Some(if plain {
                        value.to_string()
                    } else {
                        format!("{value:.0} ms")
                    })
                }),
            });
        }
    }
    columns
}

/// What a step weighs in the picture: failures of the overview, else the metric's first figure.
fn weight(series: &Series, point: &Point) -> Option<f64> {
    if point.attempts == 0 && series.metric != "spend_usd" && series.metric != "connect_ms" {
        return None;
    }
    match series.metric.as_str() {
        "counts" => {
            let failed = point.number("truncated")? + point.number("errors")?;
            Some(failed / point.attempts as f64)
        }
        "tokens" => point.number("output"),
        "verdicts" => Some(point.attempts as f64),
        _ => point.number("value").or_else(|| point.number("p95")),
    }
}

/// One line: the highest of each group of steps, from nothing to the highest of all; a gap is a blank.
fn sparkline(series: &[Series]) -> String {
    let Some(first) = series.first() else {
        return String::new();
    };
    let weights: Vec<Option<f64>> = first.points.iter().map(|point| weight(first, point)).collect();
    let group = weights.len().div_ceil(SPARK_WIDTH).max(1);
    let highest = |of: &[Option<f64>]| of.iter().flatten().copied().reduce(f64::max);
    let top = highest(&weights).unwrap_or(0.0);
    let bars: String = weights
        .chunks(group)
        .map(|chunk| match highest(chunk) {
            None => ' ',
            Some(value) if top > 0.0 => {
                let height = (value / top * (BARS.len() - 1) as f64).round() as usize;
                BARS[height.min(BARS.len() - 1)]
            }
            Some(_) => BARS[0],
        })
        .collect();
    let what = match first.metric.as_str() {
        "counts" => format!("failed, top {}", percent(top)),
        metric if metric.ends_with("_rate") => format!("{metric}, top {}", percent(top)),
        metric if metric.ends_with("_ms") => format!("{metric} p95, top {top:.0} ms"),
        metric => format!("{metric}, top {top}"),
    };
    format!("{bars}  {what}\n")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 1e2)
}

/// A time as fine as its step needs.
fn moment(at: Timestamp, step_s: u64) -> String {
    let text = at.to_rfc3339().replace('T', " ");
    let length = if step_s.is_multiple_of(86_400) { 10 } else { 16 };
    text.get(..length).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> Series {
        serde_json::from_str(text).unwrap()
    }

    fn counts() -> Series {
        series(
            r#"{"target":"a/m","metric":"counts","from":"2026-11-01T00:00:00Z","to":"2026-11-01T03:00:00Z",
            "step_s":3600,"sources":["canary"],"points":[
            {"at":"2026-11-01T00:00:00Z","attempts":10,"began":10,"errors":0,"truncated":5,"complete":5,"ours":0},
            {"at":"2026-11-01T01:00:00Z","attempts":0,"began":0,"errors":0,"truncated":0,"complete":0,"ours":0},
            {"at":"2026-11-01T02:00:00Z","attempts":8,"began":4,"errors":4,"truncated":0,"complete":4,"ours":0}]}"#,
        )
    }

    fn ttft() -> Series {
        series(
            r#"{"target":"a/m","metric":"ttft_ms","from":"2026-11-01T00:00:00Z","to":"2026-11-01T03:00:00Z",
            "step_s":3600,"sources":["canary"],"points":[
            {"at":"2026-11-01T00:00:00Z","attempts":10,"p50":400.0,"p95":903.2,"p99":1000.0,"n":5},
            {"at":"2026-11-01T01:00:00Z","attempts":0,"p50":null,"p95":null,"p99":null,"n":0},
            {"at":"2026-11-01T02:00:00Z","attempts":8,"p50":300.0,"p95":500.0,"p99":500.0,"n":4}]}"#,
        )
    }

    #[test]
    fn an_overview_shows_gaps_as_gaps() {
        let shown = text(&[counts(), ttft()], true);
        assert_eq!(
            shown,
            "a/m, 2026-11-01 00:00 to 2026-11-01 03:00 UTC, in steps of 1h\n\
             █ █  failed, top 50.00 %\n\n\
             TIME (UTC)        ATTEMPTS  TRUNCATED   ERRORS  TTFT P50  TTFT P95\n\
             2026-11-01 00:00        10    50.00 %   0.00 %    400 ms    903 ms\n\
             2026-11-01 01:00         0          –        –         –         –\n\
             2026-11-01 02:00         8     0.00 %  50.00 %    300 ms    500 ms\n"
        );
        assert!(!text(&[counts(), ttft()], false).contains('█'));
        assert_eq!(
            csv(&[counts(), ttft()]),
            "at,attempts,truncated,errors,ttft_ms_p50,ttft_ms_p95\n\
             2026-11-01T00:00:00.000Z,10,0.500000,0.000000,400,903.2\n\
             2026-11-01T01:00:00.000Z,0,,,,\n\
             2026-11-01T02:00:00.000Z,8,0.000000,0.500000,300,500\n"
        );
    }

    #[test]
    fn one_metric_has_all_its_figures() {
        assert_eq!(
            csv(&[ttft()]),
            "at,attempts,p50,p95,p99,n\n\
             2026-11-01T00:00:00.000Z,10,400,903.2,1000,5\n\
             2026-11-01T01:00:00.000Z,0,,,,0\n\
             2026-11-01T02:00:00.000Z,8,300,500,500,4\n"
        );
        let verdicts = series(
            r#"{"target":"a/m","metric":"verdicts","from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z",
            "step_s":86400,"points":[{"at":"2026-11-01T00:00:00Z","attempts":3,"verdicts":[
            {"verdict":"truncated","kind":"cut","n":1},{"verdict":"complete","kind":null,"n":2}]}]}"#,
        );
        assert_eq!(
            csv(&[verdicts]),
            "at,attempts,complete,truncated/cut\n2026-11-01T00:00:00.000Z,3,2,1\n"
        );
    }

    #[test]
    fn a_long_series_is_drawn_in_groups() {
        let mut long = counts();
        long.points = long.points.iter().cycle().take(1_000).cloned().collect();
        let line = sparkline(&[long]);
        assert!(
            line.chars().take_while(|c| *c != ' ').count() <= SPARK_WIDTH,
            "{line}"
        );
        assert!(text(&[], true).is_empty());
    }
}
