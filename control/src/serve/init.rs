//! `portcullis serve --init`: everything that an endpoint needs to begin with, made anew.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::check::UNREADABLE;
use crate::keygen;
use crate::signing_key::{Algorithm, SigningKey};

/// A serve.yaml, with places for what is made anew.
const STARTER: &str = include_str!("../../starter/serve.yaml");

/// Writes a serve.yaml, a signing key and two tokens, and says what to do with them.
pub(crate) fn run(config: &Path) -> ExitCode {
    match write(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            UNREADABLE.into()
        }
    }
}

fn write(config: &Path) -> Result<(), String> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let file = |name: &str| folder.join(name);
    let (key_file, admin_file, proxy_file) = (file("signing-key.json"), file("admin.token"), file("proxy.token"));
    let taken = [config, &key_file, &admin_file, &proxy_file].into_iter().find(|file| file.symlink_metadata().is_ok());
    if let Some(taken) = taken {
        return Err(format!("{}: is there already and is not overwritten", taken.display()));
    }
    let key = SigningKey::generate(Algorithm::EdDsa, None)?;
    let (admin, proxy) = (keygen::new_token()?, keygen::new_token()?);
    let settings = STARTER
        .replace("ADMIN_TOKEN_SHA256", &keygen::hash(&admin))
        .replace("PROXY_TOKEN_SHA256", &keygen::hash(&proxy));
    for (file, text) in [
        (&*key_file, format!("{:#}\n", key.private_jwk())),
        (&*admin_file, format!("{admin}\n")),
        (&*proxy_file, format!("{proxy}\n")),
        (config, settings),
    ] {
        keygen::write_private(file, text.as_bytes())
            .map_err(|error| format!("{}: cannot be written: {error}", file.display()))?;
        println!("{}", file.display());
    }
    let trust = json!({ "fleet": "production", "name": "policy", "keys": [key.public_jwk()] });
    let control = json!({ "cluster": "portcullis-control", "authority": "portcullis-control", "token": proxy, "proxy": "edge-1" });
    println!(
        "\nThe plugin configuration of the proxies, where `control.cluster` is a cluster of theirs that leads here:"
    );
    println!("{:#}", json!({ "version": 1, "trust": trust, "control": control }));
    println!("\nNext:");
    println!("  portcullis serve --config {}", config.display());
    println!("  portcullis publish POLICY --to http://127.0.0.1:9470 --token-file {}", admin_file.display());
    Ok(())
}
