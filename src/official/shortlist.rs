//! The incidents of a page that are kept, in bounded room however long the page is.

use std::cmp::Reverse;

use super::types::{Incident, MAX_INCIDENTS};

/// Open incidents first, then the newest; page order where times don't tell.
#[derive(Debug, Default)]
pub(super) struct Shortlist(Vec<Incident>);

impl Shortlist {
    pub(super) fn push(&mut self, incident: Incident) {
        self.0.push(incident);
        if self.0.len() >= 2 * MAX_INCIDENTS {
            self.prune();
        }
    }

    fn prune(&mut self) {
        self.0
            .sort_by_key(|incident| (!incident.open, Reverse(incident.updated.or(incident.posted))));
        self.0.truncate(MAX_INCIDENTS);
    }

    pub(super) fn finish(mut self) -> Vec<Incident> {
        self.prune();
        self.0
    }
}

impl Extend<Incident> for Shortlist {
    fn extend<I: IntoIterator<Item = Incident>>(&mut self, incidents: I) {
        for incident in incidents {
            self.push(incident);
        }
    }
}
