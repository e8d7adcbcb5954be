//! The provider simulator: speaks every protocol that we probe, with faults on demand. `docs/simulator.md` is its manual.
//!
//! [`Simulator`] binds a port and serves; [`Faults`] changes what is wrong while it runs, [`RequestLog`] tells what it
//! really did and when, [`Scenario`] plays a sequence. A reply is a script, a list of timed byte strings with an end,
//! built by pure code from the request, the fault and a seeded generator; only the body that plays it touches time.

mod body;
mod catalog;
mod control;
mod endpoint;
mod fault;
mod fault_spec;
mod faults;
mod log;
mod manner;
mod pace;
mod prompt;
mod scenario;
mod script;
mod server;
mod service;
mod status_page;
mod vendor;

pub use fault::{Cut, Fault, FaultKind, Scope};
pub use fault_spec::{FaultSpec, SpecError};
pub use faults::{FaultKey, Faults, MAX_RULES};
pub use log::{Entry, LogPage, MAX_ENTRIES, RequestLog};
pub use pace::Pace;
pub use scenario::{Action, DEMO_PHASES, MAX_STEPS, Phase, Scenario, ScenarioError, ScenarioStep};
pub use server::{MAX_CONNECTIONS, Options, Simulator};
pub use service::MAX_REQUEST_BYTES;
pub use status_page::{ComponentStatus, PageFault, PageState, StatusPages};

/// Every base URL below the simulator's address as a path, with what is spoken there, one a line.
pub fn base_urls() -> Vec<String> {
    let line = |(path, spoken): (String, Vec<crate::protocol::Protocol>)| {
        let spoken: Vec<&str> = spoken
            .into_iter()
            .map(crate::protocol::Protocol::as_str)
            .collect();
        format!("{path:<58}{}", spoken.join(", "))
    };
    catalog::base_urls().into_iter().map(line).collect()
}

/// The providers that are simulated, as their base paths name them.
pub const PROVIDERS: [&str; catalog::VENDORS.len()] = {
    let mut names = [""; catalog::VENDORS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = catalog::VENDORS[at].name;
        at += 1;
    }
    names
};
