//! The results of tests, for people and for programs.

mod junit;
mod text;

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::coverage::{ConditionCoverage, RuleCoverage};
use super::run::{CaseReport, FileReport, Report};
use crate::trial::named;

/// How results are printed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Output {
    /// For people, with colours on a terminal.
    Text,
    /// For programs: `portcullis schema test-report`.
    Json,
    /// `JUnit` XML, which most CI systems show.
    Junit,
    /// Text and annotations of GitHub Actions.
    Github,
}

impl Output {
    /// Prints the results. Colours stay where they are seen: on a terminal, unless `NO_COLOR` is set.
    pub(super) fn print(self, report: &Report) -> std::io::Result<()> {
        let text = match self {
            Self::Text => text::text(report),
            Self::Json => json(report),
            Self::Junit => junit::junit(report),
            Self::Github => text::github(report),
        };
        anstream::stdout().write_all(text.as_bytes())
    }
}

/// The report, version 1 (`control/schema/test-report.schema.json`).
fn json(report: &Report) -> String {
    let report = json!({
        "version": 1,
        "revision": report.revision,
        "passed": report.cases().count().saturating_sub(report.failed()),
        "failed": report.failed(),
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "rules": report.coverage.rules.iter().map(rule).collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}

fn file(file: &FileReport) -> Value {
    json!({ "file": file.file, "cases": file.cases.iter().map(case).collect::<Vec<_>>() })
}

fn case(case: &CaseReport) -> Value {
    let differences = case.differences.iter().map(
        |difference| json!({ "field": difference.field, "expected": difference.expected, "actual": difference.actual }),
    );
    let decision = &case.outcome.decision;
    json!({
        "name": case.name,
        "line": case.line,
        "passed": case.passed(),
        "decision": decision.effect().name(),
        "reason": decision.reason().code(),
        "rule": decision.rule(),
        "status": decision.reason().status(),
        "audit": decision.is_for_audit(),
        "rate_limit": decision.rate_limit(),
        "shadow": decision.shadow().map(named),
        "candidate": decision.candidate().map(named),
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn rule(rule: &RuleCoverage) -> Value {
    let condition =
        |part: &ConditionCoverage| json!({ "condition": part.condition, "held": part.held, "not_held": part.not_held });
    json!({
        "id": rule.id,
        "shadow": rule.is_shadow,
        "cases": rule.cases,
        "conditions": rule.conditions.iter().map(condition).collect::<Vec<_>>(),
    })
}
