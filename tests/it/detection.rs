//! The detectors against their vectors, the histogram and the intervals against theirs.

use std::path::{Path, PathBuf};

use endturn::health::{
    Machine,
    histogram::{estimate, index_of, lower_bound},
    kernel::{Detectors, Input},
    wilson::{pipeline, wilson},
};

/// A further directory of vectors of the same form.
const EXTRA_DIR: &str = "ENDTURN_DETECTION_VECTORS";
/// How far a figure may be off.
const TOLERANCE: f64 = 1e-6;

fn directories() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/detection");
    std::iter::once(own)
        .chain(std::env::var_os(EXTRA_DIR).map(PathBuf::from))
        .collect()
}

fn csv_files(directory: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "csv"))
        .filter(|path| wanted(path.file_stem().unwrap().to_str().unwrap()))
        .collect();
    found.sort();
    found
}

/// Rows of a file as vectors of fields, the header checked and dropped.
fn rows(path: &Path, header: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header), "{}", path.display());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

fn near(what: &str, got: f64, wanted: &str) {
    let wanted = number(wanted);
    assert!(
        (got - wanted).abs() <= TOLERANCE,
        "{what}: got {got}, expected {wanted}"
    );
}

fn check_steps(path: &Path) -> usize {
    let table = rows(
        path,
        "case,seq,t_ms,bad,slow,weight,confirm,s_h,s_e,s_l,f_h,f_e,alarm_h,alarm_e,alarm_l,hold_ms,state",
    );
    let mut case = String::new();
    let mut machine = Machine::new(Detectors::All);
    for row in &table {
        if row[0] != case {
            case.clone_from(&row[0]);
            machine = Machine::new(Detectors::All);
        }
        let at = format!("{} {} row {}", path.display(), row[0], row[1]);
        if !row[3].is_empty() {
            machine.observe(&Input {
                slow: Some(row[4] == "1"),
                weight: number(&row[5]),
                confirm: row[6] == "1",
                ..Input::new(row[2].parse().unwrap(), row[3] == "1")
            });
        }
        let kernel = machine.kernel();
        near(&format!("{at} s_h"), kernel.h().s(), &row[7]);
        near(&format!("{at} s_e"), kernel.e().s(), &row[8]);
        near(&format!("{at} s_l"), kernel.l().s(), &row[9]);
        near(&format!("{at} f_h"), kernel.f_h(), &row[10]);
        near(&format!("{at} f_e"), kernel.f_e(), &row[11]);
        let alarms = [kernel.h(), kernel.e(), kernel.l()].map(|d| u8::from(d.alarm()).to_string());
        assert_eq!(alarms.as_slice(), &row[12..15], "{at} alarms");
        assert_eq!(machine.hold().as_millis().to_string(), row[15], "{at} hold");
        assert_eq!(machine.state().as_str(), row[16], "{at} state");
    }
    table.len()
}

fn check_traces(events: &Path, expected: &Path) -> usize {
    let events = rows(events, "scenario,seq,t_ms,bad,slow");
    let mut scenario = String::new();
    let mut machine = Machine::new(Detectors::All);
    let mut got = Vec::new();
    for row in &events {
        if row[0] != scenario {
            scenario.clone_from(&row[0]);
            machine = Machine::new(Detectors::All);
        }
        if row[3].is_empty() {
            continue;
        }
        let before = machine.state();
        let after = machine.observe(&Input {
            slow: Some(row[4] == "1"),
            ..Input::new(row[2].parse().unwrap(), row[3] == "1")
        });
        if before != after {
            let kernel = machine.kernel();
            let sums = [kernel.h().s(), kernel.e().s(), kernel.l().s()];
            got.push((row.clone(), before, after, sums));
        }
    }
    let wanted = rows(expected, "scenario,seq,t_ms,from,to,s_h,s_e,s_l");
    for (row, before, after, sums) in &got {
        let at = format!("{} {} at {}", row[0], row[1], row[2]);
        let line = wanted
            .iter()
            .find(|line| line[..3] == row[..3])
            .unwrap_or_else(|| panic!("{at}: unexpected {before} to {after}"));
        assert_eq!(
            [before.as_str(), after.as_str()],
            [line[3].as_str(), line[4].as_str()],
            "{at}"
        );
        for (sum, text) in sums.iter().zip(&line[5..8]) {
            near(&at, *sum, text);
        }
    }
    assert_eq!(got.len(), wanted.len(), "as many transitions as expected");
    wanted.len()
}

#[test]
fn detection_vectors() {
    let (mut steps, mut transitions) = (0, 0);
    for directory in directories() {
        for path in csv_files(&directory, |name| name.contains("steps")) {
            steps += check_steps(&path);
        }
        for expected in csv_files(&directory, |name| name.ends_with("-expected")) {
            let name = expected
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .replace("-expected", "");
            transitions += check_traces(&expected.with_file_name(name), &expected);
        }
    }
    assert!(steps >= 1566, "only {steps} steps were checked");
    assert!(transitions >= 40, "only {transitions} transitions were checked");
}

#[test]
fn histogram_index_vectors() {
    for directory in directories() {
        for path in csv_files(&directory, |name| name.contains("histogram-index")) {
            for row in rows(&path, "value_ms,index,lower_exclusive,upper_inclusive,estimate") {
                let index = index_of(number(&row[0])).expect("a positive value has a bucket");
                assert_eq!(index.to_string(), row[1], "bucket of {}", row[0]);
                near("lower", lower_bound(index), &row[2]);
                near("upper", lower_bound(index + 1), &row[3]);
                near("estimate", estimate(index), &row[4]);
            }
        }
    }
}

#[test]
fn pipeline_wilson_vectors() {
    for directory in directories() {
        for path in csv_files(&directory, |name| name.contains("pipeline-wilson")) {
            for row in rows(&path, "success,total,steps,point,low95,high95") {
                let step = wilson(row[0].parse().unwrap(), row[1].parse().unwrap()).expect("trials");
                let whole = pipeline(step, row[2].parse().unwrap());
                near("point", whole.point, &row[3]);
                near("low", whole.low, &row[4]);
                near("high", whole.high, &row[5]);
            }
        }
    }
}
