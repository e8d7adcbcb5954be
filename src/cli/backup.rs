//! `endturn backup`: a consistent copy of the database, while the daemon runs.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytesize::ByteSize;
use clap::Args;

use super::{Exit, args::ConfigArg, complain, load, say};
use crate::{
    clock::Clock,
    store::{self, BackupError, interim_name},
};

/// How often progress is told on a terminal.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file; an existing one is not overwritten.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The database, where the configuration is not to be asked for it.
    #[arg(long, value_name = "DATABASE", conflicts_with = "config")]
    pub db: Option<PathBuf>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// What was made as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &BackupArgs, clock: &Clock) -> Exit {
    let database = match &args.db {
        Some(path) => path.clone(),
        None => match load(args.config.config.as_deref()) {
            Ok(loaded) => loaded.config.store.path,
            Err(exit) => {
                complain("help: to back up without a configuration, name the database with --db");
                return exit;
            }
        },
    };
    let progress = io::stderr()
        .is_terminal()
        .then(|| Progress::start(&database, &args.file));
    let made = store::backup(&database, &args.file, clock.wall());
    drop(progress);
    match made {
        Ok(backup) if args.json => {
            let made = serde_json::json!({
                "database": database,
                "file": backup.path,
                "bytes": backup.bytes,
            });
            say(&format!("{made}\n"));
            Exit::Ok
        }
        Ok(backup) => {
            let size = ByteSize(backup.bytes).display().iec();
            let path = backup.path.display();
            say(&format!(
                "{path}: {size}, a checked copy of {}\n",
                database.display()
            ));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("error: {error}{}", help(&error)));
            Exit::Failure
        }
    }
}

fn help(error: &BackupError) -> &'static str {
    match error {
        BackupError::Exists(_) => "\n\nhelp: choose another name, or move it away",
        BackupError::UnderWay(_) => "\n\nhelp: wait for it; if none is being made, delete that file",
        BackupError::Source(_) => {
            "\n\nhelp: the database is `store.path` of the configuration, or what --db names"
        }
        BackupError::Write { .. } => {
            "\n\nhelp: it needs a directory that you may write and room for the whole database"
        }
        BackupError::Damaged(_) => {
            "\n\nhelp: restart the daemon; it sets a damaged file aside and tells where"
        }
    }
}

/// Tells on stderr how far the copy is.
struct Progress {
    end: Option<mpsc::Sender<()>>,
    teller: Option<thread::JoinHandle<()>>,
}

impl Progress {
    fn start(database: &Path, to: &Path) -> Self {
        let (interim, whole) = (interim_name(to), length(database));
        let (end, ended) = mpsc::channel();
        let teller = thread::spawn(move || {
            while ended.recv_timeout(TELL_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let show = |bytes| ByteSize(bytes).display().iec();
                // The copy leaves out free pages, so the end may come earlier.
                let line = format!("\r{} of at most {}", show(length(&interim)), show(whole));
                let mut err = io::stderr().lock();
                let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
            }
            let _ = io::stderr().write_all(b"\r\x1b[K");
        });
        Self {
            end: Some(end),
            teller: Some(teller),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end = None;
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}
