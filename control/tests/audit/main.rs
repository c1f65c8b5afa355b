//! `portcullis audit`: the real command, on logs that the real endpoint has written or that are written by the specification.

#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/records.rs"]
mod records;

mod chain;
mod formats;
mod report;
