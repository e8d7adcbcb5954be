//! The keys and the signs.

use ratatui::{
    text::Text,
    widgets::{Paragraph, Wrap},
};

const HELP: &str = "\
↑ ↓ j k         another target          PgUp PgDn  a page        Home End g G
Enter           one target: figures with interval and n, phases, last failures
s               sort by state, name, TTFT, failures
f               only what is not well, or all
/               search in ids; Enter keeps the text, Esc clears it
Esc             one step back; from the bare table: quit
q Ctrl-C        quit

● operational  ◐ degraded  ◑ partial  ✕ down  ○ unknown  ⚙ maintenance

TTFT ms    first token, median / 95th percentile over complete replies
CUT        replies that ended before their end; ERRORS: failed outright
LAST HOUR  share of failed attempts: ▁ none, █ all, · nothing was tried
A feed past its time, or a lost network: nothing is known, all is ○ unknown.
Times are UTC.";

/// The whole help.
pub(super) fn text() -> Paragraph<'static> {
    Paragraph::new(Text::raw(HELP)).wrap(Wrap { trim: false })
}
