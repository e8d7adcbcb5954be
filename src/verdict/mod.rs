//! One probe's [`Timeline`] to a [`Verdict`], and the [`Observation`] that everything else derives from. Pure.

mod canary;
mod counts;
mod judge;
mod observation;
mod timeline;
mod types;

pub use canary::{Expected, ExpectedAnswer, Match, match_answer};
pub use counts::Counts;
pub use judge::{Expectation, Judgement, ToolCall, judge, same_model};
pub use observation::*;
pub use timeline::{Ending, Fault, Timeline};
pub use types::*;
