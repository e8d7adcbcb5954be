//! One binary for all integration tests.

mod store;
mod api;
mod feed;
mod page;
mod tidy;
mod detection;
mod config;
mod vectors;
