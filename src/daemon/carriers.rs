//! What brings messages to channels.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;

use super::post::Carriers;
use crate::{
    alert::{Carrier, Deliver, Means, Message, Outcome},
    clock::Timestamp,
    config::Channel,
};

/// A channel by its own way.
struct Way(Carrier);

impl Deliver for Way {
    fn deliver<'a>(&'a self, message: &'a Message, now: Timestamp) -> BoxFuture<'a, Outcome> {
        Box::pin(self.0.deliver(message, now))
    }
}

/// A channel that can't be spoken to: its messages wait, as with one that does not answer, and the list tells why.
struct Broken(String);

impl Deliver for Broken {
    fn deliver<'a>(&'a self, _: &'a Message, _: Timestamp) -> BoxFuture<'a, Outcome> {
        let why = self.0.clone();
        Box::pin(async { Outcome::Later { why, after: None } })
    }
}

/// Makes the carrier of a channel. The system's roots are read once, with the first one.
pub(crate) fn carriers() -> Carriers {
    let means: OnceLock<Result<Means, String>> = OnceLock::new();
    Arc::new(move |channel: &Channel| {
        let means = means.get_or_init(|| Means::system().map_err(|error| error.to_string()));
        let carrier = means
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|means| Carrier::new(channel, means).map_err(|error| error.to_string()));
        match carrier {
            Ok(carrier) => Arc::new(Way(carrier)) as Arc<dyn Deliver>,
            Err(error) => {
                tracing::error!(error, channel = channel.name, "the channel can't be spoken to");
                Arc::new(Broken(error))
            }
        }
    })
}
