//! One binary for all integration tests.

mod bad_input;
mod connections;
mod endings;
mod support;
mod store;
mod api;
mod feed;
mod page;
mod tidy;
mod detection;
mod feed;
mod serve;
mod tidy;
mod config;
mod detection;
mod vectors;
