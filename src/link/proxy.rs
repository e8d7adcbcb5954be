//! What a proxy of ours did to a connection: its failures are ours, and no evidence against whoever lies behind it.

use std::error::Error;

use crate::{protocol::ErrorClass, verdict::Fault};

/// How the HTTP library begins what it says of a tunnel that did not come about.
const TUNNEL: &str = "tunnel error: ";
/// What it says, behind that, of a 407.
const LOGIN_WANTED: &str = "proxy authorization required";

/// Whether an error says that the proxy opened no tunnel: it was not reached, broke off, or answered CONNECT with
/// anything but 200. What goes wrong inside a tunnel, a certificate say, is between us and the provider.
pub(crate) fn is_tunnel(cause: &(dyn Error + 'static)) -> bool {
    cause.to_string().starts_with(TUNNEL)
}

/// A proxy that passes plain http on answered 407 itself: nobody else says so (RFC 9110, 15.5.8).
pub(crate) fn proxy_wants_login(proxy: &str) -> Fault {
    proxy_fault(proxy, LOGIN_WANTED)
}

/// A request that never reached its provider, because of the proxy of that name (`host:port`).
pub(crate) fn proxy_fault(proxy: &str, why: &str) -> Fault {
    let why = match why.strip_prefix(TUNNEL).unwrap_or(why) {
        LOGIN_WANTED => "it asks for a login or refuses ours (407)",
        "unsuccessful" => "it refused to connect us",
        other => other,
    };
    Fault {
        class: ErrorClass::InvalidRequest,
        detail: format!("proxy {proxy}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_ours_and_name_the_proxy() {
        for (why, told) in [
            (
                "tunnel error: proxy authorization required",
                "proxy p:3128: it asks for a login or refuses ours (407)",
            ),
            (
                "tunnel error: unsuccessful",
                "proxy p:3128: it refused to connect us",
            ),
            (
                "tunnel error: unexpected end of file",
                "proxy p:3128: unexpected end of file",
            ),
            (
                "Connection refused (os error 111)",
                "proxy p:3128: Connection refused (os error 111)",
            ),
        ] {
            let fault = proxy_fault("p:3128", why);
            assert_eq!(
                (fault.class, fault.detail.as_str()),
                (ErrorClass::InvalidRequest, told)
            );
        }
    }
}
