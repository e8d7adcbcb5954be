//! `endturn pause`, `resume`, `maintenance`, `override`: what an operator declares to a running daemon.

mod words;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{
    Exit,
    args::UrlArg,
    ask::{AskError, Daemon, encoded},
    told,
};
use crate::{
    clock::{Clock, Timestamp},
    feed::declared::Declarations,
    health::{DeclaredKind, MAX_BY_BYTES},
};

/// Longest wait for the daemon's answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Examples of `pause`.
pub(super) const PAUSE_HELP: &str = "\
Examples:
  endturn pause anthropic/claude-haiku-4-5 --for 1h
  endturn pause 'openrouter/*' --for 8h --why 'credit is low'
  endturn pause list
  endturn resume 'openrouter/*'

A target may be an id, a whole provider (anthropic), or a pattern, where * stands for anything:
quote it, or your shell fills it in. docs/operating.md tells what is best for what.";

/// Examples of `resume`.
pub(super) const RESUME_HELP: &str = "\
Examples:
  endturn resume anthropic/claude-haiku-4-5
  endturn resume 3fa9c1d2";

/// Examples of `maintenance`.
pub(super) const MAINTENANCE_HELP: &str = "\
Examples:
  endturn maintenance anthropic --for 2h --why 'announced on their status page'
  endturn maintenance 'openai/gpt-5*' --from 2026-11-29T02:00:00Z --for 3h
  endturn maintenance list
  endturn maintenance end 3fa9c1d2

Windows that come again stand in the configuration, as [[maintenance]].";

/// Examples of `override`.
pub(super) const OVERRIDE_HELP: &str = "\
Examples:
  endturn override openai/gpt-5.2 --hint avoid --for 30m --why 'answers are nonsense'
  endturn override anthropic --hint allow --for 1h --why 'we do not use what fails'
  endturn override list
  endturn override end 3fa9c1d2";

/// Arguments that every declaration takes.
#[derive(Debug, Args)]
pub struct DeclareArgs {
    /// Targets: provider/model, a whole provider, or a pattern, where * stands for anything.
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// How long: 30m, 2h, 1h 30m; 1 s to 31 days.
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration, required = true)]
    pub lasts: Option<Duration>,
    /// When it begins (RFC 3339, at most 366 days ahead); now if left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Why, for whoever reads the feed or the page.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Who says so [default: the user of this machine].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// What else can be done with declarations of a kind.
#[derive(Debug, Subcommand)]
pub enum Also {
    /// Those that are not over, with their ids.
    List {
        /// The daemon.
        #[command(flatten)]
        common: Common,
    },
    /// Ends one now.
    End {
        /// Its id.
        #[arg(value_name = "ID")]
        id: String,
        /// The daemon.
        #[command(flatten)]
        common: Common,
    },
}

/// How to reach the daemon, and how to answer.
#[derive(Debug, Args)]
pub struct Common {
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
    /// The daemon's answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `pause` and `maintenance`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct PeriodArgs {
    /// Something else.
    #[command(subcommand)]
    pub also: Option<Also>,
    /// The declaration.
    #[command(flatten)]
    pub declare: DeclareArgs,
    /// The daemon.
    #[command(flatten)]
    pub common: Common,
}

/// Arguments of `override`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct OverrideArgs {
    /// Something else.
    #[command(subcommand)]
    pub also: Option<Also>,
    /// The declaration.
    #[command(flatten)]
    pub declare: DeclareArgs,
    /// What routers are told.
    #[arg(long, value_name = "HINT", required = true)]
    pub hint: Option<HintArg>,
    /// The daemon.
    #[command(flatten)]
    pub common: Common,
}

/// Advice that can be forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HintArg {
    /// Use it, whatever the detector says.
    Allow,
    /// Don't use it, whatever the detector says.
    Avoid,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// What was paused, as it was said then, or the id of the pause.
    #[arg(value_name = "TARGET|ID", required = true)]
    pub what: Vec<String>,
    /// The daemon.
    #[command(flatten)]
    pub common: Common,
}

/// A time on the command line.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| "no RFC 3339 time, write it as 2026-11-29T02:00:00Z".to_owned())
}

/// Runs `pause` or `maintenance`.
pub(crate) async fn period(kind: DeclaredKind, args: &PeriodArgs, clock: &Clock) -> Exit {
    let done = match &args.also {
        Some(also) => other(kind, also, clock).await,
        None => declare(kind, &args.declare, None, &args.common, clock).await,
    };
    told(done)
}

/// Runs `override`.
pub(crate) async fn overrule(args: &OverrideArgs, clock: &Clock) -> Exit {
    let kind = DeclaredKind::Override;
    let done = match &args.also {
        Some(also) => other(kind, also, clock).await,
        None => declare(kind, &args.declare, args.hint, &args.common, clock).await,
    };
    told(done)
}

/// Runs `resume`.
pub(crate) async fn resume(args: &ResumeArgs, clock: &Clock) -> Exit {
    told(resumed(args, clock).await)
}

async fn declare(
    kind: DeclaredKind,
    args: &DeclareArgs,
    hint: Option<HintArg>,
    common: &Common,
    clock: &Clock,
) -> Result<String, AskError> {
    let mut body = Map::new();
    body.insert("targets".to_owned(), args.targets.clone().into());
    let lasts = args.lasts.unwrap_or_default();
    body.insert(
        "for".to_owned(),
        humantime::format_duration(lasts).to_string().into(),
    );
    let texts = [
        ("from", args.from.map(Timestamp::to_rfc3339)),
        ("why", args.why.clone()),
        ("by", args.by.clone().or_else(user)),
        (
            "hint",
            hint.map(|hint| match hint {
                HintArg::Allow => "allow".to_owned(),
                HintArg::Avoid => "avoid".to_owned(),
            }),
        ),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.to_owned(), text.into());
        }
    }
    let path = format!("/v1/admin/{kind}");
    let daemon = Daemon::of(&common.daemon)?;
    let body = Value::Object(body);
    let answer = daemon.order(Method::POST, &path, Some(&body), TIMEOUT).await?;
    shown(&daemon, &answer, common.json, |taken| {
        words::taken(taken, clock.now())
    })
}

/// The user's own name, cut to what is taken.
fn user() -> Option<String> {
    let mut name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok()?;
    name.retain(|c| !c.is_control());
    name.truncate(name.floor_char_boundary(MAX_BY_BYTES));
    (!name.is_empty()).then_some(name)
}

async fn other(kind: DeclaredKind, also: &Also, clock: &Clock) -> Result<String, AskError> {
    match also {
        Also::List { common } => {
            let daemon = Daemon::of(&common.daemon)?;
            let body = daemon.ask("/v1/declared", TIMEOUT).await?;
            let mut all: Declarations = daemon.parsed(&body)?;
            all.declared.retain(|one| one.declared.kind == kind.as_str());
            if common.json {
                return Ok(json(&all));
            }
            Ok(words::list(kind, &all, clock.now()))
        }
        Also::End { id, common } => end(kind, id, &Daemon::of(&common.daemon)?, common.json).await,
    }
}

async fn end(kind: DeclaredKind, id: &str, daemon: &Daemon, json: bool) -> Result<String, AskError> {
    // A slash in an id would be another path, and no id holds one.
    let path = format!("/v1/admin/{kind}/{}", encoded(id).replace('/', "%2F"));
    let answer = daemon.order(Method::DELETE, &path, None, TIMEOUT).await?;
    shown(daemon, &answer, json, words::ended)
}

/// Ends the pauses that were said in these words, or have these ids.
async fn resumed(args: &ResumeArgs, clock: &Clock) -> Result<String, AskError> {
    let daemon = Daemon::of(&args.common.daemon)?;
    let body = daemon.ask("/v1/declared", TIMEOUT).await?;
    let mut all: Declarations = daemon.parsed(&body)?;
    all.declared
        .retain(|one| one.declared.kind == DeclaredKind::Pause.as_str());
    let mut text = String::new();
    for what in &args.what {
        let is = |one: &&crate::feed::declared::Declaration| {
            one.declared.id == *what || one.targets.iter().any(|target| target == what)
        };
        let found: Vec<_> = all.declared.iter().filter(is).collect();
        if found.is_empty() {
            let list = words::list(DeclaredKind::Pause, &all, clock.now());
            return Err(AskError::Refused(format!(
                "nothing was paused as {what:?}\n\nhelp: {}",
                list.trim_end()
            )));
        }
        for one in found {
            text.push_str(&end(DeclaredKind::Pause, &one.declared.id, &daemon, args.common.json).await?);
        }
    }
    Ok(text)
}

/// A declaration as the daemon answers it.
#[derive(Debug, serde::Deserialize)]
struct Answered {
    #[serde(flatten)]
    declaration: crate::feed::declared::Declaration,
    means: Vec<String>,
}

fn shown(
    daemon: &Daemon,
    body: &[u8],
    json: bool,
    words: impl Fn(&Answered) -> String,
) -> Result<String, AskError> {
    let answered: Answered = daemon.parsed(body)?;
    if json {
        return Ok(format!("{}\n", String::from_utf8_lossy(body).trim_end()));
    }
    Ok(words(&answered))
}

fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).expect("wire types have text keys");
    format!("{text}\n")
}
