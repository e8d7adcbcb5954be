//! What brings messages to channels, made once and for all.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::post::Carriers;
use crate::{
    alert::{Deliver, Message, Outcome},
    clock::Timestamp,
};

/// A channel that can't be spoken to: its messages wait until it can, or their day is over.
struct Broken(String);

impl Deliver for Broken {
    fn deliver<'a>(&'a self, _: &'a Message, _: Timestamp) -> BoxFuture<'a, Outcome> {
        let outcome = Outcome::Later {
            why: self.0.clone(),
            after: None,
        };
        Box::pin(async { outcome })
    }
}

/// Makes the carrier of a channel.
pub(crate) fn carriers() -> Carriers {
    Arc::new(|channel| Arc::new(Broken(format!("no way to {}", channel.name))))
}
