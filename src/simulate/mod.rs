//! The provider simulator: speaks every protocol that we probe, with faults on demand.
