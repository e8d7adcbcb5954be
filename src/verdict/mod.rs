//! One probe's [`Timeline`] to a [`Verdict`], and the [`Observation`] that everything else derives from. Pure.

mod canary;
mod judge;
mod observation;
mod timeline;
mod types;

pub use canary::{Match, match_words};
pub use judge::{Expectation, Expected, Judgement, ToolCall, judge, same_model};
pub use observation::*;
pub use timeline::{Ending, Fault, Timeline};
pub use types::*;
