//! One binary for all integration tests.

mod store;
mod detection;
mod vectors;
