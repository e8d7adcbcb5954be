//! Is it us? One round of TCP connects to well-known addresses, and of name look-ups beside it.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::config::{Config, Proxy};

/// Longest wait for one anchor (`docs/detection.md`).
pub const ANCHOR_LIMIT: Duration = Duration::from_millis(300);

/// Most provider names that a round looks up.
pub const MAX_NAMES: usize = 4;

/// What vouches for our network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Anchors {
    /// `host:port` to connect to.
    pub hosts: Vec<String>,
    /// `host:port` of providers by name, or of the proxies before them, of which one must resolve: anchors are addresses
    /// and prove nothing about our resolver, whose failure would else look like everybody's.
    pub names: Vec<String>,
}

impl Anchors {
    /// The anchors of that configuration.
    pub fn of(config: &Config) -> Self {
        let mut names = Vec::new();
        for provider in &config.providers {
            // Behind a proxy the proxy looks the provider up, and our resolver need not know it.
            let asked = match &provider.egress.proxy {
                Proxy::Through(server) => &server.url,
                Proxy::Environment | Proxy::Direct => &provider.base_url,
            };
            if let (Some(url::Host::Domain(name)), Some(port)) = (asked.host(), asked.port_or_known_default())
            {
                let name = format!("{name}:{port}");
                if names.len() < MAX_NAMES && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Self {
            hosts: config.anchors.clone(),
            names,
        }
    }

    /// One round: for each host, in order, whether it answered within [`ANCHOR_LIMIT`]. When there are names and none
    /// of them resolves within that time, it is our resolver, and no host counts as answering.
    pub async fn round(&self) -> Vec<bool> {
        let (mut answered, resolves) = tokio::join!(anchors(&self.hosts), resolves(&self.names));
        if !resolves {
            answered.fill(false);
        }
        answered
    }
}

/// Whether one of the names resolves, or there is none.
async fn resolves(names: &[String]) -> bool {
    let mut lookups: FuturesUnordered<_> = names
        .iter()
        .map(|name| timeout(ANCHOR_LIMIT, lookup_host(name.as_str())))
        .collect();
    while let Some(found) = lookups.next().await {
        if matches!(found, Ok(Ok(_))) {
            return true;
        }
    }
    names.is_empty()
}

/// Connects to every `host:port` at once; for each, in order, whether it answered within [`ANCHOR_LIMIT`].
async fn anchors(hosts: &[String]) -> Vec<bool> {
    join_all(hosts.iter().map(|host| async move {
        matches!(
            timeout(ANCHOR_LIMIT, TcpStream::connect(host.as_str())).await,
            Ok(Ok(_))
        )
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::ProxyServer, probe::fixture};

    #[tokio::test]
    async fn anchors_answer_in_order() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = [
            closed.local_addr().unwrap().to_string(),
            open.local_addr().unwrap().to_string(),
            "no port".to_owned(),
        ];
        drop(closed);
        assert_eq!(anchors(&hosts).await, [false, true, false]);
        assert!(anchors(&[]).await.is_empty());
    }

    #[test]
    fn behind_a_proxy_it_is_the_proxy_that_is_looked_up() {
        let mut config = fixture::config(1, Duration::from_secs(60));
        config.providers[0].base_url = "https://api.example/v1".parse().unwrap();
        for (proxy, name) in [
            (Proxy::Environment, "api.example:443"),
            (Proxy::Direct, "api.example:443"),
            (
                Proxy::Through(ProxyServer {
                    url: "http://proxy.example:3128".parse().unwrap(),
                    login: None,
                }),
                "proxy.example:3128",
            ),
        ] {
            config.providers[0].egress.proxy = proxy;
            assert_eq!(Anchors::of(&config).names, [name]);
        }
    }

    #[tokio::test]
    async fn a_resolver_that_resolves_nothing_is_our_own_trouble() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = vec![open.local_addr().unwrap().to_string()];
        // A name of the reserved kind resolves nowhere; `localhost` does everywhere.
        let (nowhere, here) = ("nowhere.invalid:443".to_owned(), "localhost:443".to_owned());
        for (names, answered) in [
            (vec![], true),
            (vec![nowhere.clone()], false),
            (vec![nowhere, here], true),
        ] {
            let anchors = Anchors {
                hosts: hosts.clone(),
                names,
            };
            assert_eq!(anchors.round().await, [answered], "{:?}", anchors.names);
        }
    }
}
