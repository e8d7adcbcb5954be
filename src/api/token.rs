//! Whose request it is: the token that it shows, looked up in constant time.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::config::{MAX_SECRET_BYTES, Token};

/// Where a client of the tap shows its token: `Authorization` is the provider's there.
pub(crate) const TAP_TOKEN: HeaderName = HeaderName::from_static("x-endturn-token");

/// What a request shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// No token at all.
    Nothing,
    /// Something that can't be one: too long, or not what its scheme says.
    Garbage,
    /// A browser's password where none is taken.
    Password,
    /// Perhaps a token.
    Token(Vec<u8>),
}

/// The token of a request: `Authorization: Bearer TOKEN`, or to read also the password of Basic, as browsers and
/// `curl -u` send it. A browser adds that to requests of its own accord, other sites' among them, so it changes nothing.
pub(super) fn shown(method: &Method, headers: &HeaderMap) -> Shown {
    let Some(value) = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) else {
        return Shown::Nothing;
    };
    let Some((scheme, rest)) = split(value) else {
        return Shown::Garbage;
    };
    if rest.len() > MAX_SECRET_BYTES {
        return Shown::Garbage;
    }
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Shown::Token(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Shown::Garbage;
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Shown::Password;
    }
    let pair = STANDARD.decode(rest).unwrap_or_default();
    match pair.iter().position(|byte| *byte == b':') {
        Some(at) => Shown::Token(pair[at + 1..].to_vec()),
        None => Shown::Garbage,
    }
}

/// The token that a client of the tap shows.
pub(super) fn shown_to_tap(headers: &HeaderMap) -> Shown {
    match headers.get(&TAP_TOKEN).map(|value| value.as_bytes().trim_ascii()) {
        None => Shown::Nothing,
        Some(token) if token.len() > MAX_SECRET_BYTES => Shown::Garbage,
        Some(token) => Shown::Token(token.to_vec()),
    }
}

/// Scheme and credentials (RFC 9110, 11.4).
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| *byte == b' ')?;
    Some((&value[..at], value[at..].trim_ascii()))
}

/// The entry of a token.
pub(super) fn known<'a>(tokens: &'a [Token], given: &[u8]) -> Option<&'a Token> {
    let digest: [u8; 32] = Sha256::digest(given).into();
    known_by(tokens, &digest, |one, other| one.ct_eq(other))
}

/// Every digest is compared, each in full, and none of it decides what is done next: the time that this takes depends on
/// how many tokens there are and on nothing else.
fn known_by<'a>(
    tokens: &'a [Token],
    digest: &[u8; 32],
    mut same: impl FnMut(&[u8; 32], &[u8; 32]) -> Choice,
) -> Option<&'a Token> {
    let mut found = u32::MAX;
    for (at, token) in (0..).zip(tokens) {
        found.conditional_assign(&at, same(&token.digest, digest));
    }
    usize::try_from(found).ok().and_then(|at| tokens.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Trust;

    const OWN: &str = "aaaaaaaaaaaaaaaaaaaa";
    const GUEST: &str = "bbbbbbbbbbbbbbbbbbbb";

    fn tokens() -> Vec<Token> {
        let token = |name: &str, text: &str| Token {
            name: name.to_owned(),
            scopes: [].into_iter().collect(),
            trust: Trust::Full,
            digest: Sha256::digest(text).into(),
        };
        vec![token("own", OWN), token("guest", GUEST)]
    }

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        [(name, HeaderValue::from_str(value).unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_token_is_shown_as_a_bearer_or_to_read_as_a_password() {
        let tokens = tokens();
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (value, reads, writes) in [
            (format!("Bearer {OWN}"), Some("own"), Some("own")),
            (format!("bearer  {GUEST} "), Some("guest"), Some("guest")),
            (basic(&format!("me:{GUEST}")), Some("guest"), None),
            (basic(&format!(":{OWN}")), Some("own"), None),
            (basic(OWN), None, None),
            (format!("Basic {OWN}:!"), None, None),
            (format!("Bearer {OWN}b"), None, None),
            ("Bearer ".to_owned(), None, None),
            ("Bearer".to_owned(), None, None),
            (OWN.to_owned(), None, None),
            (format!("Digest {OWN}"), None, None),
        ] {
            let headers = with(header::AUTHORIZATION, &value);
            let name = |method| match shown(&method, &headers) {
                Shown::Token(token) => known(&tokens, &token).map(|token| token.name.as_str()),
                _ => None,
            };
            assert_eq!(
                (name(Method::GET), name(Method::POST)),
                (reads, writes),
                "{value:?}"
            );
        }
        assert_eq!(shown(&Method::GET, &HeaderMap::new()), Shown::Nothing);
    }

    #[test]
    fn a_token_is_taken_up_to_a_length() {
        for (n, taken) in [(MAX_SECRET_BYTES, true), (MAX_SECRET_BYTES + 1, false)] {
            let long = "x".repeat(n);
            let headers = with(header::AUTHORIZATION, &format!("Bearer {long}"));
            assert_eq!(matches!(shown(&Method::GET, &headers), Shown::Token(_)), taken);
            let headers = with(TAP_TOKEN, &long);
            assert_eq!(matches!(shown_to_tap(&headers), Shown::Token(_)), taken);
        }
    }

    /// Not by a stopwatch: whichever token matches, or none, the same comparisons are made.
    #[test]
    fn every_token_is_compared_whichever_it_is() {
        let tokens = tokens();
        for given in [OWN, GUEST, "nobody"] {
            let digest: [u8; 32] = Sha256::digest(given).into();
            let mut compared = Vec::new();
            let found = known_by(&tokens, &digest, |one, other| {
                compared.push(*one);
                one.ct_eq(other)
            });
            assert_eq!(
                found.map(|token| token.digest == digest),
                (given != "nobody").then_some(true)
            );
            let all: Vec<_> = tokens.iter().map(|token| token.digest).collect();
            assert_eq!(compared, all, "{given}");
        }
    }
}
