//! `portcullis audit report`: who accessed what, by identity, over time.

mod accesses;
mod html;
mod markup;
mod output;
mod regimes;
mod selection;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::accesses::Accesses;
use self::selection::Selection;
use super::verify::{Log, Verification, verify};
use crate::check::{REFUSED, UNREADABLE};

/// What is reported.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    log: Log,
    /// Only what was decided from then on: a date, or a time as in RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was decided before then.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only what this issuer vouches for.
    #[arg(long)]
    issuer: Option<String>,
    /// Only this subject; with `--pseudonym-key` also under its pseudonym.
    #[arg(long)]
    subject: Option<String>,
    /// The file of `decision_log.pseudonym_key` of the bundle.
    #[arg(long, value_name = "FILE", requires = "subject")]
    pseudonym_key: Option<PathBuf>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// How the report is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people, in a terminal.
    Table,
    /// For spreadsheets (RFC 4180): a row for each identity, action and resource.
    Csv,
    /// For programs: `portcullis schema audit-report`.
    Json,
    /// For people, as one page that needs nothing else.
    Html,
}

/// Everything that a report says.
struct Report<'r> {
    selection: &'r Selection,
    accesses: &'r Accesses,
    verification: &'r Verification,
}

/// Reports; the exit code is 0 if nothing was found, 1 if something was, 2 if the log cannot be read.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let read = Selection::new(arguments).and_then(|selection| {
        let mut accesses = Accesses::default();
        let verification = verify(&arguments.log, &mut |record| accesses.take(record, &selection))?;
        Ok((selection, accesses, verification))
    });
    let (selection, accesses, verification) = match read {
        Ok(read) => read,
        Err(why) => {
            eprintln!("{why}");
            return UNREADABLE.into();
        }
    };
    let report = Report { selection: &selection, accesses: &accesses, verification: &verification };
    // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
    drop(report.print(arguments.output));
    if arguments.output != Output::Json {
        verification.findings.iter().for_each(|finding| eprintln!("{finding}"));
    }
    if verification.is_clean() { ExitCode::SUCCESS } else { REFUSED.into() }
}
