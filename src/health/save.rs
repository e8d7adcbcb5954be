//! The kept form of the detector state.

/// States by their name in the feed, so that a kept file reads well and survives a reordered enum.
pub(super) mod state_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::health::State;

    pub(crate) fn serialize<S: Serializer>(state: &State, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(state.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let text = String::deserialize(from)?;
        State::parse(&text).ok_or_else(|| D::Error::custom(format!("unknown state {text:?}")))
    }
}
