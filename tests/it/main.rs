//! One binary for all integration tests.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    clippy::unchecked_time_subtraction,
    clippy::too_many_lines,
    reason = "a test that can't go on should say where; tables are long"
)]

mod access;
mod alerts;
mod api;
mod attack;
mod bad_input;
mod channels;
mod cli;
mod client;
mod config;
mod connections;
mod daemon;
mod detection;
mod doors;
mod egress;
mod endings;
mod feed;
mod identity;
mod mcp;
mod official;
mod official_daemon;
mod openapi;
mod operate;
mod otlp;
mod page;
mod past;
mod presets;
mod reports;
mod secrets;
mod series;
mod serve;
mod simulate;
mod simulation;
mod store;
mod support;
mod tap;
mod telemetry;
mod tidy;
mod validate;
mod vectors;
mod world;
