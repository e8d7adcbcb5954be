//! Rust, by the compiler's own lexer.

use ra_ap_rustc_lexer::{FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

use super::balance::{Opener, Tally};

/// Reads Rust code.
pub(super) fn tally(code: &str) -> Tally {
    let mut tally = Tally::default();
    let mut at = 0;
    for token in tokenize(code, FrontmatterAllowed::No) {
        match token.kind {
            TokenKind::OpenParen => tally.open(Opener::Round, at),
            TokenKind::OpenBracket => tally.open(Opener::Square, at),
            TokenKind::OpenBrace => tally.open(Opener::Curly, at),
            TokenKind::CloseParen => tally.close(Opener::Round, at, false),
            TokenKind::CloseBracket => tally.close(Opener::Square, at, false),
            TokenKind::CloseBrace => tally.close(Opener::Curly, at, false),
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
