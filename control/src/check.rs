//! `portcullis check`.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use authz::{Bundle, BundleErrors, PluginConfiguration};

/// A file was refused.
const REFUSED: u8 = 1;
/// A file could not be read.
const UNREADABLE: u8 = 2;

/// Checks all files; the exit code is that of the worst.
pub(crate) fn run(files: &[PathBuf]) -> ExitCode {
    ExitCode::from(files.iter().map(|file| check(file)).max().unwrap_or_default())
}

fn check(file: &Path) -> u8 {
    let name = file.display();
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            return UNREADABLE;
        }
    };
    match parse(&text) {
        Ok(bundle) => {
            let (issuers, rules) = (bundle.issuers().count(), bundle.rules().count());
            println!("{name}: good: revision {}, {issuers} issuers, {rules} rules", bundle.revision());
            0
        }
        Err(errors) => {
            errors.to_string().lines().for_each(|error| eprintln!("{name}: {error}"));
            REFUSED
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    fs::read(file).context("cannot be read")
}

/// A document with a `bundle` is a plugin configuration, any other a bundle.
fn parse(text: &[u8]) -> Result<Bundle, BundleErrors> {
    let value = serde_json::from_slice::<serde_json::Value>(text).unwrap_or_default();
    if value.get("bundle").is_some() {
        return PluginConfiguration::parse(text).map(PluginConfiguration::into_bundle);
    }
    Bundle::parse(text)
}
