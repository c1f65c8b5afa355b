//! `JUnit` XML: a test suite for each file, in the form that CI systems agree on.

use crate::test::run::{CaseReport, Difference, FileReport, Report};

pub(super) fn junit(report: &Report) -> String {
    let (cases, failed) = (report.cases().count(), report.failed());
    let files: String = report.files.iter().map(suite).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="portcullis" tests="{cases}" failures="{failed}">
{files}</testsuites>
"#
    )
}

fn suite(file: &FileReport) -> String {
    let failed = file.cases.iter().filter(|case| !case.passed()).count();
    let name = escaped(&file.file);
    let cases: String = file.cases.iter().map(|case| test_case(case, &name)).collect();
    let tests = file.cases.len();
    format!("  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\">\n{cases}  </testsuite>\n")
}

fn test_case(case: &CaseReport, file: &str) -> String {
    let (name, line) = (escaped(&case.name), case.line);
    let start = format!(r#"    <testcase name="{name}" classname="{file}" file="{file}" line="{line}""#);
    if case.passed() {
        return format!("{start}/>\n");
    }
    let differences: Vec<String> = case.differences.iter().map(Difference::sentence).collect();
    let (message, text) = (escaped(&differences.join("; ")), escaped(&case.summary()));
    format!("{start}>\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>\n")
}

/// XML 1.0 section 2.4; control characters cannot be said in it at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}
