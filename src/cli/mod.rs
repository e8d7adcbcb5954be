//! The command line: arguments, one module a command, exit codes.

mod args;
mod exit;
mod probe;

pub use args::Cli;
pub use exit::Exit;

/// Text from a provider for a terminal: control characters are shown, never obeyed.
pub(crate) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
