//! What a key means, by where we are.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// The table of targets.
    #[default]
    Table,
    /// The table, and a text to search for is being typed.
    Search,
    /// One target.
    Details,
    /// The keys.
    Help,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    /// Back to the table, or less of it hidden.
    Back,
    /// By that many rows, negative is up.
    Move(isize),
    /// By that many pages.
    Page(isize),
    Home,
    End,
    Sort,
    /// Only what is not well, or everything.
    Filter,
    Search,
    Type(char),
    Erase,
    /// The text stands as it is.
    Accept,
    Open,
    Help,
}

/// What the key means; `None`: nothing.
pub(super) fn action(mode: Mode, key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('f') => Some(Action::Page(1)),
            KeyCode::Char('b') => Some(Action::Page(-1)),
            _ => None,
        };
    }
    let moved = match key.code {
        KeyCode::Up => Action::Move(-1),
        KeyCode::Down => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Home => Action::Home,
        KeyCode::End => Action::End,
        KeyCode::Esc => Action::Back,
        other if mode == Mode::Search => return typed(other),
        other => return command(other),
    };
    Some(moved)
}

fn typed(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Enter => Some(Action::Accept),
        KeyCode::Backspace => Some(Action::Erase),
        KeyCode::Char(c) => Some(Action::Type(c)),
        _ => None,
    }
}

fn command(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Enter => Some(Action::Open),
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('k') => Some(Action::Move(-1)),
        KeyCode::Char('j') => Some(Action::Move(1)),
        KeyCode::Char('g') => Some(Action::Home),
        KeyCode::Char('G') => Some(Action::End),
        KeyCode::Char('s') => Some(Action::Sort),
        KeyCode::Char('f') => Some(Action::Filter),
        KeyCode::Char('/') => Some(Action::Search),
        KeyCode::Char('?' | 'h') => Some(Action::Help),
        _ => None,
    }
}
