//! From the command line and the environment to a [`Config`] or every reason why there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml::Spanned;

use super::{
    Config, ConfigError, Diagnostics, Env,
    credential::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS},
    error::{Diagnostic, Report},
    file::{FileConfig, ProviderFile},
    parse::parse,
    preset::{CloudKind, DatedPrice, Preset, Presets, StatusPage},
    resolve::{Defaults, Resolver},
};
use crate::id::{ProviderId, TargetId};

/// Name of the file in every directory that is searched.
const FILE_NAME: &str = "endturn.toml";
/// Largest configuration file in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// Where somebody says what the environment can't.
const A_CONFIGURATION: &str = "a configuration (`endturn init` writes one)";

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// No file was found: the keys in the environment.
    Environment,
}

/// What is good to know beside the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A target's price is the preset's, as of that day.
    Price(TargetId, DatedPrice),
    /// A provider tells its own health there.
    Status(ProviderId, StatusPage),
    /// Groups of facts in a provider's preset that nobody has seen for sure.
    Unverified(ProviderId, Vec<&'static str>),
}

/// A configuration that can be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// What somebody should know though it starts.
    pub warnings: Diagnostics,
    /// Where it came from.
    pub origin: Origin,
    /// Where prices come from, and the vendors' own status pages.
    pub notes: Vec<Note>,
}

/// Reads the configuration: `path`, else `$ENDTURN_CONFIG`, `./endturn.toml`, the user's and the machine's directory;
/// without any file, every preset whose key is in the environment.
///
/// # Errors
/// A named file cannot be read, or the configuration is wrong; then with every finding.
pub fn load(path: Option<&Path>, env: &Env) -> Result<Loaded, ConfigError> {
    match find(path, env) {
        Some(path) => {
            let text = read(&path)?;
            let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
            resolve(Origin::File(path), Some(&text), &dir, env).map(|(loaded, _)| loaded)
        }
        None => load_environment(env).map(|(loaded, _)| loaded),
    }
}

/// What a start without any file takes, whatever files there are; and the presets that it was filled in from.
///
/// # Errors
/// A key in the environment can be none, or an overriding preset is wrong; then with every finding.
pub fn load_environment(env: &Env) -> Result<(Loaded, Presets), ConfigError> {
    resolve(Origin::Environment, None, &env.working_dir, env)
}

/// Reads a configuration that somebody holds in memory, told as `name` in errors.
///
/// # Errors
/// The configuration is wrong; then with every finding.
pub fn load_text(name: &str, text: &str, env: &Env) -> Result<Loaded, ConfigError> {
    resolve(Origin::File(name.into()), Some(text), &env.working_dir, env).map(|(loaded, _)| loaded)
}

fn resolve(
    origin: Origin,
    text: Option<&str>,
    dir: &Path,
    env: &Env,
) -> Result<(Loaded, Presets), ConfigError> {
    let mut report = Report::default();
    let overrides = env.system_dir.join("probes");
    let presets = Presets::load(Some(&overrides), &mut report);
    let (file, source) = match (&origin, text) {
        (Origin::File(path), Some(text)) => {
            let source = report.add_source(path.display().to_string(), text);
            let file = parse::<FileConfig>(text, source, &mut report);
            (file, Some(source))
        }
        _ => (from_environment(&presets, env, &mut report), None),
    };
    let mut resolver = Resolver {
        env,
        presets: &presets,
        defaults: Defaults::embedded(&mut report),
        source,
        dir,
        report: &mut report,
        notes: Vec::new(),
        vias: Vec::new(),
        pages: Vec::new(),
    };
    let config = resolver.config(file);
    let notes = resolver.notes;
    let failed = report.has_errors();
    let findings = report.seal();
    if failed {
        return Err(ConfigError::Invalid(findings));
    }
    let loaded = Loaded {
        config,
        warnings: findings,
        origin,
        notes,
    };
    Ok((loaded, presets))
}

/// The file that counts: a named one whether it exists or not, else the first that exists.
fn find(path: Option<&Path>, env: &Env) -> Option<PathBuf> {
    let named = path
        .map(Path::to_owned)
        .or_else(|| env.var("ENDTURN_CONFIG").map(PathBuf::from));
    if named.is_some() {
        return named;
    }
    let user = env.config_home.as_ref().map(|home| home.join("endturn"));
    [Some(env.working_dir.clone()), user, Some(env.system_dir.clone())]
        .into_iter()
        .flatten()
        .map(|dir| dir.join(FILE_NAME))
        .find(|path| path.exists())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let error = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(error)?.len();
    if bytes > MAX_FILE_BYTES {
        let why = format!("{bytes} bytes, at most {MAX_FILE_BYTES} are read");
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, why)));
    }
    fs::read_to_string(path).map_err(error)
}

/// One entry per hosted preset, the first of those that share an edge: those whose own key is set, and to be reached
/// without a key those that have one address for everybody. Servers of one's own are nobody's guess, and the general
/// credentials of a cloud are no wish to spend money on its models. What is set and starts nothing is told.
fn from_environment(presets: &Presets, env: &Env, report: &mut Report) -> FileConfig {
    let mut edges = Vec::new();
    let mut file = FileConfig::default();
    for preset in presets
        .iter()
        .filter(|preset| preset.default_model.is_some() && !preset.free)
    {
        let has_key = key_variable(preset, env).is_some();
        let address = &preset.address;
        let wanted = address.is_fixed() || (has_key && address.is_known(env));
        if wanted && !edges.contains(&address) {
            edges.push(address);
            let entry = ProviderFile {
                id: Some(Spanned::new(0..0, preset.name.clone())),
                ..ProviderFile::default()
            };
            file.provider.push(Spanned::new(0..0, entry));
        }
    }
    tell_idle(presets, &file, env, report);
    file
}

/// The variable of the preset's key, if it is set.
fn key_variable<'a>(preset: &'a Preset, env: &Env) -> Option<&'a str> {
    preset.key_env.as_deref().filter(|name| env.var(name).is_some())
}

/// Warns of credentials that are set and start nothing, so that nobody looks for the mistake in the key. Those of a
/// cloud are told of only where nothing else is generated: most who have them never meant them for us.
fn tell_idle(presets: &Presets, file: &FileConfig, env: &Env, report: &mut Report) {
    let entries = file
        .provider
        .iter()
        .filter_map(|entry| entry.get_ref().id.as_ref());
    let started = entries.filter_map(|id| presets.get(id.get_ref()));
    let mut told: Vec<&str> = started.filter_map(|preset| key_variable(preset, env)).collect();
    let generates = !told.is_empty();
    for preset in presets.iter() {
        let key = key_variable(preset, env);
        let (first, message, help) = match (key, &preset.auth.cloud) {
            (Some(variable), _) => {
                let (what, help) = missing(preset, env);
                (variable, format!("{variable} is set, but {what}"), help)
            }
            (None, Some(kind)) if !generates => {
                let names: &[&str] = match kind {
                    CloudKind::Aws { .. } => &[AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY],
                    CloudKind::Google => &[GOOGLE_APPLICATION_CREDENTIALS],
                };
                if names.iter().any(|name| env.var(name).is_none()) {
                    continue;
                }
                let are = if names.len() > 1 { "are" } else { "is" };
                let set = names.join(" and ");
                let message =
                    format!("{set} {are} set, but a cloud's general credentials start nothing by themselves");
                let help = format!("name {} in {A_CONFIGURATION}", preset.name);
                (names[0], message, help)
            }
            _ => continue,
        };
        if !told.contains(&first) {
            told.push(first);
            report.push(Diagnostic::warning(message).help(help));
        }
    }
}

/// What a preset lacks to be started by its key alone, and what helps.
fn missing(preset: &Preset, env: &Env) -> (String, String) {
    let name = &preset.name;
    if preset.default_model.is_none() {
        let what = format!("{name} has no default model");
        return (what, format!("name one in {A_CONFIGURATION}"));
    }
    match preset.address.unknown(env) {
        Some((variable, var)) if !var.env.is_empty() => (
            format!("{name} needs its {variable} too"),
            format!("set {}, or name it in {A_CONFIGURATION}", var.env.join(" or ")),
        ),
        _ => (
            format!("{name} has no address for everybody"),
            format!("name it in {A_CONFIGURATION}"),
        ),
    }
}
