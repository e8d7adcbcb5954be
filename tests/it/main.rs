//! One binary for all integration tests.
#![allow(clippy::unwrap_used, reason = "a test that can't go on should say where")]

mod api;
mod bad_input;
mod cli;
mod config;
mod connections;
mod daemon;
mod detection;
mod endings;
mod feed;
mod page;
mod serve;
mod simulate;
mod simulation;
mod store;
mod support;
mod tidy;
mod vectors;
mod world;
