//! The results of tests, for people and for programs.

mod junit;
mod text;

pub(super) use junit::junit;
pub(super) use text::{github, text};

use serde_json::{Value, json};

use super::run::{CaseReport, FileReport, Report};

/// The report, version 1 (`control/schema/test-report.schema.json`).
pub(super) fn json(report: &Report) {
    let report = json!({
        "version": 1,
        "revision": report.revision,
        "passed": report.cases().count().saturating_sub(report.failed()),
        "failed": report.failed(),
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "rules": report.rules.iter().map(|(id, cases)| json!({ "id": id, "cases": cases })).collect::<Vec<_>>(),
    });
    println!("{report:#}");
}

fn file(file: &FileReport) -> Value {
    json!({ "file": file.file, "cases": file.cases.iter().map(case).collect::<Vec<_>>() })
}

fn case(case: &CaseReport) -> Value {
    let differences = case.differences.iter().map(
        |difference| json!({ "field": difference.field, "expected": difference.expected, "actual": difference.actual }),
    );
    json!({
        "name": case.name,
        "line": case.line,
        "passed": case.passed(),
        "decision": case.outcome.decision.name(),
        "reason": case.outcome.reason.code(),
        "rule": case.outcome.rule,
        "status": case.outcome.reason.status(),
        "differences": differences.collect::<Vec<_>>(),
    })
}
