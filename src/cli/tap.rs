//! `endturn tap`: the pass-through, a process of its own.

use std::{fmt::Write, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tokio::{
    runtime::Handle,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{
    Exit,
    args::{ConfigArg, DEFAULT_URL, base_url},
    ask::token,
    complain, load,
    run::stopped,
    say,
};
use crate::{
    clock::Clock,
    config::Provider,
    link::http_client,
    tap::{self, Door, Limits, Shipper, Tap},
};

/// Where the tap listens unless told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:7412";
/// How long the last reports may take to the daemon at the end.
const FLUSH: Duration = Duration::from_secs(5);

pub(super) const HELP: &str = "\
Point a client at it by one variable; its credential stays its own:
  ANTHROPIC_BASE_URL=http://127.0.0.1:7412/anthropic
  OPENAI_BASE_URL=http://127.0.0.1:7412/openai/v1
  GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:7412/gemini
  OLLAMA_HOST=http://127.0.0.1:7412/ollama
Any other: http://127.0.0.1:7412/PROVIDER in the place of the provider's scheme and host.

Examples:
  endturn tap
  endturn tap -c endturn.toml --daemon http://127.0.0.1:7411 --token-file /run/secrets/report
  ANTHROPIC_BASE_URL=http://127.0.0.1:7412/anthropic claude
  curl -s http://127.0.0.1:7412/           what it did so far";

/// Arguments of `tap`.
#[derive(Debug, Args)]
pub struct TapArgs {
    /// Address of this machine's loopback to listen at; port 0 takes a free one, told on stdout.
    #[arg(long, default_value = DEFAULT_LISTEN, value_name = "ADDR", value_parser = loopback)]
    pub listen: SocketAddr,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The daemon that is told what was seen. While it is away, reports wait.
    #[arg(long, env = "ENDTURN_URL", default_value = DEFAULT_URL, hide_env_values = true, value_name = "URL", value_parser = base_url)]
    pub daemon: String,
    /// File with the token that the daemon wants from reporters; else `$ENDTURN_TOKEN`.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The name that the daemon shows these reports under.
    #[arg(long, default_value = "tap", value_name = "NAME", value_parser = name)]
    pub reporter: String,
    /// How long open replies may go on after SIGTERM; a second signal ends them at once.
    #[arg(long, default_value = "60s", value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub drain: Duration,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text
        .parse()
        .map_err(|_| format!("no address with a port, write it as {DEFAULT_LISTEN}"))?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("only loopback: whoever reaches the tap reaches your providers through it".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || text.contains(char::is_control) {
        Err("a name has 1 to 128 bytes without control characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Runs the command.
pub(crate) async fn run(args: &TapArgs, clock: Clock) -> Exit {
    // Before anything else: a reload that is asked for during the start must not end the process.
    let Ok(hangup) = signal(SignalKind::hangup()) else {
        complain("error: signals can't be received");
        return Exit::Failure;
    };
    let failed = |error: &dyn std::fmt::Display| {
        complain(&format!("error: {error}"));
        Exit::Failure
    };
    let providers = match load(args.config.config.as_deref()) {
        Ok(loaded) => loaded.config.providers,
        Err(exit) => return exit,
    };
    let token = match token(args.token_file.as_deref()) {
        Ok(token) => token,
        Err(error) => return failed(&error),
    };
    let client = match http_client() {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let shipper = Arc::new(Shipper::new(client, &args.daemon, token, &args.reporter));
    let sink = Arc::clone(&shipper);
    let tap = Arc::new(Tap::new(&providers, sink, clock, Handle::current(), &[]));
    if let Err(error) = tap.prepare() {
        return failed(&error);
    }
    let listener = match tap::listen(args.listen) {
        Ok(listener) => listener,
        Err(error) => {
            return failed(&format_args!(
                "{} can't be bound: {error}\n\nhelp: choose another address with --listen",
                args.listen
            ));
        }
    };
    let base = match listener.local_addr() {
        Ok(addr) => format!("http://{addr}"),
        Err(error) => return failed(&error),
    };
    say(&greeting(&base, &tap.doors()));
    serve(args, listener, &tap, &shipper, base, hangup).await;
    Exit::Ok
}

/// Serves until a signal, then drains.
async fn serve(
    args: &TapArgs,
    listener: tokio::net::TcpListener,
    tap: &Arc<Tap>,
    shipper: &Arc<Shipper>,
    base: String,
    mut hangup: Signal,
) {
    let (closing, cut, quiet) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let shipping = {
        let (shipper, quiet) = (Arc::clone(shipper), quiet.clone());
        tokio::spawn(async move { shipper.run(quiet).await })
    };
    let own = {
        let (tap, shipper) = (Arc::clone(tap), Arc::clone(shipper));
        move |request: &_| tap::status(request, &tap, Some(shipper.view()), &base)
    };
    let limits = Limits {
        drain: args.drain,
        ..Limits::default()
    };
    let serving = tap::serve(
        listener,
        Arc::clone(tap),
        own,
        closing.clone(),
        cut.clone(),
        limits,
    );
    let signals = async {
        let stop = stopped();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = hangup.recv() => reload(args, tap),
            }
        }
        tracing::info!("no new connections; open replies may end");
        closing.cancel();
        stopped().await;
        cut.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = signals => {}
    }
    tap.idle().await;
    quiet.cancel();
    if tokio::time::timeout(FLUSH, shipping).await.is_err() {
        let waiting = shipper.view().waiting;
        tracing::warn!(waiting, "reports were left that the daemon did not take");
    }
}

fn reload(args: &TapArgs, tap: &Tap) {
    if let Ok(loaded) = load(args.config.config.as_deref()) {
        let providers: &[Provider] = &loaded.config.providers;
        tap.set_providers(providers);
        tracing::info!(providers = providers.len(), "the new configuration is in force");
    } else {
        tracing::error!("the new configuration is wrong: the old one stays in force");
    }
}

/// What is told at the start: where it is, and what to set.
fn greeting(base: &str, doors: &[Door]) -> String {
    let mut text = format!("tap at {base}\n");
    if doors.is_empty() {
        text.push_str("  no provider is configured: nothing is passed on\n");
    }
    for door in doors {
        let line = door
            .line(base)
            .unwrap_or_else(|| format!("base URL {base}{}", door.base_path));
        let _ = writeln!(text, "  {:<16} {line}", door.provider.as_str());
    }
    text
}
