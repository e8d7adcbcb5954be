//! The published health: wire types of v1 and the hub that hands them out.
