//! `portcullis init`.

use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::check::UNREADABLE;

/// What a new policy consists of.
const STARTER: [(&str, &str); 2] = [
    ("policy.yaml", include_str!("../starter/policy.yaml")),
    ("policy_test.yaml", include_str!("../starter/policy_test.yaml")),
];

/// Writes a starter policy and its tests, and nothing where one of the files is there already.
pub(crate) fn run(folder: &Path) -> ExitCode {
    match write(folder) {
        Ok(()) => {
            println!("Next: portcullis test {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            UNREADABLE.into()
        }
    }
}

fn write(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder)?;
    if let Some((name, _)) = STARTER.iter().find(|(name, _)| folder.join(name).symlink_metadata().is_ok()) {
        let problem = format!("{name} is there already and is not overwritten; name another folder");
        return Err(Error::new(ErrorKind::AlreadyExists, problem));
    }
    for (name, text) in STARTER {
        // Should somebody else have been faster: `create_new` overwrites nothing either.
        OpenOptions::new().write(true).create_new(true).open(folder.join(name))?.write_all(text.as_bytes())?;
        println!("{}", folder.join(name).display());
    }
    Ok(())
}
