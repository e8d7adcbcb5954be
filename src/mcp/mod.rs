//! The Model Context Protocol: what an agent asks before it blames itself (`docs/mcp.md`).
//!
//! Four tools, all of which only read: `provider_health`, `route`, `recent_failures`, `validate_reply`. They see the
//! daemon through one narrow [`Door`], from inside (`/mcp`) or over HTTP (`endturn mcp`). What providers and their replies
//! say is data here: it stands in structured members called `from_provider`, bounded, and never in a text of ours.

mod answer;
mod door;
mod failures;
mod health;
mod route;
mod server;
#[cfg(test)]
mod tests;
mod tools;
mod validate;

pub use door::{Closed, Door, Failures, Seen, SeenRoute};
pub use server::{CALL_TIMEOUT, MAX_CALLS, MAX_MESSAGE_BYTES, PATH, StdioError, routes, stdio};
pub use tools::{
    DEFAULT_FAILURES, DEFAULT_TARGETS, MAX_FAILURES, MAX_FOREIGN_CHARS, MAX_PATTERNS, MAX_REPLY_BYTES,
};
