//! What endturn tells of itself and of what it saw to those who collect figures: `/metrics` for Prometheus, OTLP for
//! everybody else. Names: [`names`]; what each means: `docs/metrics.md`.
//!
//! Every observation is counted once, in the [`Ledger`], by the loop itself: what the store or a collector loses is
//! counted all the same. Nobody who reads or collects holds up the loop.

mod collect;
mod exposition;
mod histogram;
mod ledger;
pub mod names;
mod otlp;
mod outlet;
mod own;

pub use exposition::{Exposition, Format};
pub use ledger::{Ledger, NotSent};
pub use otlp::{MAX_BATCHED, MAX_REPLY_BYTES, MAX_TOLD, SHUTDOWN};
pub use outlet::{Exports, Outlet};
pub use own::{Nobody, Own, OwnChannel, OwnExport, OwnIntake, OwnStore, OwnTap, Owner};
