//! `endturn init`: a first configuration, from the keys in the environment.

mod text;

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Exit, complain, printable, refused, say};
use crate::{
    config::{self, Config, ConfigError, Env},
    probe::{Plan, plan::stretch},
};

pub(super) const HELP: &str = "\
Examples:
  endturn init                                     on stdout, to look at
  endturn init -o endturn.toml && endturn check    then what it would probe, how often, at what cost";

/// Whose entry is the example where no key was found, if it is known.
const FIRST: &str = "anthropic";

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The new file; an existing one is not overwritten. Else it goes to stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A first configuration.
struct First {
    /// It.
    text: String,
    /// What stands in it: what the environment has keys for.
    config: Config,
    /// Each of its providers, and the variable that its key was found in.
    found: Vec<String>,
}

/// Why the file was not written. What stood there was not touched.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    /// There is something of that name: choose another one, or move it away.
    #[error("{0} exists already and is not overwritten")]
    Exists(String),
    /// No such directory, no permission, no room.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

impl WriteError {
    fn help(&self) -> &'static str {
        match self {
            Self::Exists(_) => "choose another name, or move it away",
            Self::Write { .. } => "name a file in a directory that exists and that you may write",
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &InitArgs) -> Exit {
    let first = match First::of(&Env::process()) {
        Ok(first) => first,
        Err(error) => return refused(&error),
    };
    let output = args.output.as_deref();
    match output.map(|path| write(path, &first.text)) {
        None => say(&first.text),
        Some(Ok(())) => {}
        Some(Err(error)) => {
            complain(&format!("error: {error}\n\nhelp: {}", error.help()));
            return Exit::Failure;
        }
    }
    if io::stderr().is_terminal() {
        complain(&first.told(output));
    }
    Exit::Ok
}

impl First {
    fn of(env: &Env) -> Result<Self, ConfigError> {
        let (loaded, presets) = config::load_environment(env)?;
        let mut config = loaded.config;
        let text = if config.providers.iter().any(text::is_watched) {
            text::text(&config, &presets, false)
        } else {
            // The example is what a key would make of it.
            let mut with_key = env.clone();
            let known = config
                .providers
                .iter()
                .filter_map(|known| Some((known, text::usual_variable(known, &presets)?)));
            let first = known.min_by_key(|(known, _)| known.id.as_str() != FIRST);
            with_key
                .vars
                .extend(first.map(|(_, variable)| (variable.to_owned(), "key".to_owned())));
            let (example, presets) = config::load_environment(&with_key)?;
            text::text(&example.config, &presets, true)
        };
        config.providers.retain(text::is_watched);
        let found = config.providers.iter().map(|provider| {
            let variable = text::variable(provider, &presets).map(|name| format!(" ({name})"));
            provider.id.to_string() + &variable.unwrap_or_default()
        });
        Ok(Self {
            found: found.collect(),
            text,
            config,
        })
    }

    /// What was found, and what to do now.
    fn told(&self, output: Option<&Path>) -> String {
        let file = output.map_or("endturn.toml".to_owned(), |path| {
            printable(&path.display().to_string())
        });
        let mut config = self.config.clone();
        let cost = Plan::of(&config).usd_per_day;
        let mut told = vec![if self.found.is_empty() {
            "no key was found, so all of it is an example: set a variable that it names, and take the \"# \" off its entry"
                .to_owned()
        } else {
            format!("watched: {}; about ${cost:.2} a day", self.found.join(", "))
        }];
        let stretched = stretch(&mut config).into_iter();
        told.extend(stretched.map(|warning| format!("warning: {warning}")));
        told.push(String::new());
        let mut next = Vec::new();
        if output.is_none() {
            next.push((format!("endturn init -o {file}"), "writes it there"));
        }
        next.push((
            format!("endturn check -c {file}"),
            "every mistake, or the plan and its cost a day; sends nothing",
        ));
        next.push((
            format!("endturn run -c {file}"),
            "the daemon; its page is at http://127.0.0.1:7411/",
        ));
        let width = next
            .iter()
            .map(|(command, _)| command.len())
            .max()
            .unwrap_or_default();
        let next = next.iter();
        told.extend(next.map(|(command, does)| format!("  {command:<width$}  {does}")));
        told.join("\n")
    }
}

/// Writes a new file, whole or not at all: under an interim name, flushed to the disk and renamed. Others than its owner
/// and group can't read it, for it may come to name what is nobody else's business.
fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    let shown = || printable(&path.display().to_string());
    let exists = || WriteError::Exists(shown());
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists());
    }
    let mut interim = path.as_os_str().to_owned();
    interim.push(format!(".{}.partial", std::process::id()));
    let interim = PathBuf::from(interim);
    let failed = |source| WriteError::Write {
        path: shown(),
        source,
    };
    let mut file = create(&interim).map_err(failed)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        // A hard link fails where the name is taken by now, a rename would overwrite it.
        .and_then(|()| match fs::hard_link(&interim, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(&interim, path),
            linked => linked,
        });
    // Renamed where the file system knows no links; else what is left of it is of no use to anybody.
    let _ = fs::remove_file(&interim);
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => failed(error),
    })
}

fn create(interim: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(interim)
}

#[cfg(test)]
mod tests;
