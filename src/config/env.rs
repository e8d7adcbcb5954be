//! A snapshot of what the process was started with, so that loading is the same in a test.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use etcetera::BaseStrategy;

/// Environment variables and directories that loading looks at. Its values may be secrets: they never print.
#[derive(Clone, Default)]
pub struct Env {
    /// Environment variables.
    pub vars: BTreeMap<String, String>,
    /// Where `endturn.toml` is looked for first.
    pub working_dir: PathBuf,
    /// The user's configuration directory (`$XDG_CONFIG_HOME`).
    pub config_home: Option<PathBuf>,
    /// The user's state directory (`$XDG_STATE_HOME`).
    pub state_home: Option<PathBuf>,
    /// The machine's directory: `endturn.toml` and `probes/`.
    pub system_dir: PathBuf,
}

impl Env {
    /// What this process was started with. Variables that are no UTF-8 are left out.
    pub fn process() -> Self {
        let xdg = etcetera::base_strategy::Xdg::new().ok();
        Self {
            vars: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            working_dir: PathBuf::from("."),
            config_home: xdg.as_ref().map(BaseStrategy::config_dir),
            state_home: xdg.as_ref().and_then(BaseStrategy::state_dir),
            system_dir: PathBuf::from("/etc/endturn"),
        }
    }

    /// A variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    /// Where the database lives unless the file says: systemd's state directory, else the user's, else here.
    pub(super) fn store_path(&self) -> PathBuf {
        let systemd = self
            .var("STATE_DIRECTORY")
            .and_then(|dirs| dirs.split(':').next());
        match (systemd, &self.state_home) {
            (Some(dir), _) => PathBuf::from(dir).join("endturn.db"),
            (None, Some(home)) => home.join("endturn").join("endturn.db"),
            (None, None) => self.working_dir.join("endturn.db"),
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("vars", &self.vars.keys())
            .field("working_dir", &self.working_dir)
            .field("config_home", &self.config_home)
            .field("state_home", &self.state_home)
            .field("system_dir", &self.system_dir)
            .finish()
    }
}
