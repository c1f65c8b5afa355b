//! Findings, for people and for programs.

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Finding;
use crate::github::annotation;
use crate::source::{Position, one_line};

/// How findings are printed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Output {
    /// For people and editors: `FILE:LINE:COLUMN: PATH: CODE: WHAT`.
    Text,
    /// For programs: `portcullis schema lint-report`.
    Json,
    /// Text and annotations of GitHub Actions.
    Github,
}

impl Output {
    pub(super) fn print(self, findings: &[(Position, Finding)]) -> std::io::Result<()> {
        let text = match self {
            Self::Text => findings.iter().map(line).collect(),
            Self::Json => json(findings),
            Self::Github => findings.iter().map(line).chain(findings.iter().map(github)).collect::<String>(),
        };
        anstream::stdout().write_all(text.as_bytes())
    }
}

fn line((position, finding): &(Position, Finding)) -> String {
    let Finding { code, place, message } = finding;
    format!("{}\n", one_line(&format!("{position}: {place}: {code}: {message}")))
}

fn github((position, finding): &(Position, Finding)) -> String {
    let (line, column) = (position.line.to_string(), position.column.to_string());
    let place = [("file", &*position.file), ("line", &line), ("col", &column), ("title", finding.code)];
    annotation("warning", &place, &format!("{}: {}", finding.place, finding.message))
}

/// The report, version 1 (`control/schema/lint-report.schema.json`).
fn json(findings: &[(Position, Finding)]) -> String {
    let finding = |(position, finding): &(Position, Finding)| {
        json!({
            "code": finding.code, "file": &*position.file, "line": position.line, "column": position.column,
            "path": finding.place, "message": finding.message,
        })
    };
    let report = json!({ "version": 1, "findings": findings.iter().map(finding).collect::<Vec<Value>>() });
    format!("{report:#}\n")
}
