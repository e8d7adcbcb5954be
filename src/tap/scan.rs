//! The one member of a request body that the tap reads: `model`.
//!
//! Clients write it before or after a conversation of any length, so the body is scanned as it passes: depth and
//! strings are followed, nothing but the name under way and the value looked for is held.

use crate::id::MAX_MODEL_BYTES;

/// How far into a body the model's name is looked for, in bytes.
pub const MAX_SCAN_BYTES: usize = 32 << 20;

/// The member.
const NAME: &[u8] = b"model";
/// Longest value that is held, in bytes of JSON: every character may come as an escape of six.
const MAX_VALUE_BYTES: usize = MAX_MODEL_BYTES * 6;

/// Where in the document the scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before or between tokens.
    Between,
    /// In a string that matters only for where it ends.
    Skipped,
    /// In a string that may be the name of an outermost member.
    Named,
    /// In the value looked for.
    Value,
    /// Found, or known not to come.
    Done,
}

/// Looks for the outermost member `model` with a text as its value.
#[derive(Debug)]
pub(super) struct Scan {
    at: At,
    depth: u32,
    /// The next byte is escaped.
    escaped: bool,
    /// In the outermost object the next string is a name.
    name_next: bool,
    /// The name just read is the one.
    is_model: bool,
    held: Vec<u8>,
    scanned: usize,
}

impl Scan {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self {
            at: At::Between,
            depth: 0,
            escaped: false,
            name_next: false,
            is_model: false,
            held: Vec::new(),
            scanned: 0,
        }
    }

    /// Reads on, in any split. Gives the model once, when its value ended.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Option<String> {
        let room = MAX_SCAN_BYTES - self.scanned;
        if bytes.len() > room {
            bytes = &bytes[..room];
        }
        self.scanned += bytes.len();
        while !bytes.is_empty() {
            let used = match self.at {
                At::Done => return None,
                At::Between => self.between(bytes),
                At::Skipped => self.skipped(bytes),
                At::Named | At::Value => match self.held(bytes) {
                    Ok(used) => used,
                    Err(found) => return found,
                },
            };
            bytes = &bytes[used..];
        }
        if self.scanned == MAX_SCAN_BYTES {
            self.at = At::Done;
        }
        None
    }

    /// Up to the next byte of structure or the start of a string.
    fn between(&mut self, bytes: &[u8]) -> usize {
        let structure = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':');
        let Some(place) = bytes.iter().position(structure) else {
            return bytes.len();
        };
        let outermost = self.depth == 1;
        match bytes[place] {
            b'"' => {
                self.held.clear();
                self.at = match (outermost, self.name_next, self.is_model) {
                    (true, true, _) => At::Named,
                    (true, false, true) => At::Value,
                    _ => At::Skipped,
                };
            }
            b'{' | b'[' => {
                // Only an object has members; what is none has no model.
                if self.depth == 0 && bytes[place] == b'[' {
                    self.at = At::Done;
                }
                self.depth = self.depth.saturating_add(1);
                self.name_next = self.depth == 1;
                self.is_model = false;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.at = At::Done;
                }
            }
            b',' if outermost => {
                self.name_next = true;
                self.is_model = false;
            }
            b':' if outermost => self.name_next = false,
            _ => {}
        }
        place + 1
    }

    /// To the end of a string that nobody wants.
    fn skipped(&mut self, bytes: &[u8]) -> usize {
        if self.escaped {
            self.escaped = false;
            return 1;
        }
        match memchr::memchr2(b'"', b'\\', bytes) {
            None => bytes.len(),
            Some(place) => {
                if bytes[place] == b'\\' {
                    self.escaped = true;
                } else {
                    self.at = At::Between;
                }
                place + 1
            }
        }
    }

    /// One byte of a string that is held. `Err`: the value ended, here is what it is.
    fn held(&mut self, bytes: &[u8]) -> Result<usize, Option<String>> {
        let byte = bytes[0];
        if !self.escaped && byte == b'"' {
            if self.at == At::Value {
                self.at = At::Done;
                return Err(self.value());
            }
            self.is_model = self.held == NAME;
            self.at = At::Between;
            return Ok(1);
        }
        self.escaped = !self.escaped && byte == b'\\';
        let most = if self.at == At::Value {
            MAX_VALUE_BYTES
        } else {
            NAME.len()
        };
        if self.held.len() < most {
            self.held.push(byte);
        } else if self.at == At::Value {
            // Too long for a model's id: there is none.
            self.at = At::Done;
        } else {
            // Too long for the name: another member.
            self.held.clear();
            self.is_model = false;
            self.at = At::Skipped;
        }
        Ok(1)
    }

    fn value(&self) -> Option<String> {
        let quoted = [b"\"", self.held.as_slice(), b"\""].concat();
        serde_json::from_slice(&quoted).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(body: &[u8], step: usize) -> Option<String> {
        let mut scan = Scan::new();
        body.chunks(step).find_map(|part| scan.push(part))
    }

    #[test]
    fn the_outermost_model_is_found_wherever_it_stands() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        let rows: &[(&str, Option<&str>)] = &[
            (r#"{"model":"a/b"}"#, Some("a/b")),
            (r#" { "stream" : true , "model" : "m-1" }"#, Some("m-1")),
            (
                r#"{"messages":[{"role":"user","content":"\"model\":\"no\""}],"model":"yes"}"#,
                Some("yes"),
            ),
            (r#"{"metadata":{"model":"no"},"model":"yes"}"#, Some("yes")),
            (
                r#"{"a":["model","no",{"model":"no"}],"model":"yes"}"#,
                Some("yes"),
            ),
            (r#"{"x":"model","y":"no","model":"yes"}"#, Some("yes")),
            (r#"{"x":"a\\","model":"yes"}"#, Some("yes")),
            (r#"{"model":"meta\/x"}"#, Some("meta/x")),
            (r#"{"model":null,"y":"no"}"#, None),
            (r#"{"model":{"name":"no"}}"#, None),
            (r#"{"models":"no"}"#, None),
            (r#"{"mode":"no"}"#, None),
            (r#"{"model_":"no","a":"no"}"#, None),
            (r#"[{"model":"no"}]"#, None),
            (r#""model""#, None),
            (r#"{"a":1}{"model":"no"}"#, None),
            (r#"{"model":"cut"#, None),
            ("", None),
        ];
        for (body, expected) in rows {
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(
                    scan(body.as_bytes(), step).as_deref(),
                    *expected,
                    "{body} by {step}"
                );
            }
        }
        assert_eq!(scan(format!(r#"{{"model":"{long}"}}"#).as_bytes(), 64), None);
    }

    #[test]
    fn it_looks_so_far_and_no_further() {
        for (pad, found) in [(0, true), (1, false)] {
            let head = r#"{"p":""#;
            let tail = r#"","model":"m"}"#;
            // The closing quote of the value is the last byte that may be looked at.
            let body = head.len() + tail.len() - 1;
            let text = format!("{head}{}{tail}", "x".repeat(MAX_SCAN_BYTES - body + pad));
            assert_eq!(scan(text.as_bytes(), 1 << 20).is_some(), found, "{pad}");
        }
    }

    proptest! {
        #[test]
        fn any_document_and_any_split(text in ".{0,40}", key in "[a-z]{1,8}", step in 1_usize..20) {
            prop_assume!(key != "model");
            let inner = serde_json::json!({"model": "inner", "t": text});
            let mut body = serde_json::Map::new();
            body.insert(key, serde_json::json!([inner, text]));
            body.insert("model".to_owned(), serde_json::json!("outer"));
            let body = serde_json::to_vec(&body).unwrap();
            prop_assert_eq!(scan(&body, step), Some("outer".to_owned()));
        }

        #[test]
        fn nothing_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..20) {
            let _ = scan(&body, step);
        }
    }
}
