//! The table of targets. Columns come and go with the width, the least needed ones first.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Row, Table},
};

use super::{
    QUIET, Theme,
    text::{bar, fit_id, pair, percent, shape, squeezed},
};
use crate::{
    cli::{
        status::ago,
        top::{app::App, past::BARS},
    },
    feed::v1::TargetHealth,
    health::State,
};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Target,
    State,
    Since,
    Hint,
    Ttft,
    Truncated,
    Errors,
    Attempts,
    Hour,
}

/// Blanks between columns.
const GAP: u16 = 2;
/// A screen that is narrower shows states by their shape alone.
const WITH_WORDS: u16 = 30;
/// The least width of the target's column where there is room.
const MIN_NAME: u16 = 20;

impl Column {
    /// In the order of the screen.
    const ALL: [Self; 9] = [
        Self::Target,
        Self::State,
        Self::Since,
        Self::Hint,
        Self::Ttft,
        Self::Truncated,
        Self::Errors,
        Self::Attempts,
        Self::Hour,
    ];

    /// The columns of a table that wide, and the width of the target's. Target and state stay; the others come by their
    /// weight as long as the longest id keeps the place that it needs.
    fn of(width: u16, longest_id: u16) -> (Vec<Self>, u16) {
        // Three eighths: a longer id is cut rather than take more from the other columns.
        let needed = longest_id.min(width / 8 * 3);
        let mut left = width.saturating_sub(Self::State.width(width) + GAP);
        let mut kept = vec![Self::Target, Self::State];
        for column in [
            Self::Truncated,
            Self::Ttft,
            Self::Hour,
            Self::Errors,
            Self::Hint,
            Self::Since,
            Self::Attempts,
        ] {
            let wants = column.width(width) + GAP;
            if left < wants + needed {
                break;
            }
            left -= wants;
            kept.push(column);
        }
        let shown = Self::ALL.into_iter().filter(|column| kept.contains(column));
        (shown.collect(), left.min(longest_id.max(MIN_NAME)))
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Target => "TARGET",
            Self::State => "STATE",
            Self::Since => "SINCE",
            Self::Hint => "HINT",
            Self::Ttft => "TTFT ms",
            Self::Truncated => "CUT",
            Self::Errors => "ERRORS",
            Self::Attempts => "N",
            Self::Hour => "LAST HOUR",
        }
    }

    /// Columns of the screen; the target takes what is left.
    const fn width(self, whole: u16) -> u16 {
        match self {
            Self::Target => 0,
            Self::State if whole < WITH_WORDS => 1,
            Self::State => 13,
            Self::Since | Self::Errors | Self::Truncated => 7,
            Self::Hint | Self::Ttft => 10,
            Self::Attempts => 5,
            Self::Hour if whole >= 120 => BARS as u16,
            Self::Hour => BARS as u16 / 2,
        }
    }
}

/// Draws the table, scrolled to the selected row.
pub(super) fn draw(app: &mut App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    app.page = usize::from(area.height.saturating_sub(1)).max(1);
    let ids = app
        .health
        .targets
        .iter()
        .map(|target| target.id.to_string().len());
    let longest = u16::try_from(ids.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let (columns, name) = Column::of(area.width, longest);
    let selected = app.selected_row();
    let rows: Vec<Row<'_>> = app
        .rows()
        .into_iter()
        .map(|target| row(app, theme, target, &columns, area.width, name))
        .collect();
    if rows.is_empty() {
        frame.render_widget(
            Line::styled("no target is left by search and filter", QUIET),
            area,
        );
        return;
    }
    let titles = columns.iter().map(|column| Cell::from(column.title()));
    let widths = columns.iter().map(|column| match column {
        Column::Target => Constraint::Length(name),
        column => Constraint::Length(column.width(area.width)),
    });
    let table = Table::new(rows, widths)
        .header(Row::new(titles).style(QUIET))
        .column_spacing(GAP)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    app.table.select(selected);
    frame.render_stateful_widget(table, area, &mut app.table);
}

fn row<'a>(
    app: &App,
    theme: Theme,
    target: &TargetHealth,
    columns: &[Column],
    whole: u16,
    name: u16,
) -> Row<'a> {
    let state = app.state(target);
    let known = app.dark().is_none();
    let figure = |text: String| Cell::from(if known { text } else { "–".to_owned() });
    let cells = columns.iter().map(|column| match column {
        Column::Target => Cell::from(fit_id(&target.id.to_string(), usize::from(name))),
        Column::State => Cell::from(Span::styled(
            format!("{} {state}", shape(state)),
            theme.state(state),
        )),
        Column::Since => figure(ago(app.now.since(target.since.0))),
        Column::Hint => figure(target.routing.hint.as_str().to_owned()),
        Column::Ttft => figure(pair(target.ttft_ms.p50, target.ttft_ms.p95)),
        Column::Truncated => figure(percent(&target.truncation_rate)),
        Column::Errors => figure(percent(&target.error_rate)),
        Column::Attempts => figure(target.attempts.to_string()),
        Column::Hour => Cell::from(hour(app, theme, target, usize::from(column.width(whole)))),
    });
    let style = if state == State::Unknown {
        QUIET
    } else {
        Style::new()
    };
    Row::new(cells.collect::<Vec<_>>()).style(style)
}

/// The failures of the last hour; empty until history has answered.
pub(super) fn hour(app: &App, theme: Theme, target: &TargetHealth, columns: usize) -> Line<'static> {
    let bars = app.hours.get(&target.id).map_or(&[][..], Vec::as_slice);
    let spans = squeezed(bars, columns).into_iter().map(|part| {
        let style = if part.failed > 0 { theme.bad() } else { QUIET };
        Span::styled(bar(part).to_string(), style)
    });
    spans.collect()
}
