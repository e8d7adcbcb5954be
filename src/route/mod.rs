//! Who of several interchangeable targets should serve: what the feed says of each, and what the operator wants.
//!
//! [`decide`] is pure: a route, a feed and what was decided before give a decision. [`Board`] keeps the newest one for
//! whoever asks. The rules in words: `docs/routes.md`.

mod board;
mod rank;
mod share;
mod standing;
mod words;

pub use board::{Board, Decided};
pub use rank::{CLEARLY_FASTER, Known, MIN_COMPARED, Memory, SIGMAS, decide};
pub use standing::{BACK_BELOW, MIN_SLOW, MIN_TAIL, Standing};

#[cfg(test)]
mod tests;
