//! One binary for all integration tests.

mod api;
mod detection;
mod feed;
mod serve;
mod tidy;
mod vectors;
