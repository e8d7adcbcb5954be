//! The names that this machine is asked by.

/// Host names that we answer to, whatever the port. A page of another origin that was rebound to our address by DNS
/// comes with its own name and is turned away.
pub const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether `host`, with or without port, is one of [`OWN_HOSTS`].
pub fn is_own_host(host: &str) -> bool {
    OWN_HOSTS.iter().any(|name| is_named(host, name))
}

/// Whether `host`, with or without port, is one of [`OWN_HOSTS`] or of `allowed`.
pub fn is_host_of(host: &str, allowed: &[String]) -> bool {
    is_own_host(host) || allowed.iter().any(|name| is_named(host, name))
}

/// Whether `host` is that name, whatever the port: it is the name that a rebound page can't choose.
fn is_named(host: &str, name: &str) -> bool {
    let rest = host
        .get(..name.len())
        .filter(|start| start.eq_ignore_ascii_case(name))
        .map(|_| &host[name.len()..]);
    match rest {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        for (host, allowed) in [
            ("localhost", true),
            ("LOCALHOST:7411", true),
            ("127.0.0.1:7411", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("localhost:", false),
            ("localhost:99999", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.2", false),
            ("::1", false),
            ("evil.example:7411", false),
            ("user@localhost", false),
            ("", false),
        ] {
            assert_eq!(is_own_host(host), allowed, "{host}");
        }
    }

    #[test]
    fn allowed_names_are_ours_too_and_nothing_that_begins_like_them() {
        let allowed = ["status.example.com".to_owned(), "[fd00::5]".to_owned()];
        for (host, ours) in [
            ("status.example.com", true),
            ("Status.Example.COM:443", true),
            ("[FD00::5]:7411", true),
            ("localhost:7411", true),
            ("status.example.com.", false),
            ("status.example.com.evil.example", false),
            ("xstatus.example.com", false),
            ("example.com", false),
            ("status.example.com:443:1", false),
            ("status.example.com@evil.example", false),
        ] {
            assert_eq!(is_host_of(host, &allowed), ours, "{host}");
        }
    }
}
