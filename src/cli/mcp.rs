//! `endturn mcp`: the tools for an agent on stdio, over a running daemon.

use std::{sync::Arc, time::Duration};

use clap::Args;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{
    Exit,
    args::UrlArg,
    ask::{AskError, Daemon, encoded},
    complain,
};
use crate::{
    client::Client,
    clock::{Clock, Timestamp},
    feed::record::Observation,
    health::Network,
    mcp::{self, Closed, Door, Failures, Seen, SeenRoute},
};

/// Longest wait for the first feed, where an agent asks at once after the start.
const FIRST: Duration = Duration::from_secs(2);
/// Longest wait for an answer of the daemon.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const HELP: &str = "\
Examples:
  claude mcp add endturn -- endturn mcp
  endturn mcp --url http://127.0.0.1:7411

The daemon serves the same at http://127.0.0.1:7411/mcp. docs/mcp.md tells what the tools answer.";

/// Arguments of `mcp`.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Runs the command.
pub(crate) async fn run(args: &McpArgs, clock: Clock) -> Exit {
    let failed = |error: &dyn std::fmt::Display| {
        complain(&format!("error: {error}"));
        Exit::Failure
    };
    let daemon = match Daemon::of(&args.daemon) {
        Ok(daemon) => daemon,
        Err(error) => return failed(&error),
    };
    let builder = Client::builder(&args.daemon.url).clock(clock.clone());
    let builder = match &daemon.token {
        Some(token) => builder.token(token.expose()),
        None => builder,
    };
    let client = match builder.build() {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let door = Outside {
        client,
        daemon,
        clock,
    };
    match mcp::stdio(Arc::new(door), tokio::io::stdin(), tokio::io::stdout()).await {
        Ok(()) => Exit::Ok,
        Err(error) => failed(&error),
    }
}

/// A daemon over HTTP: its feed by following it, the rest by asking.
struct Outside {
    client: Client,
    daemon: Daemon,
    clock: Clock,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Observation>,
}

impl Outside {
    /// The feed that came last, waited for if none has come yet.
    async fn feed(&self) -> Result<Seen, Closed> {
        if self.client.last_feed().is_none() && self.client.status().trouble.is_none() {
            self.client.ready(FIRST).await;
        }
        let (fresh, last) = (self.client.feed(), self.client.last_feed());
        let seen = |feed: &crate::client::Feed, fresh| Seen {
            head: feed.head().clone(),
            targets: feed.targets().to_vec(),
            fresh,
        };
        match (fresh, last, self.client.status().trouble) {
            (Some(feed), ..) => Ok(seen(&feed, true)),
            (None, Some(feed), None) => Ok(seen(&feed, false)),
            (None, _, why) => Err(Closed::Unreachable {
                url: self.daemon.base.clone(),
                why: why.map_or_else(|| "no answer yet".to_owned(), |why| super::printable(&why)),
            }),
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Closed> {
        let answer = self.daemon.ask(path, TIMEOUT).await;
        answer
            .and_then(|body| self.daemon.parsed(&body))
            .map_err(|error| match error {
                AskError::Unreachable { url, why } | AskError::NotOurs { url, why } => {
                    Closed::Unreachable { url, why }
                }
                AskError::Refused(why) => Closed::NotFound(why),
                AskError::Unauthorized(why) | AskError::Token(why) | AskError::Unavailable(why) => {
                    Closed::Unavailable(why)
                }
            })
    }
}

impl Door for Outside {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn health(&self) -> BoxFuture<'_, Result<Seen, Closed>> {
        Box::pin(self.feed())
    }

    fn route<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<SeenRoute, Closed>> {
        Box::pin(async move {
            // The feed's freshness is the route's, as long as the daemon made both at about the same time of its own.
            let before = self.feed().await?;
            let path = format!("/v1/routes/{}", encoded(name));
            let one: crate::feed::route::OneRoute = self.ask(&path).await?;
            let follows =
                one.head.instance == before.head.instance && before.head.generated_at <= one.head.stale_after;
            Ok(SeenRoute {
                fresh: before.fresh && follows && one.head.network == Network::Online,
                one,
            })
        })
    }

    fn failures(&self, wanted: Failures) -> BoxFuture<'_, Result<Vec<Observation>, Closed>> {
        Box::pin(async move {
            let mut path = format!(
                "/v1/observations?verdict={}&limit={}",
                wanted.verdict, wanted.limit
            );
            if let Some(target) = &wanted.target {
                path = format!("{path}&target={}", encoded(&target.to_string()));
            }
            let page: Page = self.ask(&path).await?;
            Ok(page.items)
        })
    }
}
