//! Where log lines go: to stderr as text or JSON, or with all their fields into systemd's journal.

use std::{
    fs::File,
    io::{self, IsTerminal},
    os::{fd::AsFd, unix::fs::MetadataExt},
    sync::OnceLock,
};

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use super::{
    Cli,
    args::{Command, LogFormat},
};

/// The name in the journal, whatever the file is called that was started.
const IDENTIFIER: &str = "endturn";

/// Begins to log, as the command line asks.
pub(super) fn begin(cli: &Cli) -> Result<(), String> {
    let log = match cli.command {
        // A line in the middle of its screen helps nobody.
        Command::Top(_) if io::stderr().is_terminal() => "off",
        // It says on stdout what the daemon would log, outages as warnings.
        Command::Demo(_) => cli.log.as_deref().unwrap_or("error"),
        // Whoever started it shows its stderr, or keeps it as errors.
        Command::Mcp(_) => cli.log.as_deref().unwrap_or("warn"),
        _ => cli.log.as_deref().unwrap_or("info"),
    };
    let filter = match log.parse::<tracing::Level>() {
        // Our own words at the level asked for, those of libraries only when something is wrong.
        Ok(level) => format!("warn,endturn={level}"),
        Err(_) => log.to_owned(),
    };
    let filter: Targets = filter
        .parse()
        .map_err(|error| format!("--log {log:?}: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match cli.log_format {
        LogFormat::Json => registry.with(lines.json()).init(),
        LogFormat::Text => match journal() {
            Some(journal) => registry.with(journal).init(),
            None => registry.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        },
    }
    Ok(())
}

/// The journal, where our stderr leads there anyway: there a line keeps its fields (`journalctl TARGET_ID=..`) and its
/// priority. One that does not answer gets lines of text.
fn journal() -> Option<tracing_journald::Layer> {
    if !stderr_is_journal() {
        return None;
    }
    let layer = tracing_journald::layer().ok()?;
    Some(
        layer
            .with_field_prefix(None)
            .with_syslog_identifier(IDENTIFIER.to_owned())
            .with_priority_mappings(PriorityMappings {
                error: Priority::Error,
                warn: Priority::Warning,
                info: Priority::Informational,
                debug: Priority::Debug,
                trace: Priority::Debug,
            }),
    )
}

/// Whether what is written to stderr ends up in systemd's journal.
pub(super) fn stderr_is_journal() -> bool {
    static IS_JOURNAL: OnceLock<bool> = OnceLock::new();
    *IS_JOURNAL.get_or_init(|| {
        let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
        let Ok(stderr) = stderr.and_then(|file| file.metadata()) else {
            return false;
        };
        let stream = std::env::var("JOURNAL_STREAM").ok();
        is_stream(stream.as_deref(), stderr.dev(), stderr.ino())
    })
}

/// `JOURNAL_STREAM` is `DEVICE:INODE` of what systemd connected to the journal (systemd.exec(5)). It is handed down to
/// children too, whose stderr may lead elsewhere: so the numbers have to be those of ours.
fn is_stream(stream: Option<&str>, device: u64, inode: u64) -> bool {
    let Some((theirs, its)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    (theirs.parse(), its.parse()) == (Ok(device), Ok(inode))
}

/// Priority of a diagnostic on stderr as the journal reads it from the head of a line (sd-daemon(3)).
pub(super) fn journal_prefix(text: &str) -> &'static str {
    if text.starts_with("error") { "<3>" } else { "<5>" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stderr_that_leads_there_is_the_journals() {
        for (stream, expected) in [
            (None, false),
            (Some(""), false),
            (Some("8:1234"), true),
            (Some("8:1235"), false),
            (Some("9:1234"), false),
            (Some("8"), false),
            (Some("8:1234:5"), false),
            (Some("-8:1234"), false),
            (Some("8: 1234"), false),
        ] {
            assert_eq!(is_stream(stream, 8, 1234), expected, "{stream:?}");
        }
    }

    #[test]
    fn a_mistake_is_an_error_in_the_journal_too() {
        assert_eq!(journal_prefix("error: no such file"), "<3>");
        assert_eq!(journal_prefix("following http://127.0.0.1:7411"), "<5>");
    }
}
