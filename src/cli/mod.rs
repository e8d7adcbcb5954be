//! The command line: arguments, one module a command, exit codes.

mod alert;
mod args;
mod ask;
mod backup;
pub mod check;
mod completions;
mod declare;
mod demo;
mod exit;
mod history;
mod init;
mod logging;
mod man;
mod mcp;
#[cfg(feature = "desktop")]
mod notify;
mod official;
mod outage;
mod probe;
mod reload;
mod report;
mod run;
mod simulate;
mod status;
mod tap;
mod token;
mod top;
mod validate;

use std::io::{self, IsTerminal, Write};

use clap::Parser;

pub use args::Cli;
use args::{CheckArgs, Command};
pub use exit::Exit;

#[cfg(test)]
use crate::feed::fixture;
use crate::{clock::Clock, config, health::DeclaredKind};

/// Text from a provider for a terminal: control characters are shown, never obeyed.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Writes data to stdout. Whoever reads it may leave early: then there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a diagnostic to stderr.
pub(crate) fn complain(text: &str) {
    let mut err = anstream::stderr().lock();
    if logging::stderr_is_journal() {
        let priority = logging::journal_prefix(text);
        for line in text.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(err, "{priority}{line}");
        }
    } else {
        let _ = writeln!(err, "{text}");
    }
}

/// Parses the command line of this process and does what it says.
pub fn main() -> Exit {
    // Whoever asks as a monitoring system reads the first line of stdout and four exit codes, mistakes included.
    let plugin = std::env::args_os().any(|argument| argument == "--nagios");
    match parsed() {
        Err((_, why)) if plugin && why.is_some() => {
            let why = why.unwrap_or_default();
            let (text, exit) = status::nagios::unknown(why.trim_start_matches("error: "));
            say(&text);
            exit
        }
        Ok(exit) | Err((exit, _)) => exit,
    }
}

/// Does what the command line says; or how to exit, and the mistake in it or in its surroundings, which stderr told.
fn parsed() -> Result<Exit, (Exit, Option<String>)> {
    let cli = Cli::try_parse().map_err(|error| {
        // Help and version come this way too, and are no mistake.
        let _ = error.print();
        if error.use_stderr() {
            (Exit::Usage, Some(error.to_string()))
        } else {
            (Exit::Ok, None)
        }
    })?;
    let told = |exit: Exit, error: String| {
        complain(&format!("error: {error}"));
        (exit, Some(error))
    };
    logging::begin(&cli).map_err(|error| told(Exit::Usage, error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| told(Exit::Failure, format!("the runtime can't be started: {error}")))?;
    let clock = Clock::system();
    let exit = runtime.block_on(dispatch(cli.command, clock));
    // A read of history that hangs on a bad disk must not keep the process.
    runtime.shutdown_background();
    Ok(exit)
}

async fn dispatch(command: Command, clock: Clock) -> Exit {
    match command {
        Command::Demo(args) => demo::run(&args, clock).await,
        Command::Run(args) => run::run(&args, clock).await,
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check_command(&args),
        Command::Probe(args) => probe::run(&args, clock).await,
        Command::Status(args) => match status::run(&args, &clock).await {
            Ok((text, exit)) => {
                say(&text);
                exit
            }
            Err(error) => {
                complain(&format!("error: {error}"));
                error.exit()
            }
        },
        Command::Top(args) => top::run(&args, &clock).await,
        Command::History(args) => told(history::run(&args, &clock).await),
        Command::Report(args) => told(report::run(&args).await),
        Command::Pause(args) => declare::period(DeclaredKind::Pause, &args, &clock).await,
        Command::Resume(args) => declare::resume(&args, &clock).await,
        Command::Maintenance(args) => declare::period(DeclaredKind::Maintenance, &args, &clock).await,
        Command::Override(args) => declare::overrule(&args, &clock).await,
        Command::Reload(args) => reload::run(&args).await,
        Command::Simulate(args) => simulate::run(&args, clock).await,
        Command::Tap(args) => tap::run(&args, clock).await,
        Command::Validate(args) => validate::run(&args),
        Command::Mcp(args) => mcp::run(&args, clock).await,
        #[cfg(feature = "desktop")]
        Command::Notify(args) => notify::run(&args, &clock).await,
        Command::Alert(args) => alert::run(&args, &clock).await,
        Command::Token(args) => token::run(&args),
        Command::Backup(args) => backup::run(&args, &clock),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Prints what a running daemon answered, or why it did not.
fn told(outcome: Result<String, ask::AskError>) -> Exit {
    match outcome {
        Ok(text) => {
            say(&text);
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("error: {error}"));
            error.exit()
        }
    }
}

fn check_command(args: &CheckArgs) -> Exit {
    let outcome = config::load(args.config.config.as_deref(), &config::Env::process());
    let mut text = Vec::new();
    let written = if args.json {
        check::write_json(outcome.as_ref(), &mut text)
    } else {
        let colour = io::stdout().is_terminal();
        match &outcome {
            Ok(loaded) => check::write_plan(loaded, colour, &mut text),
            Err(error) => check::write_error(error, colour, &mut text),
        }
    };
    // Errors of a configuration are the data that `check` is asked for.
    if written.is_ok() {
        say(&String::from_utf8_lossy(&text));
    }
    if outcome.is_ok() { Exit::Ok } else { Exit::Config }
}

/// Loads the configuration or says on stderr what is wrong with it.
pub(crate) fn load(path: Option<&std::path::Path>) -> Result<config::Loaded, Exit> {
    config::load(path, &config::Env::process()).map_err(|error| refused(&error))
}

/// Says on stderr what is wrong with a configuration.
fn refused(error: &config::ConfigError) -> Exit {
    let mut text = Vec::new();
    let _ = check::write_error(error, io::stderr().is_terminal(), &mut text);
    complain(String::from_utf8_lossy(&text).trim_end());
    Exit::Config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{9b}c é"), "a\\u{1b}[31mb\\n\\u{9b}c é");
    }
}
