//! endturn watches LLM providers from the outside and tells who can finish a reply right now.
//!
//! The name is the stop reason `end_turn`: a reply that really finished. An HTTP 200 proves that a reply began;
//! only the protocol's own end proves that it finished, and endturn judges every stream by that.
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | names, time | [`id`], [`clock`] | nothing of ours |
//! | bytes to events | [`protocol`] | the layer above |
//! | events to verdicts | [`verdict`] | `protocol` and above |
//! | verdicts to health | [`health`] | `verdict` and above |
//! | anybody's reply to a verdict | [`gate`] | `verdict` and above |
//! | a month in figures | [`report`] | `health` and above |
//! | contracts | [`config`], [`feed`] | `health` and above |
//! | the way to a daemon | [`link`] | contracts and above |
//! | for routers | [`client`] | `link` and above |
//! | edges | [`probe`], [`intake`], [`tap`], [`official`], [`store`], [`telemetry`], [`route`], [`alert`] | `link` and above |
//! | surfaces | [`api`], [`mcp`], [`simulate`] | edges and above |
//! | assembly | [`daemon`], [`cli`] | everything |
//!
//! `health`, `gate`, `report` and everything before them are pure: no socket, no file, no clock of their own. ARCHITECTURE.md lists
//! the invariants and the test that holds each.

pub mod alert;
pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod feed;
pub mod gate;
pub mod health;
pub mod id;
pub mod intake;
pub mod link;
pub mod mcp;
pub mod official;
pub mod probe;
pub mod protocol;
pub mod report;
pub mod route;
pub mod simulate;
pub mod store;
pub mod tap;
pub mod telemetry;
pub mod verdict;

pub use gate::validate;
