//! `portcullis rollback`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Endpoint, block_on, epoch};

/// Where to.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The epoch whose policy is published again; `portcullis status --history` names them.
    epoch: u64,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Rolls back, and prints the new epoch.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let rolled_back = arguments.endpoint.connect().and_then(|remote| {
        block_on(async { epoch(&remote.post("rollback", &json!({ "to": arguments.epoch })).await?) })
    });
    match rolled_back {
        Ok(epoch) => {
            println!("epoch {epoch}");
            ExitCode::SUCCESS
        }
        Err(error) => error.report(),
    }
}
