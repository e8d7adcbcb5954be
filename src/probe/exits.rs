//! One transport for each way out: providers with the same proxy and the same certificates share its connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ClientError, ReqwestTransport, Transport};
use crate::config::{Egress, Provider};

/// The transports of a process.
pub(super) enum Exits {
    /// This one, whatever is asked for.
    One(Arc<dyn Transport>),
    /// Over the network; these root certificates (DER) are trusted by all of them.
    Each(Vec<Vec<u8>>, Mutex<Vec<Exit>>),
}

type Exit = (Egress, Arc<dyn Transport>);

impl Exits {
    /// Over the network, the usual way out at once and others when they are first needed.
    pub(super) fn new(extra_roots: &[Vec<u8>]) -> Result<Self, ClientError> {
        let exits = Self::Each(extra_roots.to_vec(), Mutex::default());
        exits.of(&Egress::default())?;
        Ok(exits)
    }

    /// The transport of that way out. Making one takes some milliseconds.
    pub(super) fn of(&self, egress: &Egress) -> Result<Arc<dyn Transport>, ClientError> {
        let (extra_roots, made) = match self {
            Self::One(transport) => return Ok(Arc::clone(transport)),
            Self::Each(extra_roots, made) => (extra_roots, made),
        };
        let mut made = lock(made);
        if let Some((_, transport)) = made.iter().find(|(have, _)| have == egress) {
            return Ok(Arc::clone(transport));
        }
        let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::by(egress, extra_roots)?);
        made.push((egress.clone(), Arc::clone(&transport)));
        Ok(transport)
    }

    /// Gives up those that none of these providers uses; probes under way end on theirs.
    pub(super) fn keep(&self, providers: &[Provider]) {
        if let Self::Each(_, made) = self {
            let used = |egress: &Egress| providers.iter().any(|provider| provider.egress == *egress);
            lock(made).retain(|(egress, _)| *egress == Egress::default() || used(egress));
        }
    }
}

fn lock(made: &Mutex<Vec<Exit>>) -> MutexGuard<'_, Vec<Exit>> {
    // An entry is whole even if another holder panicked.
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Proxy, ProxyServer},
        probe::fixture,
    };

    fn provider(egress: &Egress) -> Provider {
        let mut provider = fixture::config(1, std::time::Duration::from_secs(60))
            .providers
            .remove(0);
        provider.egress = egress.clone();
        provider
    }

    #[test]
    fn who_goes_the_same_way_shares_and_a_reload_makes_only_what_changed() {
        let by = |url: &str| Egress {
            proxy: Proxy::Through(ProxyServer {
                url: url.parse().unwrap(),
                login: None,
            }),
            ..Egress::default()
        };
        let (usual, one, other) = (Egress::default(), by("http://a:1"), by("http://b:1"));
        let exits = Exits::new(&[]).unwrap();
        let of = |egress: &Egress| exits.of(egress).unwrap();
        let before = [of(&usual), of(&one), of(&other)];
        assert!(Arc::ptr_eq(&before[1], &of(&one)));
        assert!(!Arc::ptr_eq(&before[0], &before[1]) && !Arc::ptr_eq(&before[1], &before[2]));
        exits.keep(&[provider(&one)]);
        assert!(Arc::ptr_eq(&before[0], &of(&usual)) && Arc::ptr_eq(&before[1], &of(&one)));
        assert!(!Arc::ptr_eq(&before[2], &of(&other)));
    }
}
