//! `portcullis fmt`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::check::UNREADABLE;
use crate::replace::replace;
use crate::source::{Layout, SourceError, one_line, yaml_files};

/// With `--check`: a file is not formatted.
const UNFORMATTED: u8 = 1;

/// What is formatted.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders, with the tests in them, or files; `-` is standard input, which is printed.
    #[arg(default_value = ".")]
    policies: Vec<PathBuf>,
    /// Change nothing; name the files that would change.
    #[arg(long)]
    check: bool,
}

/// Formats the files, or none of them if one cannot be read.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match lay_out(&arguments.policies) {
        Ok(files) if arguments.check => check(&files),
        Ok(files) => files.iter().map(|(path, layout)| write(path, layout)).max().unwrap_or_default().into(),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            UNREADABLE.into()
        }
    }
}

fn lay_out(policies: &[PathBuf]) -> Result<Vec<(PathBuf, Layout)>, Vec<SourceError>> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for policy in policies {
        match yaml_files(policy) {
            Ok(found) => files.extend(found),
            Err(error) => errors.push(error),
        }
    }
    let mut layouts = Vec::new();
    for file in files {
        match Layout::of(&file) {
            Ok(layout) => layouts.push((file, layout)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(layouts) } else { Err(errors) }
}

/// Shows the first line of each file that would change.
fn check(files: &[(PathBuf, Layout)]) -> ExitCode {
    let mut code = 0;
    for (_, layout) in files {
        if let Some((line, is, should_be)) = layout.first_difference() {
            let (is, should_be) = (one_line(is.trim_end_matches('\n')), one_line(should_be.trim_end_matches('\n')));
            println!("{}:{line}: is not formatted\n  - {is}\n  + {should_be}", one_line(&layout.name));
            code = UNFORMATTED;
        }
    }
    code.into()
}

/// Writes what changes, and names it; the exit code.
fn write(path: &Path, layout: &Layout) -> u8 {
    let written = if path == Path::new("-") {
        std::io::stdout().write_all(layout.should_be.as_bytes())
    } else if layout.is == layout.should_be {
        Ok(())
    } else {
        println!("{}", one_line(&layout.name));
        replace(path, layout.should_be.as_bytes())
    };
    match written {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}: cannot be written: {error}", layout.name);
            UNREADABLE
        }
    }
}
