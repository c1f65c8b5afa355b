//! `portcullis lint`: what a policy says that its author can hardly have meant.
//!
//! It works on the JSON of a policy that the production parser found good. Nothing here decides anything, and where it is not sure it
//! says nothing.

mod breadth;
mod claims;
mod conditions;
mod contradiction;
mod index;
mod model;
mod overlap;
mod target;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::check::{REFUSED, UNREADABLE};
use crate::findings::Output;
use crate::source::{self, Source, SourceError};
use model::Policy;

/// What is looked at.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder, a YAML or JSON file, or `-` for standard input.
    #[arg(default_value = ".")]
    policy: PathBuf,
    /// How the findings are printed.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Something that can hardly be meant.
struct Finding {
    /// Its kind, which does not change from version to version.
    code: &'static str,
    /// The place in the bundle.
    place: String,
    /// What it is, and the remedy.
    message: String,
}

impl Finding {
    fn new(code: &'static str, place: &str, message: String) -> Self {
        Self { code, place: place.to_owned(), message }
    }
}

/// Prints the findings about a policy.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let findings = match find(arguments) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("{error}");
            return UNREADABLE.into();
        }
    };
    // Whoever stops reading (`| head`) has read enough; the exit code is what counts.
    drop(print(arguments.output, &findings));
    if findings.is_empty() { ExitCode::SUCCESS } else { REFUSED.into() }
}

fn print(output: Output, findings: &[source::Finding]) -> std::io::Result<()> {
    let lines = || findings.iter().map(|finding| format!("{finding}\n"));
    let text = match output {
        Output::Text => lines().collect(),
        // The report, version 1 (`control/schema/lint-report.schema.json`).
        Output::Json => {
            let findings: Vec<Value> = findings.iter().map(source::Finding::to_json).collect();
            format!("{:#}\n", json!({ "version": 1, "findings": findings }))
        }
        Output::Github => {
            lines().chain(findings.iter().map(|finding| finding.to_github("warning"))).collect::<String>()
        }
    };
    std::io::stdout().write_all(text.as_bytes())
}

fn find(arguments: &Arguments) -> Result<Vec<source::Finding>, SourceError> {
    let source = Source::load(&arguments.policy)?;
    source.plugin_configuration()?;
    let document: Value = serde_json::from_slice(&source.to_json()).unwrap_or_default();
    // A document with `bundle` is a plugin configuration.
    let (bundle, prefix) = document.get("bundle").map_or((&document, ""), |bundle| (bundle, "bundle."));
    let mut findings = lint(&Policy::of(bundle));
    for finding in &mut findings {
        finding.place.insert_str(0, prefix);
    }
    let places: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
    let positions = source.positions(&places);
    let located = positions.into_iter().zip(findings);
    Ok(located
        .map(|(position, Finding { code, place, message })| source::Finding {
            position,
            path: place,
            code: Some(code),
            message,
        })
        .collect())
}

/// All findings, rule by rule.
fn lint(policy: &Policy<'_>) -> Vec<Finding> {
    let of_rule = |index, rule| {
        let overlaps = overlap::find(policy, index, rule);
        overlaps.into_iter().chain(breadth::find(rule)).chain(conditions::find(policy, rule))
    };
    policy.rules.iter().enumerate().flat_map(|(index, rule)| of_rule(index, rule)).collect()
}
