//! One small lexer for languages whose own is not published: it knows strings, comments and brackets, and of the rest
//! only what tells a division from a regular expression.

use logos::{Lexer, Logos};
use memchr::{memchr, memchr2, memchr3, memmem};

use super::{
    balance::{Opener, Tally},
    language::{Quote, Traits},
};

#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    #[token("//")]
    Slashes,
    #[token("/*")]
    Block,
    #[token("/")]
    Slash,
    #[token("#")]
    Hash,
    #[token("\"\"\"")]
    TripleDouble,
    #[token("'''")]
    TripleSingle,
    #[token("\"")]
    Double,
    #[token("'")]
    Single,
    #[token("`")]
    Tick,
    #[regex("(?:u8|[uUL])?R\"")]
    RawString,
    #[regex(r#"@\$?""#)]
    #[token("$@\"")]
    Verbatim,
    #[token("<<")]
    #[token("<<-")]
    Here,
    #[token("<<<")]
    HereString,
    #[token("\\")]
    Backslash,
    #[token("(")]
    OpenRound,
    #[token(")")]
    CloseRound,
    #[token("[")]
    OpenSquare,
    #[token("]")]
    CloseSquare,
    #[token("{")]
    OpenCurly,
    #[token("}")]
    CloseCurly,
    /// A number may hold quotes between its digits, as in C++.
    #[regex("[0-9](?:'?[0-9A-Za-z_.])*")]
    Number,
    #[regex("[A-Za-z_$][A-Za-z0-9_$]*")]
    Word,
    #[regex("[ \t\r\n]+")]
    Space,
    #[regex("[^\\x00-\\x7F]+")]
    #[regex("[!%&*+,.:;=>?^|~-]+")]
    #[regex("[<@]")]
    Other,
}

/// Words after which a `/` begins a regular expression.
const BEFORE_REGEX: &[&str] = &[
    "await",
    "case",
    "delete",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// Longest word that ends a here-document, in bytes.
const MAX_HERE_WORD: usize = 64;
/// Here-documents that may be looked for in vain. Each look goes to the end of the code.
const MAX_HERE_LOOKS: u8 = 16;

/// Reads code of a family.
pub(super) fn tally(code: &str, traits: &Traits) -> Tally {
    let mut reader = Reader {
        lex: Token::lexer(code),
        code,
        traits,
        tally: Tally::default(),
        holes: Vec::new(),
        no_regex_before: 0,
        here_looks: 0,
        value: false,
        word_starts: true,
    };
    while let Some(token) = reader.lex.next() {
        reader.token(token.unwrap_or(Token::Other));
        if reader.tally.is_decided() {
            break;
        }
    }
    reader.tally
}

/// A string that is being read.
#[derive(Debug, Clone, Copy)]
struct Text {
    /// What ends it.
    mark: &'static [u8],
    /// It ends with its line.
    on_line: bool,
}

struct Reader<'a> {
    lex: Lexer<'a, Token>,
    code: &'a str,
    traits: &'a Traits,
    tally: Tally,
    /// The strings that the open holes stand in.
    holes: Vec<Text>,
    /// Before this byte no regular expression ends on its line.
    no_regex_before: usize,
    /// Here-documents that were looked for in vain.
    here_looks: u8,
    /// The last token ends a value: a `/` divides it.
    value: bool,
    /// The last token was white space or an operator: a `#` begins a comment in a shell.
    word_starts: bool,
}

impl Reader<'_> {
    fn token(&mut self, token: Token) {
        let at = self.lex.span().start;
        let word_starts = std::mem::take(&mut self.word_starts);
        let traits = self.traits;
        let mut value = false;
        match token {
            Token::Space => {
                self.word_starts = true;
                return;
            }
            Token::Slashes if traits.slashes => return self.line_comment(),
            Token::Block if traits.blocks => return self.block_comment(at),
            Token::Hash if traits.hashes && (word_starts || !traits.shell) => return self.line_comment(),
            Token::Slashes | Token::Slash | Token::Block if self.may_be_regex(at) => self.regex(at),
            Token::TripleDouble if traits.triple => value = self.quote(at, b"\"\"\"", Quote::Lines),
            Token::TripleSingle if traits.triple => value = self.quote(at, b"'''", Quote::Lines),
            // Three marks are an empty string and the beginning of another one.
            Token::TripleDouble => value = self.quote(at + 2, b"\"", traits.double),
            Token::TripleSingle => value = self.quote(at + 2, b"'", traits.single),
            Token::Double => value = self.quote(at, b"\"", traits.double),
            Token::Single => value = self.quote(at, b"'", traits.single),
            Token::Tick => value = self.quote(at, b"`", traits.tick),
            Token::RawString if traits.raw => value = self.raw(at),
            Token::Verbatim if traits.verbatim => value = self.verbatim(at),
            Token::RawString | Token::Verbatim => {
                value = self.quote(self.lex.span().end - 1, b"\"", traits.double);
            }
            Token::Here if traits.shell && self.here_looks < MAX_HERE_LOOKS => self.here(at),
            Token::Backslash => self.skip(1),
            Token::OpenRound => self.tally.open(Opener::Round, at),
            Token::OpenSquare => self.tally.open(Opener::Square, at),
            Token::OpenCurly => self.tally.open(Opener::Curly, at),
            Token::CloseRound => value = self.close(Opener::Round, at),
            Token::CloseSquare => value = self.close(Opener::Square, at),
            Token::CloseCurly if self.tally.top() == Some(Opener::Hole) => {
                self.tally.close(Opener::Hole, at, false);
                value = match self.holes.pop() {
                    Some(string) => self.string(at, string),
                    None => true,
                };
            }
            Token::CloseCurly => {
                self.close(Opener::Curly, at);
            }
            Token::Number => value = true,
            Token::Word => value = !traits.regex || !BEFORE_REGEX.contains(&self.lex.slice()),
            Token::Slashes
            | Token::Slash
            | Token::Block
            | Token::Hash
            | Token::Here
            | Token::HereString
            | Token::Other => self.word_starts = traits.shell && self.lex.slice().ends_with([';', '&', '|']),
        }
        self.value = value;
    }

    fn close(&mut self, opener: Opener, at: usize) -> bool {
        self.word_starts = self.traits.shell;
        self.tally.close(opener, at, self.traits.shell);
        true
    }

    /// Skips so many bytes, to the end of a character and at most to the end.
    fn skip(&mut self, bytes: usize) {
        let rest = self.lex.remainder();
        let end = (bytes..rest.len())
            .find(|at| rest.is_char_boundary(*at))
            .unwrap_or(rest.len());
        self.lex.bump(end);
    }

    fn line_comment(&mut self) {
        let rest = self.lex.remainder();
        let end = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.lex.bump(end);
        self.word_starts = true;
    }

    fn block_comment(&mut self, at: usize) {
        let rest = self.lex.remainder().as_bytes();
        let end = if self.traits.nested {
            nested_end(rest)
        } else {
            memmem::find(rest, b"*/").map(|end| end + 2)
        };
        self.finish(at, end, Opener::Comment);
    }

    /// Goes behind the end of what began at `at`, or leaves it open. Tells that a value ended.
    fn finish(&mut self, at: usize, end: Option<usize>, opener: Opener) -> bool {
        if end.is_none() {
            self.tally.open(opener, at);
        }
        let end = end.unwrap_or(self.lex.remainder().len());
        self.lex.bump(end);
        true
    }

    /// What a quotation mark at `at` begins.
    fn quote(&mut self, at: usize, mark: &'static [u8], quote: Quote) -> bool {
        match quote {
            Quote::Nothing => false,
            Quote::Raw => {
                let end = memmem::find(self.lex.remainder().as_bytes(), mark);
                self.finish(at, end.map(|end| end + mark.len()), Opener::String)
            }
            Quote::Line => self.string(at, Text { mark, on_line: true }),
            Quote::Lines => self.string(at, Text { mark, on_line: false }),
        }
    }

    /// The rest of a string, until its end or the next hole in it.
    fn string(&mut self, at: usize, string: Text) -> bool {
        let rest = self.lex.remainder().as_bytes();
        // In most languages `$` and a line end mean nothing inside a string: then the search goes on past them.
        let hole = if self.traits.holes { b'$' } else { b'\\' };
        let mut from = 0;
        while let Some(found) = memchr3(string.mark[0], b'\\', hole, &rest[from..]).map(|n| from + n) {
            if string.on_line
                && let Some(line) = memchr(b'\n', &rest[from..found]).map(|n| from + n)
            {
                return self.line_end(at, string, line);
            }
            match rest[found] {
                b'$' if rest.get(found + 1) == Some(&b'{') => {
                    let hole = self.lex.span().end + found;
                    self.lex.bump(found + 2);
                    self.tally.open(Opener::Hole, hole);
                    self.holes.push(string);
                    return false;
                }
                b'\\' => from = (found + 2).min(rest.len()),
                _ if rest[found..].starts_with(string.mark) => {
                    return self.finish(at, Some(found + string.mark.len()), Opener::String);
                }
                _ => from = found + 1,
            }
        }
        match memchr(b'\n', &rest[from..]).filter(|_| string.on_line) {
            Some(line) => self.line_end(at, string, from + line),
            None => self.finish(at, None, Opener::String),
        }
    }

    /// A string that its line ends: a mistake, or an apostrophe that began none.
    fn line_end(&mut self, at: usize, string: Text, line: usize) -> bool {
        if string.mark == b"'" {
            return false;
        }
        self.finish(at, Some(line), Opener::String)
    }

    /// `R"x( .. )x"`.
    fn raw(&mut self, at: usize) -> bool {
        let rest = self.lex.remainder().as_bytes();
        // The standard allows 16 characters before the bracket.
        let Some(open) = memchr(b'(', &rest[..rest.len().min(17)]) else {
            return self.quote(at, b"\"", Quote::Line);
        };
        let mut mark = vec![b')'];
        mark.extend_from_slice(&rest[..open]);
        mark.push(b'"');
        let end = memmem::find(rest, &mark).map(|end| end + mark.len());
        self.finish(at, end, Opener::String)
    }

    /// `@" .. "" .. "`.
    fn verbatim(&mut self, at: usize) -> bool {
        let rest = self.lex.remainder().as_bytes();
        let mut from = 0;
        let end = loop {
            let Some(found) = memchr(b'"', &rest[from..]).map(|n| from + n) else {
                break None;
            };
            if rest.get(found + 1) != Some(&b'"') {
                break Some(found + 1);
            }
            from = found + 2;
        };
        self.finish(at, end, Opener::String)
    }

    fn may_be_regex(&self, at: usize) -> bool {
        self.traits.regex && !self.value && at >= self.no_regex_before
    }

    /// A regular expression ends on its line; else the slash was none of one.
    fn regex(&mut self, at: usize) {
        let rest = &self.code.as_bytes()[at + 1..];
        let (mut from, mut class) = (0, false);
        while let Some(byte) = rest.get(from) {
            match byte {
                b'\n' => break,
                b'\\' => from += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => {
                    let end = at + 1 + from + 1;
                    let past = end.saturating_sub(self.lex.span().end);
                    self.lex.bump(past);
                    self.value = true;
                    return;
                }
                _ => {}
            }
            from += 1;
        }
        self.no_regex_before = at + 1 + from;
    }

    /// A here-document: from the next line to the line of its word.
    fn here(&mut self, at: usize) {
        let rest = self.lex.remainder();
        let Some((word, behind)) = here_word(rest) else {
            return;
        };
        let Some(start) = memchr(b'\n', &rest.as_bytes()[behind..]).map(|n| behind + n) else {
            self.here_looks += 1;
            return;
        };
        let mut from = start + 1;
        while from < rest.len() {
            let end = memchr(b'\n', &rest.as_bytes()[from..]).map_or(rest.len(), |n| from + n);
            if rest[from..end].trim() == word {
                self.lex.bump(end);
                return;
            }
            from = end + 1;
        }
        self.here_looks += 1;
        // Inside brackets, two signs may be a shift.
        if self.tally.top() != Some(Opener::Round) {
            self.tally.open(Opener::Here, at);
            self.lex.bump(rest.len());
        }
    }
}

/// The word after `<<`, and where it ends.
fn here_word(rest: &str) -> Option<(&str, usize)> {
    let bare = rest.trim_start_matches([' ', '\t', '\'', '"', '\\']);
    let length = bare
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let starts = bare
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let behind = rest.len() - bare.len() + length;
    (starts && length <= MAX_HERE_WORD).then(|| (&bare[..length], behind))
}

fn nested_end(rest: &[u8]) -> Option<usize> {
    let (mut from, mut depth) = (0, 1_usize);
    while let Some(found) = memchr2(b'*', b'/', &rest[from..]).map(|n| from + n) {
        match (rest[found], rest.get(found + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                from = found + 2;
                if depth == 0 {
                    return Some(from);
                }
            }
            (b'/', Some(b'*')) => {
                depth += 1;
                from = found + 2;
            }
            _ => from = found + 1,
        }
    }
    None
}
