//! `portcullis keygen`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use crate::check::UNREADABLE;
use crate::random;
use crate::signing_key::{Algorithm, SigningKey};

/// What is made, and where it goes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The file of the private key, which only you may read; one that is there is not overwritten. `signing-key.json` or, for assertions,
    /// `assertion-key.json` if not given.
    output: Option<PathBuf>,
    /// The algorithm of the key.
    #[arg(long, value_enum, default_value = "EdDSA")]
    algorithm: Algorithm,
    /// The name of the key; its thumbprint (RFC 7638) if not given.
    #[arg(long, value_name = "NAME")]
    key_id: Option<String>,
    /// Make a key that assertions are signed with, for `assertion.key` of a policy.
    #[arg(long)]
    assertion: bool,
    /// Make a bearer token instead, for a proxy, an administrator or a feed: print it, and the hash of it for serve.yaml.
    #[arg(long, conflicts_with_all = ["output", "algorithm", "key_id", "assertion"])]
    token: bool,
}

/// Makes a key or a token.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let made = if arguments.token { print_token() } else { write_key(arguments) };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            UNREADABLE.into()
        }
    }
}

fn print_token() -> Result<(), String> {
    let token = new_token()?;
    println!("{token}");
    eprintln!("Give the token to whoever uses it, and this to the endpoint, in serve.yaml:");
    eprintln!("  token_sha256: {}", hash(&token));
    Ok(())
}

/// A bearer token: 256 random bits.
pub(crate) fn new_token() -> Result<String, String> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?))
}

/// What the endpoint knows of a token: its SHA-256.
pub(crate) fn hash(token: &str) -> String {
    random::hexadecimal(&hmac_sha256::Hash::hash(token.as_bytes()))
}

fn write_key(arguments: &Arguments) -> Result<(), String> {
    let key = SigningKey::generate(arguments.algorithm, arguments.key_id.clone())?;
    let text = format!("{:#}\n", key.private_jwk());
    let default = if arguments.assertion { "assertion-key.json" } else { "signing-key.json" };
    let output = arguments.output.as_deref().unwrap_or(Path::new(default));
    write_private(output, text.as_bytes())
        .map_err(|error| format!("{}: cannot be written: {error}", output.display()))?;
    println!("{}", key.public_jwk());
    let file = output.display();
    if arguments.assertion {
        eprintln!(
            "{file}: the private key, for `assertion.key` of a policy; whoever has it can speak as your proxies."
        );
        eprintln!("The line above is the public key, for `assertion.further_keys` until the private one is used.");
    } else {
        eprintln!("{file}: the private key; keep it where the endpoint runs, and a copy in a safe.");
        eprintln!("The line above is the public key, for `trust.keys` of the plugin configuration.");
    }
    Ok(())
}

/// A new file that nobody else may read.
pub(crate) fn write_private(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text)
}
