//! Who may report, and how far their word goes.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::{config::Token, verdict::Trust};

/// The trust of whoever sends this request. Where no tokens are configured, everybody who reaches us is believed.
///
/// Every token is compared in full, so that the time tells nothing of which one was nearly right.
///
/// # Errors
/// 401: a token is asked for, and this request has none that is known.
pub(super) fn trust(tokens: &[Token], headers: &HeaderMap) -> Result<Trust, Problem> {
    if tokens.is_empty() {
        return Ok(Trust::Full);
    }
    let Some(given) = bearer(headers) else {
        return Err(Problem::unauthorized(
            "send the token of a [[server.token]] with scope \"report\" as Authorization: Bearer TOKEN",
        ));
    };
    let digest: [u8; 32] = Sha256::digest(given).into();
    let mut found = None;
    for token in tokens {
        if bool::from(token.digest.ct_eq(&digest)) {
            found = Some(token.trust);
        }
    }
    found.ok_or_else(|| Problem::unauthorized("this token is not known"))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_decides_how_far_its_bearer_is_trusted() {
        let token = |name: &str, trust, text: &str| Token {
            name: name.to_owned(),
            trust,
            digest: Sha256::digest(text).into(),
        };
        let tokens = [
            token("own", Trust::Full, "aaaaaaaaaaaaaaaaaaaa"),
            token("guest", Trust::Corroborate, "bbbbbbbbbbbbbbbbbbbb"),
        ];
        let asked = |tokens: &[Token], value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            trust(tokens, &headers).ok()
        };
        assert_eq!(asked(&[], None), Some(Trust::Full));
        for (value, wanted) in [
            (None, None),
            (Some("Bearer aaaaaaaaaaaaaaaaaaaa"), Some(Trust::Full)),
            (Some("bearer  bbbbbbbbbbbbbbbbbbbb "), Some(Trust::Corroborate)),
            (Some("Bearer aaaaaaaaaaaaaaaaaaab"), None),
            (Some("Bearer "), None),
            (Some("Basic aaaaaaaaaaaaaaaaaaaa"), None),
            (Some("aaaaaaaaaaaaaaaaaaaa"), None),
            (Some("B"), None),
        ] {
            assert_eq!(asked(&tokens, value), wanted, "{value:?}");
        }
    }
}
