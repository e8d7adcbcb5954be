//! One binary for all integration tests.

mod api;
mod feed;
mod tidy;
mod detection;
mod vectors;
