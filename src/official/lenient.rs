//! Members of a vendor's JSON, read without failing on an unexpected type and without keeping more than their bound.
//! Only broken JSON itself is an error.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::types::{MAX_NAME_BYTES, MAX_URL_BYTES, MAX_WORD_BYTES};
use crate::clock::Timestamp;

/// A foreign text for people: white space and control characters made single spaces, cut at `max` bytes.
pub(super) fn clean(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.trim().chars() {
        let c = if c.is_whitespace() || c.is_control() {
            ' '
        } else {
            c
        };
        if c == ' ' && out.ends_with(' ') {
            continue;
        }
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out
}

/// Values of another type than the expected read as absent.
macro_rules! reader {
    ($name:ident => $out:ty; $($body:tt)*) => {
        struct $name;
        impl<'de> Visitor<'de> for $name {
            type Value = $out;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_unit<E>(self) -> Result<$out, E> { Ok(Default::default()) }
            fn visit_bool<E>(self, _: bool) -> Result<$out, E> { Ok(Default::default()) }
            fn visit_f64<E>(self, _: f64) -> Result<$out, E> { Ok(Default::default()) }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$out, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Default::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$out, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Default::default())
            }
            $($body)*
        }
    };
}

/// A text of at most `MAX` bytes or a whole number as text; empty when absent.
#[derive(Debug, Default, Clone)]
pub(super) struct Text<const MAX: usize>(pub(super) String);

/// A state word or an id.
pub(super) type Word = Text<MAX_WORD_BYTES>;
/// A title.
pub(super) type Name = Text<MAX_NAME_BYTES>;

impl<const MAX: usize> Text<MAX> {
    /// The text, unless it is empty.
    pub(super) fn some(self) -> Option<String> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

reader!(ReadText => String;
    fn visit_str<E>(self, text: &str) -> Result<String, E> { Ok(text.to_owned()) }
    fn visit_string<E>(self, text: String) -> Result<String, E> { Ok(text) }
    fn visit_i64<E>(self, n: i64) -> Result<String, E> { Ok(n.to_string()) }
    fn visit_u64<E>(self, n: u64) -> Result<String, E> { Ok(n.to_string()) }
);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(ReadText)?;
        Ok(Self(clean(&text, MAX)))
    }
}

/// An address, dropped where it is too long to be kept whole.
#[derive(Debug, Default, Clone)]
pub(super) struct Address(pub(super) Option<String>);

/// Takes an address as it stands or not at all.
pub(super) fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= MAX_URL_BYTES && !text.contains(|c: char| c.is_control());
    fits.then(|| text.to_owned())
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(ReadText)?;
        Ok(Self(address(&text)))
    }
}

/// A time: RFC 3339 or whole seconds since the epoch, as number or text.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Time(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(ReadText)?;
        let seconds = || {
            let seconds = text.trim().parse::<i64>().ok()?;
            Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
        };
        Ok(Self(Timestamp::from_rfc3339(text.trim()).or_else(seconds)))
    }
}

/// An object; `None` where something else stands.
#[derive(Debug, Clone)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// Scalars and lists where an object is expected.
macro_rules! not_an_object {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON value")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
    };
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Object<T>;
            not_an_object!();
            fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// What a list is gathered into; decides itself how much it keeps.
pub(super) trait Gather: Default {
    /// What the list holds.
    type Item: for<'de> Deserialize<'de>;
    /// Takes the next one.
    fn take(&mut self, item: Self::Item);
}

/// A list; `None` where something else stands.
#[derive(Debug, Clone)]
pub(super) struct List<G>(pub(super) Option<G>);

impl<G> Default for List<G> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, G: Gather> Deserialize<'de> for List<G> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<G>(PhantomData<G>);
        impl<'de, G: Gather> Visitor<'de> for Read<G> {
            type Value = List<G>;
            not_an_object!();
            fn visit_str<E>(self, _: &str) -> Result<List<G>, E> {
                Ok(List(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<G>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(List(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<G>, A::Error> {
                let mut gathered = G::default();
                while let Some(item) = seq.next_element()? {
                    gathered.take(item);
                }
                Ok(List(Some(gathered)))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// The name of something affected: a text, or an object with a `name`, a `title` or a `public_name`.
#[derive(Debug, Default, Clone)]
pub(super) struct Named(pub(super) String);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Members {
            name: Name,
            title: Name,
            public_name: Name,
        }
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Named;
            not_an_object!();
            fn visit_str<E: Error>(self, text: &str) -> Result<Named, E> {
                Ok(Named(clean(text, MAX_NAME_BYTES)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Named, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Named::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                let members = Members::deserialize(MapAccessDeserializer::new(map))?;
                let first = members.name.some().or(members.title.some());
                Ok(Named(first.unwrap_or(members.public_name.0)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Names, at most [`super::types::MAX_AFFECTED`], each once.
#[derive(Debug, Default, Clone)]
pub(super) struct Names(pub(super) Vec<String>);

impl Gather for Names {
    type Item = Named;

    fn take(&mut self, item: Named) {
        self.add(item.0);
    }
}

impl Names {
    pub(super) fn add(&mut self, name: String) {
        if self.0.len() < super::types::MAX_AFFECTED && !name.is_empty() && !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}
