//! A client for routers: a local copy of the feed, kept in the background, and reports that never block.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use endturn::{client::Client, feed::outcome::Outcome};
//!
//! # async fn serve(target: &str) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:7411").reporter("checkout-7").build()?;
//! client.ready(Duration::from_secs(2)).await;
//!
//! let candidates = ["anthropic/claude-sonnet-4-5", "openai/gpt-5.2"];
//! for target in client.pick(&candidates).all() {
//!     let answer = serve(target).await;
//!     client.report(Outcome {
//!         target: Some((*target).into()),
//!         verdict: Some(if answer.is_ok() { "complete" } else { "errored" }.into()),
//!         ..Outcome::default()
//!     });
//!     if answer.is_ok() {
//!         break;
//!     }
//! }
//! client.close(Duration::from_secs(2)).await;
//! # Ok(())
//! # }
//! ```
//!
//! What it keeps to (`docs/client.md`):
//!
//! - **No I/O when a request is served.** [`Client::pick`], [`Client::allows`], [`Client::health`] and [`Client::report`]
//!   read and write memory; a background task follows `/v1/events`, and one sends reports.
//! - **What is stale tells nothing.** 15 s after its receipt, by this machine's clocks and never by comparing two
//!   machines', or with a network that is not online, the feed is as good as none: everything passes, in the order given.
//! - **Unknown passes.** If everybody is out, the caller's policy decides: [`Order::first`] fails closed,
//!   [`Order::least_bad`] doesn't.
//! - **A dead endturn changes nothing.** It is looked for again with growing pauses, for as long as it takes.

mod builder;
pub(crate) mod follow;
mod handle;
mod keep;
mod known;
mod order;
mod routes;

pub use builder::{BuildError, Builder, MAX_ROUTES};
pub use handle::{Changes, Client, FLUSH_LIMIT, Status};
pub use known::{Feed, MAX_FRESH};
pub use order::{Basis, Order};

pub use crate::link::{MAX_REPORT_BYTES, MAX_SPOOLED, ShipperView};

#[cfg(test)]
mod tests;
