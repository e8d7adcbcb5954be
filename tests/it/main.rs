//! One binary for all integration tests.

mod store;
mod api;
mod feed;
mod tidy;
mod detection;
mod config;
mod simulate;
mod vectors;
