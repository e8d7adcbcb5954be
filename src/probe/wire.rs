//! Headers that every probe of a provider carries.

use http::{HeaderMap, HeaderName, HeaderValue, header::ACCEPT_ENCODING, header::AUTHORIZATION};

use crate::{
    config::{Auth, Provider},
    protocol::ErrorClass,
    verdict::Fault,
};

/// Whether a probe of that provider carries a credential.
pub(super) fn sends_key(provider: &Provider) -> bool {
    match provider.auth {
        Auth::None => false,
        Auth::Bearer | Auth::Header(_) => provider.key.is_some(),
        Auth::SigV4 { .. } | Auth::GoogleToken => provider.cloud.is_some(),
    }
}

/// A request that we can't send.
pub(super) fn invalid(detail: String) -> Fault {
    Fault {
        class: ErrorClass::InvalidRequest,
        detail,
    }
}

/// Sets a header. A name or value that HTTP forbids is our fault; the value is not told.
pub(super) fn header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Fault> {
    let text = HeaderValue::from_str(value).map_err(|_| {
        invalid(format!(
            "the value of header {name:?} holds a forbidden character"
        ))
    })?;
    headers.insert(header_name(name)?, text);
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("{name:?} is no header name")))
}

/// What every probe needs, the provider's own headers, then the credential where it is sent as it is; what is signed or
/// fetched follows when the call is whole. The body must come unpacked: a packing proxy turns the time to the first
/// token into the time to the last.
pub(super) fn provider_headers(headers: &mut HeaderMap, provider: &Provider) -> Result<(), Fault> {
    for (name, value) in &provider.headers {
        header(headers, name, value)?;
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let Some(key) = &provider.key else { return Ok(()) };
    let (name, text) = match &provider.auth {
        Auth::None | Auth::SigV4 { .. } | Auth::GoogleToken => return Ok(()),
        Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        Auth::Header(name) => (header_name(name)?, key.expose().to_owned()),
    };
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| invalid("the credential holds a character that http forbids".to_owned()))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
