//! Whether a page of another site makes a browser ask.
//!
//! A browser says of a request that changes something where it comes from: `Sec-Fetch-Site`, and where it is too old for
//! that, `Origin`. Whatever is no browser sends neither and passes.

use axum::http::{HeaderMap, HeaderName, header};

/// Fetch Metadata (W3C): how the page that asks stands to us.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request comes from a page that is not ours; `host` is the name and port that it is asked by.
pub(super) fn is_foreign(headers: &HeaderMap, host: Option<&str>) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    // The scheme is not compared: behind a proxy the browser speaks https, and we don't.
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    match (authority, host) {
        (Some(authority), Some(host)) => !authority.eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_foreign() {
        for (site, origin, foreign) in [
            (None, None, false),
            (Some("same-origin"), Some("http://localhost:7411"), false),
            (Some("none"), None, false),
            (Some("same-site"), None, true),
            (Some("cross-site"), None, true),
            // What a browser says itself outweighs what it says of the page.
            (Some("cross-site"), Some("http://localhost:7411"), true),
            (None, Some("http://localhost:7411"), false),
            (None, Some("https://LOCALHOST:7411"), false),
            (None, Some("http://localhost:3000"), true),
            (None, Some("http://localhost"), true),
            (None, Some("https://evil.example"), true),
            (None, Some("null"), true),
            (None, Some(""), true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(SEC_FETCH_SITE, site), (header::ORIGIN, origin)] {
                headers.extend(value.map(|value| (name, value.parse().unwrap())));
            }
            assert_eq!(
                is_foreign(&headers, Some("localhost:7411")),
                foreign,
                "{site:?} {origin:?}"
            );
        }
        let origin = [(header::ORIGIN, "http://localhost".parse().unwrap())];
        assert!(is_foreign(&origin.into_iter().collect(), None));
    }
}
