//! One binary for all integration tests.

mod api;
mod bad_input;
mod config;
mod connections;
mod detection;
mod endings;
mod feed;
mod serve;
mod simulate;
mod store;
mod support;
mod tidy;
mod vectors;
