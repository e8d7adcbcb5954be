//! One binary for all integration tests.

mod api;
mod feed;
mod page;
mod tidy;
mod bad_input;
mod config;
mod simulate;
mod connections;
mod config;
mod detection;
mod detection;
mod endings;
mod feed;
mod serve;
mod store;
mod support;
mod tidy;
mod vectors;
