//! `endturn alert`: what people are told of, trying a channel, acknowledging, sending anew.

mod list;

use std::{path::Path, time::Duration};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{
    Exit,
    args::{ConfigArg, UrlArg},
    ask::{AskError, Daemon, encoded},
    complain, load, printable, say,
};
use crate::{
    alert::{self, Outcome, TRY_TIMEOUT},
    api::{Acknowledged, Alerts, Resent, TestResult},
    clock::Clock,
    daemon::carriers,
};

/// Longest wait for the daemon's answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Examples of the help.
pub(super) const HELP: &str = "\
Examples:
  endturn alert list
  endturn alert test oncall                       does a message arrive?
  endturn alert ack 0197a2b0-0000-7000-8000-000000000001 --by ada
  endturn alert resend --channel oncall           what was given up, once it is reachable again

docs/alerts.md tells who is told what and when, docs/channels.md how each channel is set up.";

/// Arguments of `alert`.
#[derive(Debug, Args)]
pub struct AlertArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: AlertCommand,
}

/// What `alert` does.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// What is wrong and who was told, how each channel is doing, and what did not reach anybody.
    List(ListArgs),
    /// Sends one marked message to a channel and tells what was answered.
    ///
    /// It goes through the running daemon, with its credentials; where none answers, or with -c, straight from the
    /// configuration. Exits 0 when it was taken, 1 when not.
    Test(TestArgs),
    /// Takes note that somebody takes care of an incident: reminders stop, and whoever was alarmed hears who it is.
    Ack(AckArgs),
    /// Sends anew what was given up, under the same key.
    Resend(ResendArgs),
}

/// Arguments of `alert list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The daemon's answer as JSON.
    #[arg(long)]
    pub json: bool,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Arguments of `alert test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Name of a `[[channel]]`.
    #[arg(value_name = "CHANNEL")]
    pub channel: String,
    /// What became of it as JSON.
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Arguments of `alert ack`.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// Id of an open incident or of an alarm, as `alert list` shows them.
    #[arg(value_name = "INCIDENT")]
    pub incident: String,
    /// Who takes care of it.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub by: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Arguments of `alert resend`.
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// Key of a message, as `alert list` shows it.
    #[arg(
        value_name = "KEY",
        required_unless_present = "channel",
        conflicts_with = "channel"
    )]
    pub key: Option<String>,
    /// Everything that was given up for this channel.
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Runs the command.
pub(crate) async fn run(args: &AlertArgs, clock: &Clock) -> Exit {
    let outcome = match &args.what {
        AlertCommand::List(args) => list(args, clock).await,
        AlertCommand::Ack(args) => ack(args).await,
        AlertCommand::Resend(args) => resend(args).await,
        AlertCommand::Test(args) => return test(args, clock).await,
    };
    super::told(outcome)
}

async fn list(args: &ListArgs, clock: &Clock) -> Result<String, AskError> {
    let daemon = Daemon::of(&args.daemon)?;
    let body = daemon.ask("/v1/alerts", TIMEOUT).await?;
    let alerts: Alerts = daemon.parsed(&body)?;
    if args.json {
        return Ok(String::from_utf8_lossy(&body).trim_end().to_owned() + "\n");
    }
    Ok(list::words(&alerts, clock.now()))
}

async fn ack(args: &AckArgs) -> Result<String, AskError> {
    let mut order = json!({"incident": args.incident});
    if let Some(by) = &args.by {
        order["by"] = by.as_str().into();
    }
    let daemon = Daemon::of(&args.daemon)?;
    let body = daemon
        .order(Method::POST, "/v1/admin/ack", Some(&order), TIMEOUT)
        .await?;
    let done: Acknowledged = daemon.parsed(&body)?;
    Ok(format!(
        "{}: {} takes care of it\n",
        printable(&done.incident),
        printable(&done.by)
    ))
}

async fn resend(args: &ResendArgs) -> Result<String, AskError> {
    let order = match (&args.key, &args.channel) {
        (Some(key), _) => json!({"key": key}),
        (None, channel) => json!({"channel": channel}),
    };
    let daemon = Daemon::of(&args.daemon)?;
    let path = "/v1/admin/alerts/resend";
    let body = daemon.order(Method::POST, path, Some(&order), TIMEOUT).await?;
    let done: Resent = daemon.parsed(&body)?;
    Ok(match done.resent {
        0 => "nothing was given up: nothing is sent anew\n".to_owned(),
        1 => "1 message is sent anew\n".to_owned(),
        n => format!("{n} messages are sent anew\n"),
    })
}

async fn test(args: &TestArgs, clock: &Clock) -> Exit {
    let tested = if args.config.config.is_some() {
        straight(args, clock).await
    } else {
        match through(args).await {
            Ok(tested) => Ok(tested),
            Err(AskError::Unreachable { url, .. }) => {
                complain(&format!(
                    "no endturn answers at {url}: straight from the configuration"
                ));
                straight(args, clock).await
            }
            Err(error) => {
                complain(&format!("error: {error}"));
                Err(error.exit())
            }
        }
    };
    match tested {
        Ok(tested) => show(&tested, args.json),
        Err(exit) => exit,
    }
}

/// By the running daemon.
async fn through(args: &TestArgs) -> Result<TestResult, AskError> {
    let daemon = Daemon::of(&args.daemon)?;
    let path = format!("/v1/admin/alerts/test/{}", encoded(&args.channel));
    // The channel's own time-out comes first.
    let body = daemon
        .order(Method::POST, &path, None, TRY_TIMEOUT + TIMEOUT)
        .await?;
    daemon.parsed(&body)
}

/// By a carrier of our own.
async fn straight(args: &TestArgs, clock: &Clock) -> Result<TestResult, Exit> {
    let config = load(args.config.config.as_deref().map(Path::new))?.config;
    let channels = &config.alerts.channels;
    let Some(channel) = channels.iter().find(|channel| channel.name == args.channel) else {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let help = if names.is_empty() {
            "the configuration has no [[channel]]; docs/channels.md tells how to add one".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        complain(&format!(
            "error: the configuration has no channel {}\n\nhelp: {help}",
            printable(&args.channel)
        ));
        return Err(Exit::Usage);
    };
    let carrier = carriers()(channel);
    let key = format!("test-{}", Uuid::new_v4());
    let link = config.alerts.public_url.as_ref().map(ToString::to_string);
    let message = alert::trial(&channel.name, &config.vantage, key.clone(), link, clock.wall());
    let begun = clock.mono();
    let outcome = alert::attempt(carrier.as_ref(), &message, clock.wall()).await;
    let (delivered, error) = match outcome {
        Outcome::Delivered => (true, None),
        Outcome::Later { why, .. } | Outcome::Refused { why } => (false, Some(why)),
    };
    Ok(TestResult {
        channel: channel.name.clone(),
        delivered,
        error,
        took_ms: u64::try_from(clock.mono().saturating_sub(begun).as_millis()).unwrap_or(u64::MAX),
        key,
    })
}

fn show(tested: &TestResult, as_json: bool) -> Exit {
    let channel = printable(&tested.channel);
    if as_json {
        let text = serde_json::to_string(tested).expect("wire types have text keys");
        say(&(text + "\n"));
    } else if tested.delivered {
        say(&format!("{channel}: delivered in {} ms\n", tested.took_ms));
    }
    if tested.delivered {
        return Exit::Ok;
    }
    if !as_json {
        let why = printable(tested.error.as_deref().unwrap_or("no reason was given"));
        complain(&format!(
            "error: {channel}: not delivered after {} ms: {why}\n\nhelp: docs/channels.md tells what each channel needs",
            tested.took_ms
        ));
    }
    Exit::Failure
}
