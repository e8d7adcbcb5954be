//! What may be said on the command line.

pub(super) mod examples;
mod feed;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use feed::{StatusArgs, TopArgs, UrlArg, base_url};

use super::{
    alert::AlertArgs,
    backup::BackupArgs,
    declare::{OverrideArgs, PeriodArgs, ResumeArgs},
    history::HistoryArgs,
    init::InitArgs,
    mcp::McpArgs,
    reload::ReloadArgs,
    report::ReportArgs,
    tap::TapArgs,
    token::TokenArgs,
};
use crate::{gate::Expect, id::TargetId, protocol::Wire};

/// Where a daemon listens unless told otherwise.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:7411";
/// Where a daemon is asked unless told otherwise.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:7411";
/// Where the simulator listens unless told otherwise.
pub(super) const DEFAULT_SIMULATOR: &str = "127.0.0.1:7410";

/// Which LLM providers can finish a reply right now.
///
/// endturn probes providers with short streamed requests whose right end is known, so that a reply which stops early
/// under HTTP 200 is found, and publishes the health of each target as a feed for routers, a page and a table.
#[derive(Debug, Parser)]
#[command(name = "endturn", version, after_help = examples::ALL, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as `endturn::probe=debug` [default:
    /// info; demo: error, for it tells by itself; mcp: warn].
    #[arg(
        long,
        global = true,
        env = "ENDTURN_LOG",
        hide_env_values = true,
        value_name = "FILTER"
    )]
    pub log: Option<String>,

    /// Log lines as text or as JSON objects.
    #[arg(
        long,
        global = true,
        env = "ENDTURN_LOG_FORMAT",
        hide_env_values = true,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulated providers, a scripted outage and the daemon, in one process.
    ///
    /// Two of four providers fail, both in the same way: 10 s healthy, 20 s in which 60 % of their replies are cut at
    /// about 60 % under HTTP 200, 20 s in which they answer 529, 25 s of recovery. Each transition is told with the
    /// delays from the onset of the fault to the first evidence, from there to the decision, and to the feed. The page
    /// is live meanwhile.
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// The daemon: probes, judges, publishes until it is told to stop.
    ///
    /// Without a configuration it watches every provider whose key is in the environment. SIGHUP reads the
    /// configuration anew: a wrong one is told and the old one kept. SIGTERM and Ctrl-C end it within 10 s.
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Writes a commented configuration from the keys in the environment.
    ///
    /// It watches whom `run` has keys for without a configuration, at the same intervals. The name of each key's variable
    /// stands in it, never the key; what else can be said stands there as examples. Asks nobody, and overwrites nothing.
    #[command(after_help = super::init::HELP)]
    Init(InitArgs),
    /// Checks the configuration as `run` would, and tells the plan and its cost a day.
    #[command(after_help = examples::CHECK)]
    Check(CheckArgs),
    /// One probe now: a waterfall of its phases, the verdict, and why.
    ///
    /// Needs no running daemon. Exits 0 when every probe is complete (reach: answered as expected), 5 otherwise.
    #[command(after_help = examples::PROBE)]
    Probe(ProbeArgs),
    /// The feed of a running daemon as a table.
    ///
    /// Exits 0 when no target is impaired or unknown, 5 otherwise, 4 when no daemon answers. With --nagios as plugins do.
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// The feed live in the terminal: targets, reasons, failures of the last hour, incidents.
    ///
    /// Follows the daemon by server-sent events and connects anew by itself; what is past its time is shown as unknown.
    /// Keys: arrows or j and k move, Enter shows a target's figures and last failures, s sorts, f leaves only what is not
    /// well, / searches, ? tells all keys, q ends. Needs a terminal; `NO_COLOR` is honoured; logs only where stderr is
    /// redirected.
    #[command(after_help = examples::TOP)]
    Top(TopArgs),
    /// How a target was, step by step: counts and latencies, or one metric.
    ///
    /// Asks a running daemon. A gap is shown as a gap. Exits 0, 4 when no daemon answers.
    #[command(after_help = super::history::HELP)]
    History(HistoryArgs),
    /// The reliability report of a month: what a person takes to a provider.
    ///
    /// Asks a running daemon: uptime, incidents, truncation and error rates with intervals, latency, error budget, lead over the
    /// official status page and spend, by provider and target. docs/report.md defines each figure. Exits 0, 4 when no daemon
    /// answers.
    #[command(after_help = super::report::HELP)]
    Report(ReportArgs),
    /// Stops our probes of some targets for a while.
    ///
    /// To save money, or to leave a provider alone. Until it ends their state is `unknown`, their hint `no_opinion`, and nothing is alerted; real traffic is counted all the
    /// same, and decides the state once the pause is over. `list` tells what is paused, `end ID` and `endturn resume` end it
    /// early. Needs a running daemon; survives its restart.
    #[command(after_help = super::declare::PAUSE_HELP)]
    Pause(PeriodArgs),
    /// Ends pauses: probes come by the timetable again.
    #[command(after_help = super::declare::RESUME_HELP)]
    Resume(ResumeArgs),
    /// Declares work that a provider announced.
    ///
    /// Its targets are to be avoided, nothing is alerted, and the time counts neither for nor against them. Probes go on, so that its end is known well. `list` tells what is declared and planned, `end ID` ends it early. Needs a
    /// running daemon; survives its restart.
    #[command(after_help = super::declare::MAINTENANCE_HELP)]
    Maintenance(PeriodArgs),
    /// Forces what routers are told about some targets for a while.
    ///
    /// For when you know better than the detector. The state stays what the evidence says, and the flag `overridden` is shown. `list` tells what is forced, `end ID` ends it
    /// early. Needs a running daemon; survives its restart.
    #[command(after_help = super::declare::OVERRIDE_HELP)]
    Override(OverrideArgs),
    /// Makes the daemon read its configuration anew.
    ///
    /// As SIGHUP does, and tells what came of it: it is checked as a whole and then takes the place of the old one, or the old one stays in force. Exits 0, 3 when the
    /// configuration is wrong, 4 when no daemon answers.
    #[command(after_help = super::reload::HELP)]
    Reload(ReloadArgs),
    /// The provider simulator: speaks the providers' protocols, with faults on demand.
    ///
    /// Each vendor has a base URL below its address, followed by the vendor's own paths. A model id that ends in !KIND or
    /// !KIND.HOW carries its fault: `claude-haiku-4-5!truncate.fin`, `gpt-5.2!status.529`; one that holds `reason` reasons
    /// first. Faults come and go by PUT and DELETE on /control/faults/PROVIDER[/MODEL].
    #[command(after_long_help = base_urls())]
    Simulate(SimulateArgs),
    /// What people are told of: alarms, channels, what did not arrive; trying, acknowledging, sending anew.
    ///
    /// Asks a running daemon. Exits 0, 1 when a trial did not arrive, 4 when no daemon answers.
    #[command(after_help = super::alert::HELP)]
    Alert(AlertArgs),
    /// A pass-through that measures real traffic on the wire: a client needs only its base URL changed.
    ///
    /// It forwards to the configured providers and to nobody else, with the client's own credential; bytes pass unchanged and
    /// at once, nothing is sent twice, no prompt and no text is kept. What became of each reply is reported to the daemon.
    /// SIGHUP reads the configuration anew; SIGTERM lets open replies end. docs/tap.md tells what it shows and can't.
    #[command(after_help = super::tap::HELP)]
    Tap(TapArgs),
    /// Is this reply whole? The gate for a captured stream, a body or a finished text.
    ///
    /// The protocol's own end and the stop reason speak first; a reply that ended naturally is then held against what its
    /// text has to be. Tells the verdict, why, where the text stops or breaks, and what to do now: `accept`,
    /// `retry_elsewhere`, `raise_limit` or `ask_person`. Exits 0 when the reply is complete, 1 when it is not, 2 when there
    /// was nothing to judge.
    #[command(after_help = examples::VALIDATE)]
    Validate(ValidateArgs),
    /// Tools for a coding agent on stdio (Model Context Protocol): is it me or the provider?
    ///
    /// `provider_health`, `route`, `recent_failures` and `validate_reply` over a running daemon; all only read. It starts
    /// without a daemon too, and its answers then say so and what to do. Exits 0 when its peer closes stdin.
    #[command(after_help = super::mcp::HELP)]
    Mcp(McpArgs),
    /// Desktop notifications of a running daemon's incidents, for whoever is logged in.
    ///
    /// Follows the daemon by server-sent events, through its restarts and this machine's sleep. One notification a provider,
    /// replaced as things change and brief once it is over; "Open" leads to the page. Without a notification server it waits
    /// for one. Ends at SIGTERM or Ctrl-C.
    #[cfg(feature = "desktop")]
    #[command(after_help = super::notify::HELP)]
    Notify(super::notify::NotifyArgs),
    /// Access tokens for the API.
    #[command(after_help = super::token::HELP)]
    Token(TokenArgs),
    /// A checked copy of the database, while the daemon runs.
    ///
    /// It holds one moment of it, whoever writes meanwhile. To restore: stop the daemon, put the copy in the place of
    /// `store.path` (without its -wal and -shm), start. The restored daemon has a new instance, so that nobody takes its
    /// feed for the old one's.
    #[command(after_help = examples::BACKUP)]
    Backup(BackupArgs),
    /// Completions for a shell, on stdout.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// The manual: every command as one page on stdout, or a page a command with --out.
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the page and the feed are served; port 0 takes a free one.
    #[arg(long, default_value = DEFAULT_LISTEN, value_name = "ADDR", value_parser = address)]
    pub listen: SocketAddr,
    /// End after the script with a summary; exit 0 only if each fault and each recovery was found and nothing else.
    #[arg(long)]
    pub once: bool,
    /// Seed of the simulated providers and of the schedule.
    #[arg(long, default_value_t = 20_260_620, value_name = "N")]
    pub seed: u64,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArg {
    /// Configuration file; else `$ENDTURN_CONFIG`, `./endturn.toml`, `$XDG_CONFIG_HOME/endturn/endturn.toml`,
    /// `/etc/endturn/endturn.toml`.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Targets of the configuration, as provider/model.
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<TargetId>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// What to send.
    #[arg(long, default_value = "canary", value_name = "KIND")]
    pub kind: KindArg,
    /// The observation as JSON, one line a target.
    #[arg(long)]
    pub json: bool,
}

/// What `probe` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// Free: proves transport, edge and credential.
    Reach,
    /// A short generation whose right end is known.
    Canary,
    /// The same over some 400 tokens.
    Long,
    /// A JSON document, every member of which is known.
    Json,
    /// A forced call of a small tool.
    Tool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// One page a command into this folder, which has to exist: endturn.1, endturn-status.1, ..
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Address of this machine's loopback to listen at; port 0 takes a free one, told on stdout.
    #[arg(long, default_value = DEFAULT_SIMULATOR, value_name = "ADDR", value_parser = simulator)]
    pub listen: SocketAddr,
    /// Seed of every draw.
    #[arg(long, default_value_t = 20_260_620, value_name = "N")]
    pub seed: u64,
    /// A scenario file that plays a sequence of faults.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

/// Where the simulator speaks what.
fn base_urls() -> String {
    let lines = crate::simulate::base_urls();
    let places = lines.join("\n  ");
    format!(
        "{}\n\nBase URLs below its address, and what is spoken there:\n  {places}",
        examples::SIMULATE
    )
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The reply, at most 64 MiB; `-` or nothing: standard input.
    #[arg(default_value = "-", hide_default_value = true, value_name = "FILE")]
    pub file: PathBuf,
    /// What the capture speaks: a protocol or a dialect; told from its bytes if left out. With --stop-reason: whose words
    /// that is.
    #[arg(long, value_name = "PROTOCOL", value_parser = wire)]
    pub protocol: Option<Wire>,
    /// What the text has to be: prose, json, code, diff, tool.
    #[arg(long, value_name = "KIND", value_parser = expect)]
    pub expect: Option<Expect>,
    /// The input is a finished text, and this the stop reason that came with it, in any protocol's words.
    #[arg(long, value_name = "REASON", conflicts_with = "content_type")]
    pub stop_reason: Option<String>,
    /// Content type of a capture that has no HTTP head.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// The words that the text was asked to end with.
    #[arg(long, value_name = "TEXT")]
    pub ends_with: Option<String>,
    /// The language of code without a fence that names one.
    #[arg(long, value_name = "NAME")]
    pub language: Option<String>,
    /// The outcome as JSON, as `POST /v1/validate` answers it.
    #[arg(long)]
    pub json: bool,
}

/// A protocol or dialect by name.
fn wire(text: &str) -> Result<Wire, String> {
    text.parse()
}

/// A kind of text by name.
fn expect(text: &str) -> Result<Expect, String> {
    text.parse()
}

/// An address to listen at.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("no address with a port, write it as {DEFAULT_LISTEN}"))
}

/// The same for the simulator.
fn simulator(text: &str) -> Result<SocketAddr, String> {
    let addr = address(text)?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("only loopback: whoever reaches the simulator sets its faults, without a token".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
