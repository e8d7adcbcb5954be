//! Shapes as SVG path data. A step is two units wide, its middle the odd one; heights are tenths of a pixel counted
//! from the top. Everything is a whole number and most of it relative, so that hundreds of steps stay small.
//!
//! A gap is never bridged: each run of steps with a figure is a path of its own, and a run of one is a dot.

use std::fmt::Write;

/// Tenths of a pixel.
pub(super) const TENTHS: f64 = 10.0;

/// Pixels in the unit of heights.
pub(super) fn tall(pixels: u32) -> i32 {
    i32::try_from(pixels * TENTHS as u32).unwrap_or(i32::MAX)
}

/// From a share of the height, 0 to 1, to the distance from the top.
pub(super) fn down(share: f64, height: u32) -> i32 {
    let full = f64::from(height) * TENTHS;
    let share = if share.is_nan() {
        0.0
    } else {
        share.clamp(0.0, 1.0)
    };
    ((1.0 - share) * full).round() as i32
}

fn middle(step: usize) -> usize {
    step * 2 + 1
}

/// Writing to a String does not fail.
fn put(path: &mut String, text: std::fmt::Arguments<'_>) {
    path.write_fmt(text).expect("a String takes every write");
}

/// A pair of relative numbers after what is already there: `-` separates as well as a space.
fn pair(path: &mut String, x: i64, y: i32) {
    if path.ends_with(|c: char| c.is_ascii_digit()) && x >= 0 {
        path.push(' ');
    }
    let space = if y < 0 { "" } else { " " };
    put(path, format_args!("{x}{space}{y}"));
}

/// Runs of steps that have a figure.
fn runs<T: Copy>(points: &[Option<T>]) -> impl Iterator<Item = (usize, Vec<T>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += points[at..].iter().position(Option::is_some)?;
        let run: Vec<T> = points[at..].iter().map_while(|p| *p).collect();
        let first = at;
        at += run.len();
        Some((first, run))
    })
}

/// Dots where a line through the middles of steps has none: at steps without neighbours.
pub(super) fn dots(heights: &[Option<i32>]) -> String {
    let mut path = String::new();
    for (step, run) in runs(heights).filter(|(_, run)| run.len() == 1) {
        put(&mut path, format_args!("M{} {}h0", middle(step), run[0]));
    }
    path
}

/// A line through the middles of steps; what has no neighbour is left to [`dots`].
pub(super) fn line(heights: &[Option<i32>]) -> String {
    let mut path = String::new();
    for (first, run) in runs(heights).filter(|(_, run)| run.len() > 1) {
        put(&mut path, format_args!("M{} {}l", middle(first), run[0]));
        for two in run.windows(2) {
            pair(&mut path, 2, two[1] - two[0]);
        }
    }
    path
}

/// The area between an upper and a lower line, where both are known. A lone step is filled in its whole width.
pub(super) fn band(heights: &[Option<(i32, i32)>]) -> String {
    let mut path = String::new();
    for (first, run) in runs(heights) {
        let (top, bottom) = run[0];
        if run.len() == 1 {
            put(&mut path, format_args!("M{} {top}h2V{bottom}h-2z", first * 2));
            continue;
        }
        put(&mut path, format_args!("M{} {top}l", middle(first)));
        for two in run.windows(2) {
            pair(&mut path, 2, two[1].0 - two[0].0);
        }
        let last = run[run.len() - 1];
        put(&mut path, format_args!("V{}l", last.1));
        for two in run.windows(2).rev() {
            pair(&mut path, -2, two[0].1 - two[1].1);
        }
        path.push('z');
    }
    path
}

/// Upright strokes in the middle of steps: from `foot` up to `head`, both from the top. Empty ones are left out.
pub(super) fn bars(strokes: impl Iterator<Item = (usize, i32, i32)>) -> String {
    let mut path = String::new();
    for (step, foot, head) in strokes.filter(|(_, foot, head)| head < foot) {
        put(&mut path, format_args!("M{} {foot}V{head}", middle(step)));
    }
    path
}

/// A level over several steps, from the beginning of `first` to the end of `last`.
pub(super) fn level(path: &mut String, (first, last): (usize, usize), y: i32) {
    put(path, format_args!("M{} {y}H{}", first * 2, last * 2 + 2));
}

/// A box over several steps.
pub(super) fn block(path: &mut String, (first, last): (usize, usize), top: i32, bottom: i32) {
    put(
        path,
        format_args!("M{} {top}H{}V{bottom}H{}z", first * 2, last * 2 + 2, first * 2),
    );
}

/// A box between two places on the axis, for what doesn't begin with a step.
pub(super) fn shade(path: &mut String, from: f64, to: f64, height: u32) {
    put(
        path,
        format_args!("M{from:.1} 0H{to:.1}V{}H{from:.1}z", height * 10),
    );
}

/// Levels across the whole width.
pub(super) fn rules(heights: impl Iterator<Item = i32>, width: usize) -> String {
    heights.fold(String::new(), |mut path, y| {
        put(&mut path, format_args!("M0 {y}H{width}"));
        path
    })
}

/// Upright lines over the whole height.
pub(super) fn posts(places: impl Iterator<Item = f64>, height: u32) -> String {
    places.fold(String::new(), |mut path, x| {
        put(&mut path, format_args!("M{x:.1} 0V{}", height * 10));
        path
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_is_a_gap_and_a_lone_point_a_dot() {
        for (heights, path, lone) in [
            (vec![], "", ""),
            (vec![None, None], "", ""),
            (vec![Some(5)], "", "M1 5h0"),
            (vec![Some(5), Some(9), Some(9), Some(2)], "M1 5l2 4 2 0 2-7", ""),
            (vec![Some(5), None, Some(7), Some(6)], "M5 7l2-1", "M1 5h0"),
        ] {
            assert_eq!((line(&heights).as_str(), dots(&heights).as_str()), (path, lone));
        }
        assert_eq!(band(&[None, Some((3, 8)), None]), "M2 3h2V8h-2z");
        assert_eq!(band(&[Some((3, 8)), Some((1, 9)), None]), "M1 3l2-2V9l-2-1z");
    }

    #[test]
    fn bars_without_a_height_are_left_out() {
        assert_eq!(
            bars([(0, 100, 40), (1, 100, 100), (3, 40, 10)].into_iter()),
            "M1 100V40M7 40V10"
        );
    }

    /// The commands of a path with their numbers.
    fn commands(path: &str) -> Vec<(char, Vec<f64>)> {
        let mut all: Vec<(char, String)> = Vec::new();
        for c in path.chars() {
            match (c, all.last_mut()) {
                ('a'..='z' | 'A'..='Z', _) => all.push((c, String::new())),
                ('-', Some((_, text))) => text.push_str(" -"),
                (_, Some((_, text))) => text.push(c),
                (_, None) => unreachable!("a path begins with a command"),
            }
        }
        let numbers = |text: String| text.split_whitespace().map(|n| n.parse().unwrap()).collect();
        all.into_iter().map(|(c, text)| (c, numbers(text))).collect()
    }

    /// The points that a line passes, by run.
    fn passed(path: &str) -> Vec<Vec<(f64, f64)>> {
        let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
        for (command, numbers) in commands(path) {
            if command == 'M' {
                runs.push(vec![(numbers[0], numbers[1])]);
            } else if command == 'l' {
                for two in numbers.chunks(2) {
                    let (x, y) = *runs.last().unwrap().last().unwrap();
                    runs.last_mut().unwrap().push((x + two[0], y + two[1]));
                }
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn a_line_passes_every_figure_and_no_gap(
            heights in prop::collection::vec(prop::option::of(0..1_400_i32), 0..80),
        ) {
            let runs = passed(&(line(&heights) + &dots(&heights)));
            let mut points: Vec<(f64, f64)> = runs.iter().flatten().copied().collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let expected: Vec<(f64, f64)> = heights
                .iter()
                .enumerate()
                .filter_map(|(i, y)| Some(((2 * i + 1) as f64, f64::from((*y)?))))
                .collect();
            prop_assert_eq!(points, expected);
            for run in runs {
                for two in run.windows(2) {
                    prop_assert!((two[1].0 - two[0].0 - 2.0).abs() < 1e-9, "over a gap");
                }
            }
        }

        #[test]
        fn any_share_stays_in_the_box(share in any::<f64>(), height in 1..400_u32) {
            let y = down(share, height);
            prop_assert!((0..=tall(height)).contains(&y));
        }
    }
}
