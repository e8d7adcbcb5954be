//! A body to its items: one object, an array, or a line each.

use serde::{Deserialize, Deserializer, de::Visitor, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::feed::outcome::Outcome;

/// Most reports of one body.
pub const MAX_ITEMS: usize = 10_000;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object or an array of them.
    Json,
    /// One object a line; empty lines are skipped.
    Lines,
}

/// Why a body holds no reports at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is no JSON.
    #[error("the body is no JSON: {0}")]
    Json(String),
    /// It is JSON, but neither an object nor an array.
    #[error("the body is neither a report nor an array of reports")]
    Shape,
    /// More than [`MAX_ITEMS`]: send fewer at a time.
    #[error("the body holds more than {MAX_ITEMS} reports")]
    TooMany,
}

/// A report that is an object: serde would also take the members of a structure in their order from an array.
struct Object<'a>(Outcome<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Outcome::deserialize(Members(from)).map(Self)
    }
}

/// Takes a structure from an object alone.
struct Members<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Members<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// An item, or why it is none. A wrong one does not spoil the others.
pub(super) type Item<'a> = Result<Outcome<'a>, String>;

/// The items of a body.
pub(super) fn items(body: &[u8], format: Format) -> Result<Vec<Item<'_>>, BodyError> {
    let items = match format {
        Format::Json => json(body)?,
        Format::Lines => lines(body)?,
    };
    if items.len() > MAX_ITEMS {
        return Err(BodyError::TooMany);
    }
    Ok(items)
}

fn json(body: &[u8]) -> Result<Vec<Item<'_>>, BodyError> {
    let no_json = |error: serde_json::Error| BodyError::Json(error.to_string());
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => {
            // Nearly always all of them are right; what costs a second look is the exception.
            if let Ok(all) = serde_json::from_slice::<Vec<Object<'_>>>(body) {
                return Ok(all.into_iter().map(|Object(report)| Ok(report)).collect());
            }
            let raw: Vec<&RawValue> = serde_json::from_slice(body).map_err(no_json)?;
            Ok(raw.into_iter().map(|item| one(item.get().as_bytes())).collect())
        }
        Some(b'{') => match serde_json::from_slice::<Object<'_>>(body) {
            Ok(Object(report)) => Ok(vec![Ok(report)]),
            Err(error) if error.is_data() => Ok(vec![Err(error.to_string())]),
            Err(error) => Err(no_json(error)),
        },
        _ => match serde_json::from_slice::<&RawValue>(body) {
            Ok(_) => Err(BodyError::Shape),
            Err(error) => Err(no_json(error)),
        },
    }
}

fn lines(body: &[u8]) -> Result<Vec<Item<'_>>, BodyError> {
    let mut items = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if items.len() == MAX_ITEMS {
            return Err(BodyError::TooMany);
        }
        items.push(one(line));
    }
    Ok(items)
}

fn one(text: &[u8]) -> Item<'_> {
    serde_json::from_slice(text)
        .map(|Object(report)| report)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(body: &str, format: Format) -> String {
        match items(body.as_bytes(), format) {
            Ok(items) => items
                .iter()
                .map(|item| if item.is_ok() { '+' } else { '-' })
                .collect(),
            Err(BodyError::Json(_)) => "no json".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_wrong_item_spoils_no_other() {
        let good = r#"{"target":"a/m","verdict":"complete"}"#;
        for (body, format, wanted) in [
            (good.to_owned(), Format::Json, "+"),
            (format!(" \n{good} "), Format::Json, "+"),
            (format!("[{good},{good}]"), Format::Json, "++"),
            (
                format!("[{good},7,{{\"verdict\":3}},{good}]"),
                Format::Json,
                "+--+",
            ),
            ("[]".to_owned(), Format::Json, ""),
            (r#"[[],["x","a/m"]]"#.to_owned(), Format::Json, "--"),
            (format!("[]\n{good}"), Format::Lines, "-+"),
            (format!("[{good}"), Format::Json, "no json"),
            (format!("{good}{good}"), Format::Json, "no json"),
            (r#"{"verdict":3}"#.to_owned(), Format::Json, "-"),
            (
                "7".to_owned(),
                Format::Json,
                "the body is neither a report nor an array of reports",
            ),
            (String::new(), Format::Json, "no json"),
            (format!("{good}\r\n\n{good}\n"), Format::Lines, "++"),
            (format!("{good}\n{{\n{good}"), Format::Lines, "+-+"),
            (String::new(), Format::Lines, ""),
        ] {
            assert_eq!(shape(&body, format), wanted, "{body}");
        }
    }

    #[test]
    fn the_number_of_items_is_bounded() {
        let array = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
        let lines = |n: usize| "{}\n".repeat(n);
        for (format, body) in [
            (Format::Json, &array as &dyn Fn(usize) -> String),
            (Format::Lines, &lines),
        ] {
            assert!(items(body(MAX_ITEMS).as_bytes(), format).is_ok());
            assert_eq!(
                items(body(MAX_ITEMS + 1).as_bytes(), format).err(),
                Some(BodyError::TooMany)
            );
        }
    }
}
