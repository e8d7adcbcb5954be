//! Headers that concern one connection and go no further (RFC 9110, 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::Secret;

/// Those that every hop makes anew, beside what `Connection` names. `TE` is one too, but for the one value that asks
/// for trailers.
const HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that carry a client's credential, beside a query's `key`.
const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("ocp-apim-subscription-key"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Takes out what concerns the connection that the message came over; tells whether its sender is going to close that.
pub(super) fn strip_hop(headers: &mut HeaderMap) -> bool {
    let mut closes = false;
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for token in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if token.eq_ignore_ascii_case("close") {
                closes = true;
            } else if !token.eq_ignore_ascii_case("keep-alive")
                && let Ok(name) = HeaderName::try_from(token)
            {
                named.push(name);
            }
        }
    }
    for name in HOP.iter().chain(&named).filter(|name| **name != header::TE) {
        headers.remove(name);
    }
    let trailers = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if headers.contains_key(header::TE) && !headers.get_all(header::TE).iter().all(trailers) {
        headers.remove(header::TE);
    }
    closes
}

/// Whether a request carries a credential. Its value is not looked at.
pub(super) fn has_credential(headers: &HeaderMap, query: Option<&str>) -> bool {
    let in_query = |query: &str| {
        query
            .split('&')
            .any(|pair| pair.starts_with("key=") || pair.starts_with("X-Amz-Signature="))
    };
    CREDENTIALS.iter().any(|name| headers.contains_key(name)) || query.is_some_and(in_query)
}

/// The credentials themselves, to be taken out of what a provider says of them.
pub(super) fn credentials(headers: &HeaderMap, query: Option<&str>) -> Vec<Secret> {
    let sent = CREDENTIALS.into_iter().flat_map(|name| headers.get_all(name));
    // What follows a scheme, where there is one.
    let bare = |value: &str| value.rsplit(' ').next().map(Secret::new);
    let sent = sent.filter_map(|value| bare(value.to_str().ok()?));
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let asked = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        matches!(name, "key" | "X-Amz-Signature").then(|| Secret::new(value))
    });
    sent.chain(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_concerns_one_connection_goes_no_further() {
        let mut headers = map(&[
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("authorization", "Bearer k"),
            ("trailer", "x-sum"),
            ("content-length", "3"),
        ]);
        assert!(strip_hop(&mut headers));
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "trailer"]);
        let mut headers = map(&[("te", "trailers"), ("connection", "te, keep-alive")]);
        assert!(!strip_hop(&mut headers));
        assert_eq!(
            headers.get("te").map(HeaderValue::as_bytes),
            Some(&b"trailers"[..])
        );
    }

    #[test]
    fn credentials_are_known_in_order_to_be_forgotten() {
        let headers = map(&[
            ("authorization", "Bearer sk-1234"),
            ("x-api-key", "sk-5678"),
            ("x-other", "sk-none"),
        ]);
        let found = credentials(&headers, Some("alt=sse&key=AIza-9"));
        let texts: Vec<&str> = found.iter().map(Secret::expose).collect();
        assert_eq!(texts, ["sk-1234", "sk-5678", "AIza-9"]);
    }

    #[test]
    fn credentials_are_seen_and_not_read() {
        for (name, query, expected) in [
            ("authorization", None, true),
            ("x-api-key", None, true),
            ("accept", Some("alt=sse&key=AIza"), true),
            ("accept", Some("alt=sse"), false),
            ("accept", Some("monkey=1"), false),
        ] {
            assert_eq!(
                has_credential(&map(&[(name, "v")]), query),
                expected,
                "{name} {query:?}"
            );
        }
    }
}
