//! What a reader would rather have (RFC 9110, 12.4.2 and 12.5).

use axum::http::{HeaderMap, HeaderName, header};

/// What `Accept` and its like list, each with its weight, 0 to 1; what is no weight counts as 0.
pub(super) fn weighted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, f32)> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(Ok(1.0), str::parse).unwrap_or_default();
        (
            name,
            if (0.0..=1.0).contains(&weight) {
                weight
            } else {
                0.0
            },
        )
    })
}

/// Whether a body packed by gzip is welcome: named, or among whatever else there may be, and not less than a plain one.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let [mut gzip, mut other, mut plain] = [None; 3];
    for (coding, weight) in weighted(headers, header::ACCEPT_ENCODING) {
        let is = |name| coding.eq_ignore_ascii_case(name);
        let place = match coding {
            "*" => &mut other,
            _ if is("gzip") || is("x-gzip") => &mut gzip,
            _ if is("identity") => &mut plain,
            _ => continue,
        };
        *place = Some(weight);
    }
    let gzip = gzip.or(other).unwrap_or(0.0);
    gzip > 0.0 && gzip >= plain.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accepted, expected) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br, GZIP;q=0.1", true),
            ("x-gzip", true),
            ("*", true),
            ("gzip;q=1.0, identity;q=0.5, *;q=0", true),
            ("gzip, identity", true),
            ("", false),
            ("br", false),
            ("identity", false),
            ("identity, gzip;q=0.5", false),
            ("identity, *;q=0.5", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip;q=nonsense", false),
            ("gzip;q=NaN", false),
            ("gzip;q=2", false),
            ("gzipped", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(takes_gzip(&headers), expected, "{accepted:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
