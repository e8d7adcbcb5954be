//! One binary for all integration tests.

mod bad_input;
mod connections;
mod endings;
mod support;
mod tidy;
mod vectors;
