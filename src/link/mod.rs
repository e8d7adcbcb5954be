//! The way out: the HTTP client that asks a daemon of ours, the sender of reports, and what all who connect share of TLS
//! and proxies.
//!
//! The tap, the command line and [`crate::client`] report and ask this way; whoever probes takes only the shared part.

mod http;
mod proxy;
mod ship;
mod spool;

pub use http::{ClientError, http_client};
pub(crate) use http::{USER_AGENT, innermost, side_client, tls_config};
pub(crate) use proxy::{is_tunnel, proxy_fault, proxy_wants_login};
pub use ship::{BACKOFF_MAX, MAX_REPORT_BYTES, MAX_RETRY_AFTER, Shipper, ShipperView};
pub use spool::{MAX_SPOOL_BYTES, MAX_SPOOLED};
