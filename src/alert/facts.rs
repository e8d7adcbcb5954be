//! What the policy looks at.

use std::collections::HashMap;

use crate::{
    feed::{route::Route, v1::Health},
    health::{Change, Incident},
};

/// Everything as of one revision of the feed. Nothing in it is an event that could be missed but `changes`.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The feed: states, reasons, hints, flags, our own network, our own store.
    pub health: &'a Health,
    /// Every open incident by its id: the ones that the feed's targets name.
    pub incidents: &'a HashMap<String, Incident>,
    /// Who should serve now, by route.
    pub routes: &'a [Route],
    /// Who answers otherwise than before, since the policy last looked.
    pub changes: &'a [Change],
}
