//! HTTP: the feed, its events, the page.

pub mod page;
