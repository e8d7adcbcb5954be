//! Rust, by the compiler's own lexer: asked wherever a literal or a comment may begin, and only there.

use ra_ap_rustc_lexer::{FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

use super::balance::{Opener, Tally};

/// What a byte of code may begin, outside literals and comments.
const CLASS: [Class; 256] = classes();

#[derive(Clone, Copy, PartialEq)]
enum Class {
    /// Nothing that counts.
    Plain,
    /// A bracket that opens or closes.
    Bracket,
    /// A string, a raw one by its hash, a character, a lifetime, or a comment: the lexer tells.
    Quote,
}

const fn classes() -> [Class; 256] {
    let mut table = [Class::Plain; 256];
    let (brackets, quotes) = (b"()[]{}", b"\"'/#");
    let mut at = 0;
    while at < brackets.len() {
        table[brackets[at] as usize] = Class::Bracket;
        at += 1;
    }
    at = 0;
    while at < quotes.len() {
        table[quotes[at] as usize] = Class::Quote;
        at += 1;
    }
    table
}

/// Reads Rust code.
pub(super) fn tally(code: &str) -> Tally {
    let bytes = code.as_bytes();
    let mut tally = Tally::default();
    // Everything before `read` is read, as tokens or as bytes that begin nothing.
    let (mut at, mut read) = (0, 0);
    while at < bytes.len() && !tally.is_decided() {
        match CLASS[bytes[at] as usize] {
            Class::Plain => at += 1,
            Class::Bracket => {
                bracket(bytes[at], at, &mut tally);
                at += 1;
                read = at;
            }
            Class::Quote => {
                let from = read + start_of(&bytes[read..at]);
                at = tokens(code, from, at, &mut tally);
                read = at;
            }
        }
    }
    tally
}

fn bracket(byte: u8, at: usize, tally: &mut Tally) {
    match byte {
        b'(' => tally.open(Opener::Round, at),
        b'[' => tally.open(Opener::Square, at),
        b'{' => tally.open(Opener::Curly, at),
        b')' => tally.close(Opener::Round, at, false),
        b']' => tally.close(Opener::Square, at, false),
        _ => tally.close(Opener::Curly, at, false),
    }
}

/// Where the prefix of a literal begins that ends with `before`: `r`, `b`, `c`, `br` and the like, and hashes. A longer
/// word is taken whole, so that the lexer sees that it is none; so is a number with the sign of its exponent, for what
/// follows `1e-` is its suffix and no prefix.
fn start_of(before: &[u8]) -> usize {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#') || !byte.is_ascii();
    let mut start = before.len();
    while let Some((&byte, rest)) = before[..start].split_last() {
        let is_sign = matches!(byte, b'+' | b'-') && matches!(rest.last(), Some(b'e' | b'E'));
        if !is_part(byte) && !is_sign {
            break;
        }
        start -= 1;
    }
    start
}

/// Asks the lexer for the tokens from `from` on until one lies beyond `quote`; gives where it ends.
fn tokens(code: &str, from: usize, quote: usize, tally: &mut Tally) -> usize {
    let mut at = from;
    for token in tokenize(&code[from..], FrontmatterAllowed::No) {
        match token.kind {
            TokenKind::BlockComment {
                terminated: false, ..
            } => tally.open(Opener::Comment, at),
            TokenKind::Literal { kind, .. } if !is_terminated(kind) => tally.open(Opener::String, at),
            _ => {}
        }
        at += token.len as usize;
        if at > quote {
            break;
        }
    }
    at
}

fn is_terminated(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Char { terminated }
        | LiteralKind::Byte { terminated }
        | LiteralKind::Str { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::CStr { terminated } => terminated,
        LiteralKind::RawStr { n_hashes }
        | LiteralKind::RawByteStr { n_hashes }
        | LiteralKind::RawCStr { n_hashes } => n_hashes.is_some(),
        LiteralKind::Int { .. } | LiteralKind::Float { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every token of the code, as the lexer reads it from its beginning.
    fn whole(code: &str) -> Tally {
        let mut tally = Tally::default();
        let mut at = 0;
        for token in tokenize(code, FrontmatterAllowed::No) {
            match token.kind {
                TokenKind::OpenParen
                | TokenKind::OpenBracket
                | TokenKind::OpenBrace
                | TokenKind::CloseParen
                | TokenKind::CloseBracket
                | TokenKind::CloseBrace => bracket(code.as_bytes()[at], at, &mut tally),
                TokenKind::BlockComment {
                    terminated: false, ..
                } => tally.open(Opener::Comment, at),
                TokenKind::Literal { kind, .. } if !is_terminated(kind) => tally.open(Opener::String, at),
                _ => {}
            }
            if tally.is_decided() {
                break;
            }
            at += token.len as usize;
        }
        tally
    }

    #[test]
    fn what_follows_an_exponent_is_a_suffix() {
        for code in ["1.5e-r#", "1E+br#\"(", "e-r#\"(", "1e-1e-r#\"("] {
            assert_eq!(
                format!("{:?}", tally(code)),
                format!("{:?}", whole(code)),
                "{code}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Asking the lexer at some places only tells what asking it from the beginning tells.
        #[test]
        fn the_lexer_at_some_places_says_what_it_says_of_all(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "(", ")", "[", "]", "{", "}", "\"", "'", "/", "//", "/*", "*/", "\n", " ", "\\", "\\\"", "#", "##",
                    "r", "b", "c", "br", "cr", "r#", "r#\"", "\"#", "b'", "a", "'a", "'('", "'\\''", "fn", "_", "1", "1.5e", "e", "+", "0x",
                    "é", "ü\"", "x\"y\"", "\"a(b\"", "// (\n", "/* [ */", "///", "::", "=>", "&'", "-", "!", "k#x", ";",
                ]),
                0..24,
            ),
        ) {
            let code = pieces.concat();
            prop_assert_eq!(format!("{:?}", tally(&code)), format!("{:?}", whole(&code)), "{}", code);
        }
    }
}
