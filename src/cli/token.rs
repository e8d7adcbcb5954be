//! `endturn token new`: an access token, and the entry that lets it in.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand, ValueEnum};
use rand::{TryRng, rngs::SysRng};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Exit, complain, say};
use crate::config::Scope;

/// What every token begins with, so that people and scanners of secrets know one.
const TOKEN_PREFIX: &str = "et_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

pub(super) const HELP: &str = "\
Scopes, any number of them; each stands for itself:
  read     the feed, the pages, history, metrics, the tools for agents, the gate
  report   POST of reports and telemetry, the tap
  admin    what changes how endturn runs: pause, maintenance, override, acknowledge, reload

Examples:
  endturn token new --name dashboards --scope read
  endturn token new --name gateway --scope report --trust corroborate
  endturn token new --name me --scope read --scope admin > ~/.config/endturn/token
  ENDTURN_TOKEN=$(cat ~/.config/endturn/token) endturn status --url https://status.example.com

The token goes to stdout, once: endturn keeps only its SHA-256, which stands in the entry on stderr.
Put that into endturn.toml and reload (SIGHUP). docs/access.md tells who may do what.";

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes one: the token on stdout, its `[[server.token]]` entry on stderr.
    ///
    /// Nothing is written and no daemon is asked.
    #[command(after_help = HELP)]
    New(NewArgs),
}

/// Arguments of `token new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Its name, for logs and for you: 1 to 64 letters, digits and signs without spaces.
    #[arg(long, default_value = "token", value_name = "NAME", value_parser = name)]
    pub name: String,
    /// What it is for: read, report, admin; may be given several times.
    #[arg(long = "scope", default_value = "read", value_name = "SCOPE", value_parser = scope)]
    pub scopes: Vec<Scope>,
    /// How far its reports are believed.
    #[arg(long, value_name = "TRUST")]
    pub trust: Option<TrustArg>,
    /// All of it as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// How far reports are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustArg {
    /// As our own probes.
    Full,
    /// They raise suspicion and call for probes, and convict nobody.
    Corroborate,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Made<'a> {
    token: &'a str,
    name: &'a str,
    sha256: &'a str,
    scopes: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<&'static str>,
}

fn name(text: &str) -> Result<String, String> {
    // A quote or a backslash would have to be written otherwise in TOML.
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters, digits and signs without spaces, quotes and backslashes".to_owned())
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse()
}

/// Runs the command.
pub(super) fn run(args: &TokenArgs) -> Exit {
    let TokenCommand::New(args) = &args.command;
    let mut scopes = args.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    if args.trust.is_some() && !scopes.contains(&Scope::Report) {
        complain("error: --trust says how far reports are believed: add --scope report");
        return Exit::Usage;
    }
    let mut random = [0; TOKEN_BYTES];
    if let Err(error) = SysRng.try_fill_bytes(&mut random) {
        complain(&format!("error: the system gives no random bytes: {error}"));
        return Exit::Failure;
    }
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let digest = Sha256::digest(&token);
    let sha256 = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let words: Vec<&'static str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let trust = args.trust.map(|trust| match trust {
        TrustArg::Full => "full",
        TrustArg::Corroborate => "corroborate",
    });
    if args.json {
        let made = Made {
            token: &token,
            name: &args.name,
            sha256: &sha256,
            scopes: &words,
            trust,
        };
        say(&(serde_json::to_string(&made).expect("texts") + "\n"));
        return Exit::Ok;
    }
    say(&format!("{token}\n"));
    complain(&entry(&args.name, &sha256, &words, trust));
    Exit::Ok
}

/// The entry for the configuration.
fn entry(name: &str, sha256: &str, scopes: &[&str], trust: Option<&str>) -> String {
    let scopes = scopes
        .iter()
        .map(|scope| format!("\"{scope}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let trust = trust.map_or_else(String::new, |trust| format!("\ntrust = \"{trust}\""));
    format!(
        "# Put this into endturn.toml and reload. The token above is shown only once.\n\
         [[server.token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [{scopes}]{trust}"
    )
}
