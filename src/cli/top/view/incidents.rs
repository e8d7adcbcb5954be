//! Open and recent incidents.

use std::time::Duration;

use ratatui::{Frame, layout::Rect, style::Style, text::Line};

use super::{
    QUIET, Theme,
    text::{clock_time, fit, shape},
};
use crate::{
    cli::{printable, status::ago, top::app::App},
    clock::Timestamp,
    feed::{Time, record::Incident},
};

/// Older incidents are told by their age instead of by the clock.
const DAY: Duration = Duration::from_secs(86_400);

/// Draws a title and as many incidents as there is room for. Who is open comes first.
pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    if area.height < 2 {
        return;
    }
    let width = usize::from(area.width);
    let open = app.incidents.iter().filter(|incident| incident.open).count();
    let mut lines = vec![
        Line::default(),
        Line::styled(format!("INCIDENTS, {open} open"), QUIET),
    ];
    for incident in app.incidents.iter().take(usize::from(area.height) - lines.len()) {
        let style = if incident.open {
            theme.state(incident.worst)
        } else {
            Style::new()
        };
        lines.push(Line::styled(fit(&line(incident, app.now), width), style));
    }
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

fn line(incident: &Incident, now: Timestamp) -> String {
    let from = clock_time(incident.started_at.0);
    let long = |end: Time| ago(end.0.since(incident.started_at.0));
    let when = match (incident.closed_at, incident.recovered_at) {
        (Some(end), _) if now.since(end.0) < DAY => {
            format!("{from} to {} ({})", clock_time(end.0), long(end))
        }
        (Some(end), _) => format!("{} ago, for {}", ago(now.since(end.0)), long(end)),
        // It is open until it has been well for a while.
        (None, Some(end)) => format!("recovered {}, after {}", clock_time(end.0), long(end)),
        (None, None) => format!("open since {from} ({})", ago(now.since(incident.started_at.0))),
    };
    let (worst, why) = (incident.worst, printable(&incident.reason.text));
    format!("{} {}  {worst}  {when}  {why}", shape(worst), incident.target)
}
