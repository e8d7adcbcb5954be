//! One binary for all integration tests.

mod connections;
mod endings;
mod support;
mod tidy;
mod vectors;
