//! One binary for all integration tests.

mod tidy;
mod detection;
mod config;
mod vectors;
