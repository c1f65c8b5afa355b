//! `portcullis test`.

mod format;
mod output;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use authz::document;
use clap::Args;

use crate::source::{Source, SourceError, test_files};
use crate::trial::TestPolicy;
use format::Case;
use output::Output;
use run::Report;

/// A case failed.
const FAILED: u8 = 1;
/// There is nothing to run: the policy or a test file is not good.
const NOTHING_RUN: u8 = 2;

/// What is tested with what.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The policy: a folder, or a YAML or JSON file.
    #[arg(default_value = ".")]
    policy: PathBuf,
    /// Test files; without them, those named `*_test.yaml` and `*.test.yaml` in the folder of the policy and below.
    tests: Vec<PathBuf>,
    /// How the results are printed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs the tests.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let (policy, files) = match load(arguments) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return NOTHING_RUN.into();
        }
    };
    let report = Report::of(&policy, &files);
    // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
    drop(arguments.output.print(&report));
    if report.failed() == 0 { ExitCode::SUCCESS } else { FAILED.into() }
}

/// The policy with keys of ours, and the cases of each file with their lines.
type Loaded = (TestPolicy, Vec<(String, Vec<(usize, Case)>)>);

fn load(arguments: &Arguments) -> Result<Loaded, SourceError> {
    let source = Source::load(&arguments.policy)?;
    // What is wrong with a policy is said of the policy as it is, before its keys are replaced.
    source.bundle()?;
    let policy = source.parse(TestPolicy::new)?;
    let files = if arguments.tests.is_empty() { test_files(&arguments.policy)? } else { arguments.tests.clone() };
    if files.is_empty() {
        let folder = arguments.policy.display();
        return Err(SourceError::Unreadable(format!("{folder}: has no tests: no file `*_test.yaml` or `*.test.yaml`")));
    }
    let mut refused = Vec::new();
    let mut tests = Vec::new();
    for file in &files {
        let read = Source::load(file).and_then(|source| {
            let cases = source.parse(|text| document::read(text, |node| format::read(node, &policy)))?;
            let lines = source.lines("cases");
            Ok((source.name().to_owned(), lines.into_iter().zip(cases).collect()))
        });
        match read {
            Ok(read) => tests.push(read),
            Err(SourceError::Refused(findings)) => refused.extend(findings),
            Err(unreadable) => return Err(unreadable),
        }
    }
    if refused.is_empty() { Ok((policy, tests)) } else { Err(SourceError::Refused(refused)) }
}
