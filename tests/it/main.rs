//! One binary for all integration tests.

mod api;
mod config;
mod detection;
mod feed;
mod serve;
mod store;
mod tidy;
mod vectors;
