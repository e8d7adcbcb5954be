//! `[server]`: where we listen, by which names, and who may ask what.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use toml::Spanned;

use super::{Scope, Token, file::ServerFile, resolve::Resolver};

/// Most names beside our own that we answer to.
pub const MAX_ALLOWED_HOSTS: usize = 32;
/// Most networks in one list.
pub const MAX_NETWORKS: usize = 64;

/// HTTP surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address to bind. Beyond loopback only with tokens and names.
    pub listen: SocketAddr,
    /// Host names beside [`super::OWN_HOSTS`] that we answer to: lower case, without a port.
    pub allowed_hosts: Vec<String>,
    /// Who may read without a token.
    pub reading: Reading,
    /// Proxies whose `X-Forwarded-For` is believed, for limits by client.
    pub trusted_proxies: Vec<IpNet>,
    /// Address of the responder for HAProxy's agent checks. `None`: there is none.
    pub agent: Option<SocketAddr>,
    /// Who may ask it, beside this machine.
    pub agent_allow: Vec<IpNet>,
    /// Who may do what. Where there are none, whoever reaches the loopback address may do everything.
    pub tokens: Vec<Token>,
}

/// Who may read without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Whoever reaches us reads everything.
    Free,
    /// The pages, the feed and what is made from it are for whoever reaches us; the rest needs [`Scope::Read`].
    Public,
    /// All of it needs [`Scope::Read`].
    Tokens,
}

impl Server {
    /// Whether it may be reached from other machines: tokens and names are there.
    pub fn is_guarded(&self) -> bool {
        !self.tokens.is_empty() && !self.allowed_hosts.is_empty()
    }

    /// What is in force once `new` was read, without a restart: who may ask, and by which names; not where we listen, nor
    /// who may send agent checks. A file that would leave a socket bound beyond loopback unguarded changes nothing.
    #[must_use]
    pub fn reloaded(&self, new: &Self, bound: SocketAddr) -> Self {
        if !bound.ip().is_loopback() && !new.is_guarded() {
            return self.clone();
        }
        Self {
            listen: self.listen,
            agent: self.agent,
            agent_allow: self.agent_allow.clone(),
            ..new.clone()
        }
    }
}

impl Resolver<'_> {
    pub(super) fn server(&mut self, file: ServerFile) -> Server {
        let fallback = SocketAddr::from(([127, 0, 0, 1], 7411));
        let default = self
            .defaults
            .server
            .as_ref()
            .and_then(|server| server.listen.clone());
        let tokens = self.tokens(&file);
        let allowed_hosts = self.hosts(file.allowed_hosts.as_ref());
        let listed = file
            .allowed_hosts
            .is_some_and(|hosts| !hosts.get_ref().is_empty());
        let listen = file.listen.or(default).map_or(fallback, |value| {
            let listen = self.address("listen", &value).unwrap_or(fallback);
            if !listen.ip().is_loopback() {
                self.reachable(&value, !file.token.is_empty(), listed);
            }
            listen
        });
        let agent_allow = self.networks("agent_allow", file.agent_allow.as_ref());
        let agent = file.agent.and_then(|value| {
            let agent = self.address("agent", &value)?;
            if agent == listen && agent.port() != 0 {
                let help = "it speaks no HTTP: give it a port of its own, as in \"127.0.0.1:7413\"";
                self.error(&value, "agent is the address that listen has", help);
            }
            if !agent.ip().is_loopback() && file.agent_allow.is_none() {
                let message = "agent is not a loopback address, and agent_allow names nobody";
                let help = "agent checks carry no credential: name the addresses of your HAProxy, \
                            agent_allow = [\"10.0.0.5\", \"10.1.0.0/24\"]; anybody else is turned away";
                self.error(&value, message, help);
            }
            Some(agent)
        });
        Server {
            listen,
            reading: reading(file.public_read, &tokens, listen, &allowed_hosts),
            allowed_hosts,
            trusted_proxies: self.networks("trusted_proxies", file.trusted_proxies.as_ref()),
            agent,
            agent_allow,
            tokens,
        }
    }

    /// Other machines reach us there: by tokens and names only.
    fn reachable(&mut self, listen: &Spanned<String>, tokens: bool, names: bool) {
        if !tokens {
            let help = "`endturn token new --scope read` makes one and tells the [[server.token]] entry for this file; or \
                        listen on 127.0.0.1 behind a reverse proxy (docs/access.md)";
            let message = "listen is not a loopback address, and there are no access tokens";
            self.error(listen, message, help);
        }
        if !names {
            let help = "name the hosts that it is asked by, allowed_hosts = [\"status.example.com\"]: pages of other sites \
                        could reach it by a name of theirs otherwise";
            let message = "listen is not a loopback address, and allowed_hosts names no host";
            self.error(listen, message, help);
        }
    }

    fn address(&mut self, key: &str, value: &Spanned<String>) -> Option<SocketAddr> {
        let address = value.get_ref().parse().ok();
        if address.is_none() {
            let help = "write it as in \"127.0.0.1:7411\"";
            self.error(value, format!("{key} is not an address with port"), help);
        }
        address
    }

    fn hosts(&mut self, listed: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
        let mut hosts = Vec::new();
        let Some(listed) = listed else {
            return hosts;
        };
        if listed.get_ref().len() > MAX_ALLOWED_HOSTS {
            let help = format!("at most {MAX_ALLOWED_HOSTS} are taken");
            self.error(listed, "too many allowed_hosts", help);
        }
        for value in listed.get_ref().iter().take(MAX_ALLOWED_HOSTS) {
            let plain = !value.get_ref().contains('*');
            // As browsers write it: lower case, other scripts in their ASCII form, IPv6 in brackets.
            match url::Host::parse(value.get_ref()) {
                Ok(host) if plain => hosts.push(host.to_string()),
                _ => {
                    let help = "write each host by its name alone, \"status.example.com\", \"10.0.0.5\" or \"[fd00::5]\": \
                                no scheme, no port (any will do), no path, no wildcard";
                    self.error(value, "that is no name of a host", help);
                }
            }
        }
        hosts
    }

    fn networks(&mut self, key: &str, listed: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<IpNet> {
        let mut networks = Vec::new();
        let Some(listed) = listed else {
            return networks;
        };
        if listed.get_ref().len() > MAX_NETWORKS {
            let help = format!("at most {MAX_NETWORKS} are taken");
            self.error(listed, format!("too many networks in {key}"), help);
        }
        for value in listed.get_ref().iter().take(MAX_NETWORKS) {
            match network(value.get_ref()) {
                Some(network) if network.prefix_len() > 0 => networks.push(network),
                Some(_) => self.error(
                    value,
                    format!("a network of {key} is the whole internet"),
                    "name the addresses that are meant",
                ),
                None => self.error(
                    value,
                    format!("an entry of {key} is neither an address nor a network"),
                    "write it as in \"10.0.0.5\", \"10.1.0.0/24\" or \"fd00::/64\"",
                ),
            }
        }
        networks
    }
}

/// An address alone is a network of one.
fn network(text: &str) -> Option<IpNet> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone)
}

/// Unless somebody says, reading is free where it always was: on loopback, by our own names, while no token is made for
/// reading.
fn reading(public: Option<bool>, tokens: &[Token], listen: SocketAddr, hosts: &[String]) -> Reading {
    let reachable = !listen.ip().is_loopback() || !hosts.is_empty();
    match public {
        _ if tokens.is_empty() => Reading::Free,
        Some(true) => Reading::Public,
        Some(false) => Reading::Tokens,
        None if reachable || tokens.iter().any(|token| token.scopes.has(Scope::Read)) => Reading::Tokens,
        None => Reading::Free,
    }
}

#[cfg(test)]
mod tests;
