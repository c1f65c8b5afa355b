//! The control endpoint: the real command, asked over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/records.rs"]
mod records;

mod access;
mod alterations;
mod decisions;
mod endpoint;
mod feeds;
mod keys;
mod offline;
mod outputs;
mod polls;
mod publishing;
mod replicas;
mod schema;
mod signers;
mod starting;
