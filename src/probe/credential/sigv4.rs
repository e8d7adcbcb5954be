//! AWS Signature Version 4 over a request as it will be sent.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request},
    sign::v4::SigningParams,
};
use http::{HeaderName, HeaderValue, header};
use tracing::subscriber::{NoSubscriber, with_default};

use super::refused;
use crate::{clock::Timestamp, config::Secret, probe::Call, verdict::Fault};

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    /// Key id.
    pub(super) access_key_id: Secret,
    /// Secret access key.
    pub(super) secret_access_key: Secret,
    /// Session token of temporary keys.
    pub(super) session_token: Option<Secret>,
}

/// Signs the call's method, URL, body, content type, accepted type and `x-amz-` headers at that time. Other headers stay
/// unsigned: what is not signed may be changed by whoever stands between. The path is encoded once more for the
/// signature, as every service but S3 expects.
pub(super) fn sign(
    call: &mut Call,
    keys: Keys,
    region: &str,
    service: &str,
    at: Timestamp,
) -> Result<(), Fault> {
    let since_epoch = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0));
    let identity = Credentials::new(
        keys.access_key_id.expose(),
        keys.secret_access_key.expose(),
        keys.session_token.map(|token| token.expose().to_owned()),
        None,
        "endturn",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::UNIX_EPOCH + since_epoch)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| refused(&format!("request not signed: {error}")))?
        .into();
    let signed = [header::CONTENT_TYPE, header::ACCEPT];
    let headers = call.headers.iter().filter_map(|(name, value)| {
        let covered = signed.contains(name) || name.as_str().starts_with("x-amz-");
        covered.then_some((name.as_str(), value.to_str().ok()?))
    });
    let body = SignableBody::Bytes(&call.body);
    let signing = || {
        SignableRequest::new(call.method.as_str(), &call.url, headers, body)
            .and_then(|request| sign_request(request, &params))
    };
    // The library's trace tells the key id.
    let instructions = with_default(NoSubscriber::default(), signing)
        .map_err(|error| refused(&format!("request not signed: {}", super::chain(&error))))?;
    let (headers, _) = instructions.into_parts().0.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(header.value())
            .map_err(|_| refused("the session token holds a character that http forbids"))?;
        let name = HeaderName::from_static(header.name());
        value.set_sensitive(name == header::AUTHORIZATION || header.sensitive());
        call.headers.insert(name, value);
    }
    Ok(())
}
