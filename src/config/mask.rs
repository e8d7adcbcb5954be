//! Hides what may be a secret in a text that is about to be shown. Every mask keeps the byte count, so that carets
//! still point to the right place.

use std::ops::Range;

/// Parts of key names whose values are hidden.
const SECRET_NAMES: [&str; 8] = [
    "key", "secret", "token", "passw", "auth", "cookie", "header", "account",
];
/// Key names that hold such a part and are harmless: references to secrets, and counts of tokens.
const HARMLESS_NAMES: [&str; 8] = [
    "env",
    "file",
    "credential",
    "max_tokens",
    "first_token",
    "input_tokens",
    "output_tokens",
    "extra_output_tokens",
];
/// Tables of secrets: whoever writes a string instead has pasted one.
const SECRET_TABLES: [&str; 2] = ["aws", "google"];
/// How the vendors' keys begin.
const SECRET_PREFIXES: [&str; 13] = [
    "sk-", "AIza", "gsk_", "xai-", "ghp_", "Bearer ", "nvapi-", "pplx-", "csk-", "fw_", "AKIA", "ASIA",
    "ya29.",
];
/// A word shorter than this, after such a beginning or without quotes, is not a key.
const MIN_SECRET_BYTES: usize = 8;

/// The text with values of secret-sounding keys, words that look like a vendor's key, and every string on the lines
/// of `hidden` replaced by stars.
pub(super) fn mask(text: &str, hidden: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut from = 0;
    // Which delimiter an unfinished multi-line value of a hidden key waits for.
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let range = from..from + line.len();
        from = range.end;
        if let Some(end) = open {
            star(&mut bytes, range);
            open = Some(end).filter(|end| !line.contains(*end));
            continue;
        }
        let hide = hidden
            .iter()
            .any(|span| span.start < range.end && range.start <= span.end);
        for value in secret_values(line, hide) {
            star(&mut bytes, range.start + value.start..range.start + value.end);
            open = ["\"\"\"", "'''"]
                .into_iter()
                .find(|quote| line[value.clone()].matches(quote).count() == 1)
                .or(open);
        }
    }
    for prefix in SECRET_PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            let start = at + prefix.len();
            let len = text[start..]
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || b"-_.~+/=".contains(b))
                .count();
            let inside_word = text[..at]
                .bytes()
                .next_back()
                .is_some_and(|b| b.is_ascii_alphanumeric());
            if len >= MIN_SECRET_BYTES && !inside_word {
                star(&mut bytes, start..start + len);
            }
        }
    }
    // Only whole characters were replaced, each byte by an ASCII one.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Stars for everything but line ends.
fn star(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b'*';
        }
    }
}

/// Parts of one line that must not be shown: the value of a secret-sounding key to the end of the line, or its
/// string where it stands in an inline table; with `all`, every string.
fn secret_values(line: &str, all: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut name_from = 0;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '{' | ',' | '[' => name_from = at + 1,
            '"' | '\'' => {
                let end = string_end(line, at, c);
                // A quoted key is followed by `=`; it is no value.
                if all && !line[end..].trim_start().starts_with('=') {
                    let closed = end > at + 1 && line[..end].ends_with(c);
                    found.push(at + 1..if closed { end - 1 } else { end });
                }
                while chars.clone().next().is_some_and(|(next, _)| next < end) {
                    chars.next();
                }
            }
            '=' => {
                let name = line[name_from..at].trim().rsplit('.').next().unwrap_or_default();
                let value = at + 1 + (line[at + 1..].len() - line[at + 1..].trim_start().len());
                let rest = line[value..].trim_end();
                if is_secret_name(name) && !rest.starts_with('{') && !rest.is_empty() {
                    let end = match rest.chars().next() {
                        Some(quote @ ('"' | '\'')) if name_from > 0 => string_end(line, value, quote),
                        _ => value + rest.len(),
                    };
                    found.push(value..end);
                } else if all {
                    // A value that lacks its quotes.
                    let bare = rest
                        .find([',', '}', '#', '"', '\''])
                        .map_or(rest, |end| &rest[..end])
                        .trim_end();
                    if bare.len() >= MIN_SECRET_BYTES && bare.starts_with(|c: char| c.is_alphanumeric()) {
                        found.push(value..value + bare.len());
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The byte behind the string that begins at `from`, or the end of the line where it isn't closed.
fn string_end(line: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (offset, c) in line[from + 1..].char_indices() {
        match c {
            '\\' if quote == '"' && !escaped => escaped = true,
            c if c == quote && !escaped => return from + 1 + offset + 1,
            _ => escaped = false,
        }
    }
    line.trim_end().len().max(from + 1)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.trim_matches(['"', '\'', ' ']).to_ascii_lowercase();
    SECRET_TABLES.contains(&name.as_str())
        || (!HARMLESS_NAMES.contains(&name.as_str()) && SECRET_NAMES.iter().any(|part| name.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_of_the_same_length() {
        for (text, expected) in [
            ("api_key = \"abc\"\n", "api_key = *****\n"),
            ("api_key = abc\r\n", "api_key = ***\r\n"),
            ("api_key = { env = \"NAME\" }", "api_key = { env = \"NAME\" }"),
            (
                "api_key = { value = \"sk-abcdefgh\" }",
                "api_key = { value = \"sk-********\" }",
            ),
            (
                "headers = { x-api-key = \"abc\", b = \"c\" }",
                "headers = { x-api-key = *****, b = \"c\" }",
            ),
            ("provider.api_key = 'abc'", "provider.api_key = *****"),
            ("max_tokens = 12", "max_tokens = 12"),
            ("aws = 'AKIAIOSF'", "aws = **********"),
            ("aws = { region = 'x' }", "aws = { region = 'x' }"),
            ("id = \"a\" # sk-0123456789", "id = \"a\" # sk-**********"),
            ("id = \"risk-assessment-model\"", "id = \"risk-assessment-model\""),
            (
                "token = \"\"\"ab\ncd\"\"\"\nid = 'x'",
                "token = *****\n*****\nid = 'x'",
            ),
        ] {
            let masked = mask(text, &[]);
            assert_eq!(masked, expected);
            assert_eq!(masked.len(), text.len());
        }
    }

    #[test]
    fn hidden_lines_show_no_string() {
        assert_eq!(mask("kye = ab-c5678 # x", &vec![0..3; 1]), "kye = ******** # x");
        let text = "a = \"b\"\napi_kye = \"ünseen\" # x\n\"q\" = 'open";
        assert_eq!(
            mask(text, &vec![8..15; 1]),
            "a = \"b\"\napi_kye = \"*******\" # x\n\"q\" = 'open"
        );
        assert_eq!(
            mask(text, &vec![32..33; 1]),
            "a = \"b\"\napi_kye = \"ünseen\" # x\n\"q\" = '****"
        );
    }
}
