//! `portcullis audit pseudonym`: under which name somebody is in a log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use authz::record::PseudonymKey;
use clap::Args;

use crate::check::UNREADABLE;

/// Of what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The file of the key: `decision_log.pseudonym_key` of the bundle, and nothing else.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The issuer who vouches for the value. Empty for `path` and `source`, for which nobody does.
    #[arg(long, default_value = "")]
    issuer: String,
    /// Which member of the record it is: `subject`, `client`, `tenant`, `session`, `path`, `source`, or the name of a claim.
    #[arg(long, default_value = "subject")]
    field: String,
    /// The value.
    value: String,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match read_key(&arguments.key) {
        Ok(key) => {
            println!("{}", key.pseudonym(&arguments.issuer, &arguments.field, &arguments.value));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            UNREADABLE.into()
        }
    }
}

/// A key from a file, in which it stands alone.
pub(super) fn read_key(file: &Path) -> Result<PseudonymKey, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
    PseudonymKey::from_base64url(text.trim())
        .ok_or_else(|| format!("{}: is not a key: at least 32 bytes in base64url, as in the bundle", file.display()))
}
