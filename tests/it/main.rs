//! One binary for all integration tests.

mod api;
mod feed;
mod page;
mod tidy;
mod bad_input;
mod config;
mod connections;
mod detection;
mod endings;
mod serve;
mod store;
mod support;
mod vectors;
