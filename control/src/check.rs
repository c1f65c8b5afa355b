//! `portcullis check`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::findings::Output;
use crate::source::{Finding, Source, SourceError};

/// A policy was refused.
pub(crate) const REFUSED: u8 = 1;
/// A policy could not be read.
pub(crate) const UNREADABLE: u8 = 2;

/// What is checked.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders, YAML or JSON files: policies, bundles or plugin configurations; `-` is standard input.
    #[arg(required = true)]
    policies: Vec<PathBuf>,
    /// How the findings are printed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// A policy that is good.
struct Good {
    policy: String,
    revision: u64,
    issuers: usize,
    rules: usize,
}

/// Checks all policies; the exit code is that of the worst.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let checked: Vec<_> = arguments.policies.iter().map(|policy| check(policy)).collect();
    let (mut good, mut findings, mut code) = (Vec::new(), Vec::new(), 0);
    for result in checked {
        match result {
            Ok(policy) => good.push(policy),
            Err(error) => {
                code = code.max(exit_code(&error));
                match error {
                    SourceError::Refused(refused) => findings.extend(refused),
                    SourceError::Unreadable(why) => eprintln!("{why}"),
                }
            }
        }
    }
    // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
    drop(print(arguments.output, &good, &findings));
    code.into()
}

fn check(policy: &Path) -> Result<Good, SourceError> {
    let plugin = Source::load(policy)?.plugin_configuration()?;
    let bundle = plugin.bundle();
    Ok(Good {
        policy: policy.display().to_string(),
        revision: bundle.revision().into(),
        issuers: bundle.issuers().count(),
        rules: bundle.rules().count(),
    })
}

/// What is wrong goes where errors go, unless a program reads it.
fn print(output: Output, good: &[Good], findings: &[Finding]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if output == Output::Json {
        return writeln!(out, "{:#}", json(good, findings));
    }
    for Good { policy, revision, issuers, rules } in good {
        writeln!(out, "{policy}: good: revision {revision}, {issuers} issuers, {rules} rules")?;
    }
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    if output == Output::Github {
        findings.iter().try_for_each(|finding| write!(out, "{}", finding.to_github("error")))?;
    }
    Ok(())
}

/// The report, version 1 (`control/schema/check-report.schema.json`).
fn json(good: &[Good], findings: &[Finding]) -> Value {
    let good: Vec<Value> = good.iter().map(Good::to_json).collect();
    let findings: Vec<Value> = findings.iter().map(Finding::to_json).collect();
    json!({ "version": 1, "good": good, "findings": findings })
}

impl Good {
    fn to_json(&self) -> Value {
        json!({ "policy": self.policy, "revision": self.revision, "issuers": self.issuers, "rules": self.rules })
    }
}

/// Says what is wrong with a source; the exit code for it.
pub(crate) fn report(error: &SourceError) -> u8 {
    eprintln!("{error}");
    exit_code(error)
}

const fn exit_code(error: &SourceError) -> u8 {
    match error {
        SourceError::Refused(_) => REFUSED,
        SourceError::Unreadable(_) => UNREADABLE,
    }
}
