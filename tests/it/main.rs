//! One binary for all integration tests.

mod store;
mod tidy;
mod detection;
mod config;
mod vectors;
