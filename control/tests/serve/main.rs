//! The control endpoint: the real command, asked over HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod endpoint;
mod feeds;
mod keys;
mod offline;
mod polls;
mod publishing;
mod replicas;
mod schema;
mod signers;
mod starting;
