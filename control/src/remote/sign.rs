//! `portcullis sign`: the second signature, for fleets that want two.

use std::path::PathBuf;
use std::process::ExitCode;

use authz::distribution::UnverifiedManifest;
use clap::Args;
use serde_json::Value;

use super::{Endpoint, RemoteError, block_on};
use crate::signing_key::SigningKey;

/// What is signed with what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The epoch that waits for a signature.
    epoch: u64,
    /// The private key.
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Signs, and says what is served then.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match sign(arguments) {
        Ok(served) => {
            println!("epoch {served} is served");
            ExitCode::SUCCESS
        }
        Err(error) => error.report(),
    }
}

fn sign(arguments: &Arguments) -> Result<u64, RemoteError> {
    let key = SigningKey::load(&arguments.signing_key).map_err(RemoteError::Failed)?;
    let remote = arguments.endpoint.connect()?;
    block_on(async {
        let answer = remote.get(&format!("manifests/{}", arguments.epoch)).await?;
        let manifest = UnverifiedManifest::parse(answer.to_string().as_bytes());
        let manifest = manifest.map_err(|refused| RemoteError::Failed(refused.to_string()))?;
        let payload = manifest.unverified_payload().map_err(|refused| RemoteError::Failed(refused.to_string()))?;
        if payload.epoch != arguments.epoch || payload.fleet != remote.fleet {
            return Err(RemoteError::Failed(
                "the endpoint gives another manifest than the one that was asked for".to_owned(),
            ));
        }
        let signed: Value = serde_json::from_str(&key.sign(manifest).to_json()).unwrap_or_default();
        let signature = signed.get("signatures").and_then(Value::as_array).and_then(|all| all.last()).cloned();
        let path = format!("manifests/{}/signatures", arguments.epoch);
        let answer = remote.post(&path, &signature.unwrap_or_default()).await?;
        let served = answer.get("served_epoch").and_then(Value::as_u64);
        served.ok_or_else(|| RemoteError::Refused("the signature was added; more are needed".to_owned()))
    })
}
