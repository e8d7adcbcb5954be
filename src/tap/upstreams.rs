//! The clients of the tap, one for each way out to providers.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    place::Place,
    upstream::{ClientError, Upstream},
};
use crate::config::Egress;

/// Each made when it is first needed: it reads the system's roots.
pub(super) struct Upstreams {
    /// Trusted by all of them, DER.
    extra_roots: Vec<Vec<u8>>,
    made: Mutex<Vec<(Egress, Arc<Upstream>)>>,
}

impl Upstreams {
    /// None yet.
    pub(super) fn new(extra_roots: &[Vec<u8>]) -> Self {
        Self {
            extra_roots: extra_roots.to_vec(),
            made: Mutex::default(),
        }
    }

    /// The client of that way out.
    pub(super) fn of(&self, egress: &Egress) -> Result<Arc<Upstream>, ClientError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, upstream)) = made.iter().find(|(have, _)| have == egress) {
            return Ok(Arc::clone(upstream));
        }
        let upstream = Arc::new(Upstream::new(egress, &self.extra_roots)?);
        made.push((egress.clone(), Arc::clone(&upstream)));
        Ok(upstream)
    }

    /// Gives up those that none of these places is reached by; exchanges under way go on.
    pub(super) fn keep(&self, places: &[Arc<Place>]) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(egress, _)| places.iter().any(|place| place.egress == *egress));
    }
}
