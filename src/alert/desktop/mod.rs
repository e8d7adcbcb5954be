//! Desktop notifications: what one says ([`Note`], pure) and the way to the session's notification server
//! (`Tray`, with the feature `desktop`).
//!
//! `endturn notify` and channels of the type `desktop` share both (docs/desktop.md).

#[cfg(feature = "desktop")]
mod bus;
#[cfg(all(test, feature = "desktop"))]
pub(crate) mod fixture;
mod note;
#[cfg(feature = "desktop")]
mod open;
#[cfg(feature = "desktop")]
mod tray;

pub use note::{Life, MAX_BODY_BYTES, MAX_SUMMARY_BYTES, NAMED, Note, Urgency, note};
#[cfg(feature = "desktop")]
pub use {
    bus::SessionBus,
    open::open,
    tray::{Bus, Features, Heard, SHOW_LIMIT, Shown, Tray, TrayError},
};
