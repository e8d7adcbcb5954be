//! Looks at an address before anybody connects to it, so that neither a name server nor a pasted URL leads us to a
//! server that was never meant: what was looked at is what is connected to.

use std::{io, net::IpAddr, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::{Realm, realm};

/// A name service.
pub trait Lookup: Send + Sync {
    /// The addresses of a host's name.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's own.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a host is not connected to.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuardError {
    /// Its name has no address now.
    #[error("no address: {0}")]
    Unknown(#[from] io::Error),
    /// None of its addresses is one that this channel may speak to.
    #[error("it resolves to {0}, a private address: add allow_private = true if it is meant")]
    Private(IpAddr),
    /// None of its addresses is one that any channel may speak to.
    #[error("it resolves to {0}, where no server of yours is")]
    Nowhere(IpAddr),
}

/// Addresses that this channel may speak to.
#[derive(Clone)]
pub(super) struct Guard {
    lookup: Arc<dyn Lookup>,
    allow_private: bool,
}

impl Guard {
    pub(super) fn new(lookup: Arc<dyn Lookup>, allow_private: bool) -> Self {
        Self {
            lookup,
            allow_private,
        }
    }

    /// Whether that address may be connected to.
    pub(super) fn check(&self, ip: IpAddr) -> Result<(), GuardError> {
        match realm(ip) {
            Realm::Public => Ok(()),
            Realm::Private if self.allow_private => Ok(()),
            Realm::Private => Err(GuardError::Private(ip)),
            Realm::Nowhere => Err(GuardError::Nowhere(ip)),
        }
    }

    /// The addresses of a host, given by name or as an address, that may be connected to; at least one.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, GuardError> {
        let found = match host.trim_matches(['[', ']']).parse() {
            Ok(ip) => vec![ip],
            Err(_) => self.lookup.lookup(host).await?,
        };
        let mut refused = None;
        let mut good = Vec::new();
        for ip in found {
            match self.check(ip) {
                Ok(()) => good.push(ip),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        if good.is_empty() {
            return Err(refused.unwrap_or_else(|| io::Error::other("the name has none").into()));
        }
        Ok(good)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            let addrs: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);

    impl Lookup for Fixed {
        fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let found = self.0.clone();
            Box::pin(async move { Ok(found) })
        }
    }

    async fn allowed(found: &str, allow_private: bool) -> Result<Vec<String>, String> {
        let found = found.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        let guard = Guard::new(Arc::new(Fixed(found)), allow_private);
        let good = guard.addresses("hooks.example.com").await;
        good.map(|good| good.iter().map(ToString::to_string).collect())
            .map_err(|why| why.to_string())
    }

    #[tokio::test]
    async fn only_what_was_looked_at_is_connected_to() {
        for (found, private, good) in [
            ("93.184.216.34", false, "93.184.216.34"),
            ("10.0.0.1 93.184.216.34 ::1", false, "93.184.216.34"),
            ("10.0.0.1 169.254.169.254 ::1", true, "10.0.0.1 ::1"),
        ] {
            assert_eq!(allowed(found, private).await.unwrap().join(" "), good);
        }
        for (found, private, why) in [
            ("127.0.0.1", false, "it resolves to 127.0.0.1, a private address"),
            (
                "169.254.169.254",
                false,
                "it resolves to 169.254.169.254, where no server",
            ),
            (
                "169.254.169.254",
                true,
                "it resolves to 169.254.169.254, where no server",
            ),
            (
                "::ffff:10.0.0.1",
                true,
                "it resolves to ::ffff:10.0.0.1, where no server",
            ),
            ("", true, "no address: the name has none"),
        ] {
            let error = allowed(found, private).await.unwrap_err();
            assert!(error.starts_with(why), "{found}: {error}");
        }
    }

    #[tokio::test]
    async fn an_address_is_looked_at_as_well() {
        let guard = Guard::new(Arc::new(Fixed(Vec::new())), false);
        assert!(guard.addresses("127.0.0.1").await.is_err());
        assert!(guard.addresses("[::1]").await.is_err());
        assert!(guard.addresses("1.1.1.1").await.is_ok());
    }
}
