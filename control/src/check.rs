//! `portcullis check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::source::{Source, SourceError};

/// A policy was refused.
pub(crate) const REFUSED: u8 = 1;
/// A policy could not be read.
pub(crate) const UNREADABLE: u8 = 2;

/// Checks all policies; the exit code is that of the worst.
pub(crate) fn run(policies: &[PathBuf]) -> ExitCode {
    ExitCode::from(policies.iter().map(|policy| check(policy)).max().unwrap_or_default())
}

fn check(policy: &Path) -> u8 {
    match Source::load(policy).and_then(|source| source.bundle()) {
        Ok(bundle) => {
            let (name, revision) = (policy.display(), bundle.revision());
            let (issuers, rules) = (bundle.issuers().count(), bundle.rules().count());
            println!("{name}: good: revision {revision}, {issuers} issuers, {rules} rules");
            0
        }
        Err(error) => report(&error),
    }
}

/// Says what is wrong with a source; the exit code for it.
pub(crate) fn report(error: &SourceError) -> u8 {
    eprintln!("{error}");
    match error {
        SourceError::Refused(_) => REFUSED,
        SourceError::Unreadable(_) => UNREADABLE,
    }
}
