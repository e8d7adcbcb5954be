//! From bytes to text: UTF-16 by its byte order mark, else UTF-8.

use std::borrow::Cow;

/// The text of a body. What is no valid text becomes U+FFFD, so that one bad byte costs one character.
pub(super) fn decode(body: &[u8]) -> Cow<'_, str> {
    match body {
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).into(),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).into(),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(body),
    }
}

/// A last odd byte is no character.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
