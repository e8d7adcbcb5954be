//! What every chart has: a title, an axis, shapes, labels beside them, a sentence, and its figures for the script.

use std::fmt::Write;

use super::{Backdrop, Steps, path};
use crate::health::State;

/// The look of a name that belongs to no shape.
pub(super) const NOTE: &str = "c-note";
/// Least distance of two labels beside a chart, in pixels.
const LABEL_GAP: f64 = 13.0;
/// A failure is never drawn lower than this many tenths of a pixel, or one in a thousand would vanish.
pub(super) const LEAST: i32 = 20;

/// A chart as the template places it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Chart {
    /// `ttft`, `e2e`, ..
    pub(in crate::api::page) key: &'static str,
    pub(in crate::api::page) title: &'static str,
    /// What is counted, and in which unit.
    pub(in crate::api::page) note: String,
    /// The chart in a sentence.
    pub(in crate::api::page) summary: String,
    /// Pixels.
    pub(in crate::api::page) height: u32,
    /// Units: two a step.
    pub(in crate::api::page) width: usize,
    /// Levels of the axis, as one path.
    pub(in crate::api::page) rules: String,
    /// Times of the axis, as one path.
    pub(in crate::api::page) posts: String,
    /// Incidents by worst state.
    pub(in crate::api::page) shades: Vec<(State, String)>,
    /// What is drawn, the hindmost first.
    pub(in crate::api::page) shapes: Vec<Shape>,
    /// Levels of the axis in words.
    pub(in crate::api::page) ticks: Vec<Label>,
    /// Names beside the shapes.
    pub(in crate::api::page) labels: Vec<Label>,
    /// Names with a sample, for shapes that cannot be named in their place.
    pub(in crate::api::page) keys: Vec<Key>,
    /// The same for those that can, where a narrow page has no room beside them.
    pub(in crate::api::page) spare_keys: Vec<Key>,
    /// `name=unit` of each figure of a step, for the script.
    pub(in crate::api::page) fields: &'static str,
    /// The figures: steps divided by `;`, figures by `,`. A gap is empty.
    pub(in crate::api::page) data: String,
    /// How many steps one of those entries covers.
    pub(in crate::api::page) group: usize,
    /// How many steps of the first entry lie before the axis.
    pub(in crate::api::page) offset: usize,
}

/// One path.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Shape {
    /// Its look; `chart.css` knows it.
    pub(in crate::api::page) class: &'static str,
    /// Path data.
    pub(in crate::api::page) d: String,
}

/// A word at a height.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Label {
    /// Pixels from the top, of its middle.
    pub(in crate::api::page) y: f64,
    pub(in crate::api::page) text: String,
    pub(in crate::api::page) class: &'static str,
}

/// A sample of a look with its name.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::page) struct Key {
    pub(in crate::api::page) class: &'static str,
    /// Path data of the sample, two units wide and a hundred high.
    pub(in crate::api::page) d: &'static str,
    pub(in crate::api::page) text: String,
}

/// What charts are made from.
pub(super) struct Figures<'a> {
    pub(super) steps: &'a Steps<'a>,
    pub(super) backdrop: &'a Backdrop,
}

impl Figures<'_> {
    /// A chart with nothing on it yet but times and incidents.
    pub(super) fn chart(&self, key: &'static str, title: &'static str, height: u32) -> Chart {
        let mut shades: Vec<(State, String)> = Vec::new();
        for (from, to, state) in &self.backdrop.shades {
            let place = shades
                .iter()
                .position(|(have, _)| have == state)
                .unwrap_or_else(|| {
                    shades.push((*state, String::new()));
                    shades.len() - 1
                });
            path::shade(&mut shades[place].1, *from, *to, height);
        }
        Chart {
            key,
            title,
            note: String::new(),
            summary: String::new(),
            height,
            width: (self.steps.len() * 2).max(2),
            rules: String::new(),
            posts: path::posts(self.backdrop.posts.iter().copied(), height),
            shades,
            shapes: Vec::new(),
            ticks: Vec::new(),
            labels: Vec::new(),
            keys: Vec::new(),
            spare_keys: Vec::new(),
            fields: "",
            data: String::new(),
            group: 1,
            offset: 0,
        }
    }
}

impl Chart {
    /// Draws a path; an empty one is left out.
    pub(super) fn draw(&mut self, class: &'static str, d: String) {
        if !d.is_empty() {
            self.shapes.push(Shape { class, d });
        }
    }

    /// A level of the axis, `y` in tenths from the top.
    pub(super) fn tick(&mut self, y: i32, text: String) {
        self.rules.push_str(&path::rules(std::iter::once(y), self.width));
        self.ticks.push(Label {
            y: f64::from(y) / path::TENTHS,
            text,
            class: "",
        });
    }

    /// A name beside the shapes, `y` in tenths from the top.
    pub(super) fn name(&mut self, class: &'static str, y: i32, text: impl Into<String>) {
        let text = text.into();
        if class != NOTE {
            let d = if class.ends_with("band") {
                "M0 20H2V80H0z"
            } else {
                "M0 50H2"
            };
            let text = text.clone();
            self.spare_keys.push(Key { class, d, text });
        }
        self.labels.push(Label {
            y: f64::from(y) / path::TENTHS,
            text,
            class,
        });
    }

    /// A sample with its name.
    pub(super) fn key(&mut self, class: &'static str, text: impl Into<String>) {
        self.keys.push(Key {
            class,
            d: "M1 100V0",
            text: text.into(),
        });
    }

    /// Moves the names apart, so that none covers another.
    pub(super) fn settle(mut self) -> Self {
        self.labels.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut floor = LABEL_GAP / 2.0;
        for label in &mut self.labels {
            label.y = label.y.max(floor);
            floor = label.y + LABEL_GAP;
        }
        let mut ceiling = f64::from(self.height) - LABEL_GAP / 2.0;
        for label in self.labels.iter_mut().rev() {
            label.y = label.y.min(ceiling);
            ceiling = label.y - LABEL_GAP;
        }
        self
    }
}

/// Writes the figures of the steps for the script.
pub(super) fn data<const N: usize>(steps: impl Iterator<Item = Option<[String; N]>>) -> String {
    let mut out = String::new();
    for (index, step) in steps.enumerate() {
        if index > 0 {
            out.push(';');
        }
        for (place, figure) in step.iter().flatten().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(out, "{comma}{figure}").expect("a String takes every write");
        }
    }
    out
}

/// Milliseconds for the script: a decimal below 10.
pub(super) fn brief(ms: f64) -> String {
    if ms < 9.95 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_cover_each_other() {
        let label = |y| Label {
            y,
            text: String::new(),
            class: "",
        };
        let mut chart = Chart {
            key: "k",
            title: "t",
            note: String::new(),
            summary: String::new(),
            height: 60,
            width: 2,
            rules: String::new(),
            posts: String::new(),
            shades: Vec::new(),
            shapes: Vec::new(),
            ticks: Vec::new(),
            labels: vec![label(58.0), label(0.0), label(57.0), label(58.0)],
            keys: Vec::new(),
            spare_keys: Vec::new(),
            fields: "",
            data: String::new(),
            group: 1,
            offset: 0,
        };
        chart = chart.settle();
        let ys: Vec<f64> = chart.labels.iter().map(|l| l.y).collect();
        assert_eq!(ys, [6.5, 27.5, 40.5, 53.5]);
    }

    #[test]
    fn a_gap_is_empty_in_the_data() {
        let steps = [
            Some(["1".to_owned(), "2".to_owned()]),
            None,
            Some(["3".into(), String::new()]),
        ];
        assert_eq!(data(steps.into_iter()), "1,2;;3,");
    }
}
