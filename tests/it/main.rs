//! One binary for all integration tests.

mod detection;
mod vectors;
