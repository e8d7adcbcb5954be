//! Fenced code blocks, as Markdown has them.

use std::{borrow::Cow, ops::Range};

use memchr::memmem;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::gate::content::Broken;

/// One fenced block.
#[derive(Debug)]
pub(in crate::gate) struct Block<'a> {
    /// The name after the fence in lower case, without what follows it; empty if it has none.
    pub(in crate::gate) language: String,
    /// What is inside.
    pub(in crate::gate) body: Cow<'a, str>,
    /// Whether its closing fence came.
    pub(in crate::gate) closed: bool,
    /// Of the whole block in the text.
    range: Range<usize>,
    /// Where pieces of the body begin: in the body, in the text. One piece unless it stands in a list or a quote.
    pieces: Vec<(usize, usize)>,
}

impl Block<'_> {
    /// A byte of the body as a byte of the text.
    pub(in crate::gate) fn place(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        match after.checked_sub(1).and_then(|n| self.pieces.get(n)) {
            Some((start, place)) => place + (at - start),
            None => self.range.start,
        }
    }

    /// What a fence that never closes makes of a reply.
    pub(in crate::gate) fn unclosed(&self, text: &str) -> Broken {
        let before = &text.as_bytes()[..self.range.start];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        Broken::cut(
            self.range.start,
            "this code fence never closes",
            format!("the code fence of line {line} never closes"),
        )
    }
}

/// Whether the last fence of a text never closes. Where lines alone say that it does, nothing else is asked.
pub(in crate::gate) fn is_open(text: &str) -> bool {
    open_by_lines(text) && blocks(text).last().is_some_and(|block| !block.closed)
}

/// Every fenced block of a text, in order. Only the last one can be open.
pub(in crate::gate) fn blocks(text: &str) -> Vec<Block<'_>> {
    // Most texts have no fence: telling so is a search.
    if memmem::find(text.as_bytes(), b"```").is_none() && memmem::find(text.as_bytes(), b"~~~").is_none() {
        return Vec::new();
    }
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                inside = true;
                blocks.push(Block {
                    language: language(&info),
                    body: Cow::Borrowed(""),
                    closed: closes(text, &range),
                    range,
                    pieces: Vec::new(),
                });
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(_) if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.add(text, range);
                }
            }
            _ => {}
        }
    }
    // A model may indent a fence otherwise than its end, which Markdown reads as one block left open by its list and
    // another one opened. Only a fence that is open read either way is an open one.
    let open = open_by_lines(text);
    let count = blocks.len();
    for (n, block) in blocks.iter_mut().enumerate() {
        block.closed |= !open || n + 1 < count;
    }
    blocks
}

impl<'a> Block<'a> {
    fn add(&mut self, text: &'a str, range: Range<usize>) {
        let follows = self
            .pieces
            .last()
            .is_some_and(|(start, place)| place + (self.body.len() - start) == range.start);
        if !follows {
            self.pieces.push((self.body.len(), range.start));
        }
        let whole = self.pieces.first().filter(|_| self.pieces.len() == 1);
        match whole {
            Some((_, start)) => self.body = Cow::Borrowed(&text[*start..range.end]),
            None => self.body.to_mut().push_str(&text[range]),
        }
    }
}

/// The first word of the info string: `rust,ignore`, `js title="x"` and `{.python}` name a language each.
fn language(info: &str) -> String {
    let info = info.trim_start_matches(['{', '.', ' ']);
    let end = info
        .find([' ', '\t', ',', '{', '}', ':', ';', '='])
        .unwrap_or(info.len());
    info[..end].to_ascii_lowercase()
}

/// Whether the block's last line is a fence that closes its first one.
fn closes(text: &str, range: &Range<usize>) -> bool {
    let block = text[range.clone()].trim_end_matches(['\r', '\n']);
    let opening = fence(block);
    let Some((first, last)) = memchr::memrchr(b'\n', block.as_bytes()).map(|at| (opening, &block[at + 1..]))
    else {
        return false;
    };
    let start = memchr::memrchr(b'\n', &text.as_bytes()[..range.start]).map_or(0, |at| at + 1);
    let quoted = text[start..range.start].contains('>');
    let last = last
        .trim_start_matches(|c| matches!(c, ' ' | '\t') || (quoted && c == '>'))
        .trim_end();
    match (first, fence(last)) {
        (Some((sign, length)), Some((other, count))) => {
            other == sign && count >= length && count == last.len()
        }
        _ => false,
    }
}

/// The sign and length of the fence that a line begins with.
fn fence(line: &str) -> Option<(u8, usize)> {
    let sign = *line
        .as_bytes()
        .first()
        .filter(|sign| matches!(sign, b'`' | b'~'))?;
    let length = line.bytes().take_while(|byte| *byte == sign).count();
    (length >= 3).then_some((sign, length))
}

/// Whether a fence is open at the end, by lines alone, without lists and quotes.
fn open_by_lines(text: &str) -> bool {
    let mut open: Option<(u8, usize)> = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'`', b'~', &bytes[at..]).map(|n| at + n) {
        let start = memchr::memrchr(b'\n', &bytes[at..found]).map_or(at, |n| at + n + 1);
        let end = memchr::memchr(b'\n', &bytes[found..]).map_or(bytes.len(), |n| found + n);
        let lead = &text[start..found];
        if lead
            .chars()
            .all(|c| matches!(c, ' ' | '\t' | '>' | '-' | '*' | '+' | '.') || c.is_ascii_digit())
        {
            let line = &text[found..end];
            if let Some((sign, length)) = fence(line) {
                let rest = line[length..].trim();
                open = match open {
                    None if sign == b'~' || !rest.contains('`') => Some((sign, length)),
                    Some((first, count)) if first == sign && length >= count && rest.is_empty() => None,
                    other => other,
                };
            }
        }
        at = end;
    }
    open.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, bool)]) {
        let found = blocks(text);
        let got: Vec<_> = found
            .iter()
            .map(|block| (block.language.as_str(), block.body.as_ref(), block.closed))
            .collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn fences_as_markdown_has_them() {
        check("no fence", &[]);
        check("a `` ` `` b", &[]);
        check("```rust\nfn\n```\n", &[("rust", "fn\n", true)]);
        check("```rust\nfn\n```", &[("rust", "fn\n", true)]);
        check("```rust\nfn\n``", &[("rust", "fn\n``", false)]);
        check("```rust\nfn", &[("rust", "fn", false)]);
        check("```rust", &[("rust", "", false)]);
        check("```", &[("", "", false)]);
        check("~~~ js\n```\n~~~\n", &[("js", "```\n", true)]);
        check("````md\n```\nx\n```\n````\n", &[("md", "```\nx\n```\n", true)]);
        check(
            "```a\n1\n```\ntext\n```b\n2\n",
            &[("a", "1\n", true), ("b", "2\n", false)],
        );
        check("> ```py\n> x\n> ```\n", &[("py", "x\n", true)]);
        check("- ```py\n  x\n  y\n  ```\n- z\n", &[("py", "x\ny\n", true)]);
        check("```Rust,ignore\n```\n", &[("rust", "", true)]);
        check("```{.python}\n```\n", &[("python", "", true)]);
        check("```\r\na\r\n```\r\n", &[("", "a\n", true)]);
        // Inline code that looks like a fence.
        check("```x``` y", &[]);
    }

    #[test]
    fn a_fence_that_ends_in_another_indentation_is_no_cut() {
        let text = "1. Do\n   ```sh\n   ls\n```\n2. Done\n";
        assert!(
            blocks(text).iter().all(|block| block.closed),
            "{:?}",
            blocks(text)
        );
    }

    #[test]
    fn places_of_a_body_are_places_of_the_text() {
        for text in [
            "ä\n```c\nab(\n```\n",
            "> ```c\n> x\n> ab(\n> ```\n",
            "- ```c\n  x\n  ab(\n",
        ] {
            let found = blocks(text);
            let block = found.first().expect("a block");
            let at = block.body.find('(').expect("a bracket");
            assert_eq!(&text[block.place(at)..=block.place(at)], "(", "{text}");
        }
    }
}
