//! Findings in a configuration: every one, each with line, caret and help.

use std::{fmt, fmt::Write as _, io, ops::Range, path::PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::mask::mask;

/// Most findings that are collected from one load; what comes after them is counted as one more.
pub const MAX_FINDINGS: usize = 64;

/// Whether a finding stops the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// It starts, but somebody should know.
    Warning,
}

/// Where in which text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) span: Range<usize>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the program.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, names the thing.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    place: Option<Place>,
    /// The line may hold a secret: no string of it is shown.
    hide_line: bool,
}

impl Diagnostic {
    /// An error without a place.
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            help: None,
            place: None,
            hide_line: false,
        }
    }

    /// A warning without a place.
    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    /// Says where.
    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows no string of the line that it points to.
    pub(super) fn hiding(mut self) -> Self {
        self.hide_line = true;
        self
    }
}

/// A text that findings point into.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SourceText {
    name: String,
    text: String,
}

/// Findings under collection. Holds texts that may hold secrets, so it has no `Debug` and leaves only sealed.
#[derive(Default)]
pub(super) struct Report {
    sources: Vec<SourceText>,
    items: Vec<Diagnostic>,
    dropped: usize,
}

impl Report {
    /// Takes a text that findings will point into; gives its number.
    pub(super) fn add_source(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        self.sources.push(SourceText {
            name: name.into(),
            text: text.into(),
        });
        self.sources.len() - 1
    }

    /// Takes a finding.
    pub(super) fn push(&mut self, item: Diagnostic) {
        if self.items.len() < MAX_FINDINGS {
            self.items.push(item);
        } else if item.severity == Severity::Error {
            self.dropped += 1;
        }
    }

    /// Whether anything stops the program.
    pub(super) fn has_errors(&self) -> bool {
        self.dropped > 0 || self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// Whether a finding lies within that span.
    pub(super) fn touches(&self, place: &Place) -> bool {
        self.items.iter().filter_map(|item| item.place.as_ref()).any(|p| {
            p.source == place.source && p.span.start >= place.span.start && p.span.end <= place.span.end
        })
    }

    /// Closes the collection: findings in the order of the text, every text masked.
    pub(super) fn seal(mut self) -> Diagnostics {
        if self.dropped > 0 {
            let message = format!("{} further errors are not shown", self.dropped);
            self.items.push(Diagnostic::error(message));
        }
        self.items.sort_by_key(|item| {
            let place = item.place.as_ref().map(|place| (place.source, place.span.start));
            (item.severity, place.is_none(), place)
        });
        for (number, source) in self.sources.iter_mut().enumerate() {
            let hidden: Vec<Range<usize>> = self
                .items
                .iter()
                .filter(|item| item.hide_line)
                .filter_map(|item| item.place.as_ref())
                .filter(|place| place.source == number)
                .map(|place| place.span.clone())
                .collect();
            source.text = mask(&source.text, &hidden);
        }
        Diagnostics {
            sources: self.sources,
            items: self.items,
        }
    }
}

/// A finding and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// What was found.
    pub item: &'a Diagnostic,
    /// Where, if it lies in a file.
    pub position: Option<Position<'a>>,
}

/// A place in a file. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// The file's name as it was given.
    pub file: &'a str,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Every finding of one load, errors first, with the texts that they point into. Secrets in them are masked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    sources: Vec<SourceText>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The findings: errors first, each group in the order of the text.
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The findings with file, line and column, for programs.
    pub fn found(&self) -> impl Iterator<Item = Found<'_>> {
        self.items.iter().map(|item| {
            let position = item.place.as_ref().map(|place| {
                let source = &self.sources[place.source];
                let before = source.text.get(..place.span.start).unwrap_or_default();
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                Position {
                    file: &source.name,
                    line: before.matches('\n').count() + 1,
                    column: before[line_start..].chars().count() + 1,
                }
            });
            Found { item, position }
        })
    }

    /// One line per finding, for the log: `endturn.toml:3: unknown key ..`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.found().map(|found| match found.position {
            Some(at) => format!("{}:{}: {}", at.file, at.line, found.item.message),
            None => found.item.message.clone(),
        })
    }

    /// The findings with line, caret and help, for people; with ANSI colours if asked.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        for item in &self.items {
            let level = match item.severity {
                Severity::Error => Level::ERROR,
                Severity::Warning => Level::WARNING,
            };
            let mut group = Group::with_title(level.primary_title(item.message.as_str()));
            if let Some(place) = &item.place {
                let source = &self.sources[place.source];
                let span = place.span.start.min(source.text.len())..place.span.end.min(source.text.len());
                group = group.element(
                    Snippet::source(source.text.as_str())
                        .path(source.name.as_str())
                        .annotation(AnnotationKind::Primary.span(span)),
                );
            }
            if let Some(help) = &item.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}\n", renderer.render(&[group]));
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// Why there is no configuration. Exit code 3 in every case.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read: look at the path.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read and is wrong: look at the findings.
    #[error("{}", .0.render(false))]
    Invalid(Diagnostics),
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
