//! How single values are written: times as RFC 3339, words of closed sets by their names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// A [`Timestamp`] that is written as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-06-20T13:01:00.000Z"))]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::from_rfc3339(&text)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format_args!("{text:?} is not an RFC 3339 time")))
    }
}

/// Ids, written as their text and checked when read.
pub(crate) mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// An id that may be missing.
pub(crate) mod maybe_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[expect(clippy::ref_option, reason = "serde hands out a reference to the field")]
    pub(crate) fn serialize<T: Display, S: Serializer>(
        id: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}

/// A closed set on our side; a reader takes a word that it doesn't know for `$other`.
macro_rules! words {
    ($module:ident, $type:ty, [$($value:expr),+], $other:expr) => {
        #[doc = concat!("`", stringify!($type), "` by its name.")]
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, Serializer};

            pub(crate) fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let word = String::deserialize(deserializer)?;
                Ok([$($value),+].into_iter().find(|v| v.as_str() == word).unwrap_or($other))
            }
        }
    };
}

use crate::health::{Breaker, Hint, Network, State};

words!(
    state,
    super::State,
    [
        super::State::Operational,
        super::State::Degraded,
        super::State::Partial,
        super::State::Down,
        super::State::Unknown,
        super::State::Maintenance
    ],
    super::State::Unknown
);
words!(
    hint,
    super::Hint,
    [
        super::Hint::Allow,
        super::Hint::Suspect,
        super::Hint::Avoid,
        super::Hint::Ramp,
        super::Hint::Throttle,
        super::Hint::Blocked,
        super::Hint::NoOpinion
    ],
    super::Hint::NoOpinion
);
words!(
    breaker,
    super::Breaker,
    [
        super::Breaker::Closed,
        super::Breaker::Open,
        super::Breaker::HalfOpen
    ],
    super::Breaker::Closed
);
// Who meets a decision that it doesn't know asks nobody, which is the cautious one.
words!(
    decision,
    crate::feed::route::Decision,
    [
        crate::feed::route::Decision::Use,
        crate::feed::route::Decision::FailClosed
    ],
    crate::feed::route::Decision::FailClosed
);
words!(
    network,
    super::Network,
    [super::Network::Online, super::Network::Offline],
    super::Network::Offline
);
