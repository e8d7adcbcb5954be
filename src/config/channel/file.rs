//! What a `[[channel]]` entry may say. The types share one table of keys; which of them a type reads is
//! [`super::resolve`]'s to judge, so that a key of another type is told with the keys of this one.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use crate::config::{
    file::{SecretRef, Span},
    quiet::QuietFile,
};

/// A text, or a reference to a secret.
#[derive(Clone)]
pub(super) enum Word {
    Text(String),
    Ref(SecretRef),
}

/// One reference or several.
#[derive(Clone)]
pub(super) struct Refs(pub(super) Vec<Spanned<SecretRef>>);

macro_rules! keys {
    ($($name:literal => $field:ident: $kind:ty,)*) => {
        /// A `[[channel]]` entry with every key of every type.
        #[derive(Default)]
        pub(in crate::config) struct ChannelFile {
            /// The keys that are there, unknown ones too.
            pub(super) keys: Vec<Spanned<String>>,
            $(pub(super) $field: Option<Spanned<$kind>>,)*
        }

        /// Every key of every type.
        pub(super) const KEYS: &[&str] = &[$($name),*];

        impl<'de> Visitor<'de> for Table {
            type Value = ChannelFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChannelFile, A::Error> {
                let mut file = ChannelFile::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.get_ref().as_str() {
                        $($name => file.$field = Some(map.next_value()?),)*
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                    file.keys.push(key);
                }
                Ok(file)
            }
        }
    };
}

struct Table;

keys! {
    "name" => name: String,
    "type" => kind: String,
    "quiet" => quiet: Vec<Spanned<QuietFile>>,
    "min_severity" => min_severity: String,
    "timeout" => timeout: Span,
    "allow_private" => allow_private: bool,
    "url" => url: Word,
    "urls" => urls: SecretRef,
    "secret" => secret: Refs,
    "format" => format: String,
    "template" => template: String,
    "content_type" => content_type: String,
    "headers" => headers: BTreeMap<Spanned<String>, Spanned<SecretRef>>,
    "routing_key" => routing_key: SecretRef,
    "api_key" => api_key: SecretRef,
    "topic" => topic: Word,
    "token" => token: SecretRef,
    "chat" => chat: String,
    "thread" => thread: i64,
    "key" => key: Word,
    "tag" => tag: String,
    "host" => host: String,
    "port" => port: u16,
    "tls" => tls: String,
    "user" => user: Word,
    "password" => password: SecretRef,
    "from" => from: String,
    "to" => to: Vec<Spanned<String>>,
    "repeat" => repeat: Span,
    "command" => command: Vec<Spanned<String>>,
    "env" => env: BTreeMap<Spanned<String>, Spanned<SecretRef>>,
}

impl ChannelFile {
    /// Its name, right or wrong.
    pub(in crate::config) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| name.get_ref().as_str())
    }
}

impl<'de> Deserialize<'de> for ChannelFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Word, A::Error> {
                SecretRef::deserialize(MapAccessDeserializer::new(map)).map(Word::Ref)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Refs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Refs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ env = \"NAME\" }, or a list of such references")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Refs, E> {
                let text = de::value::StrDeserializer::new(text);
                SecretRef::deserialize(text).map(|one| Refs(vec![Spanned::new(0..0, one)]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Refs, A::Error> {
                let one = SecretRef::deserialize(MapAccessDeserializer::new(map))?;
                // The caller knows where it stands: the whole value is this one.
                Ok(Refs(vec![Spanned::new(0..0, one)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Refs, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Refs(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
