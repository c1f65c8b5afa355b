//! Bundles that are pushed: through the module in the strict host, and through real Envoy beside an endpoint that fails.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::integer_division,
    reason = "a test fails by panicking"
)]

mod certificates;
mod clock;
mod envoy;
mod filter_state;
mod fleet;
mod herd;
mod kong;
mod kong_shared;
mod metrics;
mod names;
mod packed;
mod prometheus;
mod put;
mod records;
mod rotation;
mod scene;
mod served_records;
mod shared_data;
mod sharing;
mod steps;
mod strict;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed};

/// The time at which things happen where the clock is ours.
const NOW: u64 = 1_800_000_000;

/// How many instructions take a millisecond where time passes in a callback: Wasmtime does 4 to 20 million.
const FUEL_PER_MILLISECOND: u64 = 5_000_000;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match envoy::trials() {
        Ok(trials) => {
            let in_process = [
                strict::trials(),
                sharing::trials(),
                steps::trials(),
                packed::trials(),
                herd::trials(),
                metrics::trials(),
                kong::trials(),
                kong_shared::trials(),
                records::trials(),
            ];
            let all = in_process
                .into_iter()
                .flatten()
                .chain(clock::trials())
                .chain([served_records::trial()])
                .chain(trials)
                .collect();
            libtest_mimic::run(&arguments, all).exit_code()
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:?}").into()
}
