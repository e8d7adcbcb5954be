//! What vendors say about themselves: their status pages, read politely and shown beside our own verdict.
//!
//! A status page is written by people, after the fact: it is annotation, never evidence. Nothing in here knows of
//! detectors, and no state, hint or figure of ours depends on it (`docs/status-pages.md`). What a page says is foreign
//! text: bounded, cut, never a link on our page.

mod aws;
mod betterstack;
mod decode;
mod fetch;

mod google;
mod lenient;
mod parse;
mod poll;

mod rss;
mod shortlist;
mod statuspage;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use fetch::{Answer, ClientError, FetchError, Fetcher, MAX_REDIRECTS, Validators};
pub use parse::{MAX_BODY_BYTES, ParseError, parse};
pub use poll::{MAX_BACKOFF, MAX_RETRY_AFTER, Pace, Page, Reading, TIMEOUT, Watcher};
pub use types::{
    Component, Format, Incident, LOOK_BACK, MAX_COMPONENTS, MAX_INCIDENTS, MAX_NAME_BYTES, MAX_URL_BYTES,
    MAX_WORD_BYTES, Official, Said,
};
