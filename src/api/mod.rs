//! HTTP: the feed, its events, the page.
