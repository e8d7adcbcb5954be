//! One binary for all integration tests.

mod tidy;
mod detection;
mod vectors;
