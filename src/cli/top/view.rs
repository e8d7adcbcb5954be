//! Draws the state. Whatever does not fit is left out by its weight, never wrapped over something else.

mod details;
mod help;
mod incidents;
mod table;
mod text;

use std::fmt::Write as _;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use self::text::{clock_time, fit, shape};
use super::{app::App, keys::Mode};
use crate::{
    cli::{printable, status::ago},
    health::State,
};

/// Below this height the incidents are left out, and below that the reason too.
const WITH_INCIDENTS: u16 = 14;
const WITH_REASON: u16 = 8;

/// What stands beside the matter.
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
/// What catches the eye without colour.
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// Colours beside shapes and words.
    pub(super) colour: bool,
}

impl Theme {
    /// `NO_COLOR`, when it holds anything, wants none.
    pub(super) fn of_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !unwanted }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    /// Colour only for what is not normal.
    fn state(self, state: State) -> Style {
        match state {
            State::Operational => Style::new(),
            State::Degraded => self.coloured(Color::Yellow),
            State::Partial => self.coloured(Color::LightRed),
            State::Down => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            State::Unknown => QUIET,
            State::Maintenance => self.coloured(Color::Blue),
        }
    }

    fn bad(self) -> Style {
        self.coloured(Color::Red)
    }
}

/// Draws everything.
pub(super) fn draw(app: &mut App, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let [top, sentence, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title(app, top.width), top);
    frame.render_widget(said(app, theme, sentence.width), sentence);
    match app.mode {
        Mode::Help => frame.render_widget(help::text(), body),
        Mode::Details => details::draw(app, theme, frame, body),
        Mode::Table | Mode::Search => overview(app, theme, frame, body),
    }
    frame.render_widget(keys(app, foot.width), foot);
}

fn overview(app: &mut App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let reason = if area.height < WITH_REASON { 0 } else { 3 };
    // A third is for incidents where there are any, and what the table does not need.
    let incidents = if area.height < WITH_INCIDENTS || app.incidents.is_empty() {
        0
    } else {
        u16::try_from(app.incidents.len() + 2)
            .unwrap_or(u16::MAX)
            .min(area.height / 3)
    };
    let rows = u16::try_from(app.rows().len().max(1) + 1).unwrap_or(u16::MAX);
    let [targets, why, past] = Layout::vertical([
        Constraint::Length(rows.min(area.height.saturating_sub(reason + incidents))),
        Constraint::Length(reason),
        Constraint::Fill(1),
    ])
    .areas(area);
    table::draw(app, theme, frame, targets);
    if let Some(text) = reason_of_selected(app) {
        let why_text = Rect {
            y: why.y.saturating_add(1),
            height: why.height.saturating_sub(1),
            ..why
        };
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), why_text);
    }
    if incidents > 0 {
        incidents::draw(app, theme, frame, past);
    }
}

/// Which feed this is and how old: vantage, network, revision, age, address.
fn title(app: &App, width: u16) -> Line<'static> {
    let head = &app.health.head;
    let mut parts = vec![
        format!("vantage {}", printable(&head.vantage)),
        format!("network {}", head.network.as_str()),
        format!("revision {}", head.revision),
        format!("{} old", ago(app.now.since(head.generated_at.0))),
    ];
    if let Some(detail) = &head.store.detail {
        parts.push(format!("store: {}", printable(detail)));
    }
    parts.push(printable(app.url()));
    let name = "endturn  ";
    let rest = fit(&parts.join(" · "), usize::from(width).saturating_sub(name.len()));
    Line::from(vec![Span::styled(name, HEAD), Span::styled(rest, QUIET)])
}

/// One sentence: what is wrong with our sight, or what is wrong with the targets, or that all is well.
fn said(app: &App, theme: Theme, width: u16) -> Line<'static> {
    let alarm = theme.bad().add_modifier(Modifier::BOLD);
    let fitted = |text: &str, style: Style| Line::styled(fit(text, usize::from(width)), style);
    if let Some(lost) = &app.lost {
        let next = ago(lost.next.since(app.now));
        let unknown = if app.dark().is_some() {
            "nothing is known"
        } else {
            "as of then"
        };
        let since = clock_time(lost.since);
        let why = printable(&lost.why);
        return fitted(
            &format!("connection lost since {since} UTC, {unknown}; next attempt in {next} ({why})"),
            alarm,
        );
    }
    if let Some(why) = app.dark() {
        return fitted(&format!("{why}: nothing is known"), alarm);
    }
    let targets = &app.health.targets;
    let total = targets.len();
    let impaired: Vec<_> = targets
        .iter()
        .filter(|target| target.state.is_impaired())
        .collect();
    let unknown = targets
        .iter()
        .filter(|target| target.state == State::Unknown)
        .count();
    if !impaired.is_empty() {
        let names: Vec<String> = impaired.iter().map(|target| target.id.to_string()).collect();
        let text = format!(
            "{} of {total} targets impaired: {}",
            impaired.len(),
            names.join(", ")
        );
        return fitted(&text, HEAD);
    }
    if unknown > 0 {
        return fitted(
            &format!("{unknown} of {total} targets unknown, none impaired"),
            HEAD,
        );
    }
    let text = match total {
        0 => "no targets".to_owned(),
        1 => "the one target finishes its replies".to_owned(),
        n => format!("all {n} targets finish their replies"),
    };
    fitted(&text, Style::new())
}

fn reason_of_selected(app: &App) -> Option<String> {
    let target = app.selection()?;
    let state = app.state(target);
    let why = match app.dark() {
        Some(dark) => dark.to_owned(),
        None => printable(&target.reason.text),
    };
    let sources = match target.reason.sources.join(", ") {
        sources if sources.is_empty() || app.dark().is_some() => String::new(),
        sources => format!(" ({})", printable(&sources)),
    };
    let since = match app.dark() {
        Some(_) => String::new(),
        None => format!(" for {}", ago(app.now.since(target.since.0))),
    };
    Some(format!("{} {state}{since}: {why}{sources}", shape(state)))
}

/// The keys that matter here, or the text that is searched for.
fn keys(app: &App, width: u16) -> Line<'static> {
    let width = usize::from(width);
    if app.mode == Mode::Search {
        return Line::from(fit(&format!("/{}_", printable(&app.search)), width));
    }
    let text = match app.mode {
        Mode::Details => "q quit  ? help  Esc back  ↑↓ other target".to_owned(),
        Mode::Help => "q quit  Esc back".to_owned(),
        Mode::Table | Mode::Search => {
            let shown = if app.unwell_only { "all" } else { "only not well" };
            let mut text = format!(
                "q quit  ? help  Enter details  s sort: {}  f {shown}  / ",
                app.sort.as_str()
            );
            if app.search.is_empty() {
                text.push_str("search");
            } else {
                let _ = write!(text, "search: {}  Esc clears", printable(&app.search));
            }
            text
        }
    };
    Line::styled(fit(&text, width), QUIET)
}

#[cfg(test)]
mod tests;
