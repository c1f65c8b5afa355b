//! `portcullis audit`: reads the decision log (`docs/decision-log.md`).

pub(crate) mod checkpoint;
pub(crate) mod convert;
mod pseudonym;
pub(crate) mod record;
mod report;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

/// What is done with a decision log.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find out whether a decision log is the one that was written.
    ///
    /// Every record has to follow from the one before it of the same worker, in whatever file that is; every checkpoint from the one before
    /// it of the same replica, and the lines between have to be those that were signed. What was changed, left out, added or moved is named
    /// with its file, line, worker and number. Records that a worker counted as lost are reported, and are no finding. The exit code is 0 if
    /// nothing was found, 1 if something was, 2 if a file cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis audit verify decisions --keys public-key.json\n  portcullis audit verify decisions/20261126T*.ndjson --partial\n  portcullis audit verify replica-a replica-b --keys keys.json --output json | jq '.findings[]'"
    )]
    Verify(verify::Arguments),
    /// Say who accessed what: by identity, over time.
    ///
    /// The log is verified on the way, and the result is part of the report. The exit code is 0 if nothing was found, 1 if something was: then
    /// the report says what; 2 if a file cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis audit report decisions --keys public-key.json\n  portcullis audit report decisions --since 2026-11-01 --output html > report.html\n  portcullis audit report decisions --issuer https://login.example.com --subject alice --pseudonym-key log.key\n  portcullis audit report decisions --output csv > accesses.csv"
    )]
    Report(Box<report::Arguments>),
    /// Write records in the format of a SIEM, one a line.
    ///
    /// Checkpoints are left out. The exit code is 0 if all was written, 1 if a line is no record, 2 if a file cannot be read.
    #[command(
        after_help = "Examples:\n  portcullis audit convert --format ocsf decisions/*.ndjson > events.ndjson\n  tail -f envoy.log | grep -o '{\"version\":2.*' | portcullis audit convert --format cef"
    )]
    Convert(convert::Arguments),
    /// Compute the pseudonym under which somebody is in a decision log.
    ///
    /// The key is `decision_log.pseudonym_key` of the bundle. Whoever has it can tell who is who, so keep it apart from the log. The exit code
    /// is 0, or 2 if the key cannot be read.
    #[command(
        after_help = "Example:\n  grep -F \"$(portcullis audit pseudonym --key log.key --issuer https://login.example.com alice)\" decisions/*.ndjson"
    )]
    Pseudonym(pseudonym::Arguments),
}

/// Does it.
pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Verify(arguments) => verify::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Pseudonym(arguments) => pseudonym::run(arguments),
    }
}
