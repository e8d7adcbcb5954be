//! The names that this machine is asked by.

/// Host names that we answer to, whatever the port. A page of another origin that was rebound to our address by DNS
/// comes with its own name and is turned away.
pub const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether `host`, with or without port, is one of [`OWN_HOSTS`].
pub fn is_own_host(host: &str) -> bool {
    OWN_HOSTS.iter().any(|name| {
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
    })
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
}
