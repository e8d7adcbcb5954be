//! One binary for all integration tests.

mod bad_input;
mod connections;
mod endings;
mod support;
mod store;
mod api;
mod feed;
mod tidy;
mod detection;
mod config;
mod vectors;
