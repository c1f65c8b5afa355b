//! `portcullis test`.

mod coverage;
mod format;
mod output;
mod run;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use authz::document;
use clap::Args;

use crate::source::{Source, SourceError, test_files};
use crate::trial::{TestPolicy, Trial};
use format::Case;
use output::Output;
use run::Report;
pub(crate) use vectors::Vectors;

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
    source.plugin_configuration()?;
    let policy = source.parse(TestPolicy::new)?;
    let files = if arguments.tests.is_empty() { test_files(&arguments.policy)? } else { arguments.tests.clone() };
    if files.is_empty() {
        let folder = arguments.policy.display();
        return Err(SourceError::Unreadable(format!("{folder}: has no tests: no file `*_test.yaml` or `*.test.yaml`")));
    }
    let mut refused = Vec::new();
    let mut tests = Vec::new();
    for file in &files {
        match load_cases(file, &policy) {
            Ok(read) => tests.push(read),
            Err(SourceError::Refused(findings)) => refused.extend(findings),
            Err(unreadable) => return Err(unreadable),
        }
    }
    if refused.is_empty() { Ok((policy, tests)) } else { Err(SourceError::Refused(refused)) }
}

/// The cases of a test file with their lines, and its name.
fn load_cases(file: &Path, policy: &TestPolicy) -> Result<(String, Vec<(usize, Case)>), SourceError> {
    let source = Source::load(file)?;
    let cases = source.parse(|text| document::read(text, |node| format::read(node, policy)))?;
    Ok((source.name().to_owned(), source.lines("cases").into_iter().zip(cases).collect()))
}

/// What is asked in the case of this name of a test file.
pub(crate) fn load_case(file: &Path, name: &str, policy: &TestPolicy) -> Result<Trial, SourceError> {
    let (file, cases) = load_cases(file, policy)?;
    let found = cases.into_iter().find(|(_, case)| case.name == name);
    found.map(|(_, case)| case.trial).ok_or_else(|| SourceError::Unreadable(format!("{file}: has no case `{name}`")))
}
