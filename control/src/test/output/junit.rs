//! `JUnit` XML: a test suite for each file, in the form that CI systems agree on.

use crate::test::run::{CaseReport, Difference, FileReport, Report};

pub(in crate::test) fn junit(report: &Report) {
    let (cases, failed) = (report.cases().count(), report.failed());
    println!(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    println!(r#"<testsuites name="portcullis" tests="{cases}" failures="{failed}">"#);
    report.files.iter().for_each(print_file);
    println!("</testsuites>");
}

fn print_file(file: &FileReport) {
    let failed = file.cases.iter().filter(|case| !case.passed()).count();
    let name = escaped(&file.file);
    println!(r#"  <testsuite name="{name}" tests="{}" failures="{failed}">"#, file.cases.len());
    file.cases.iter().for_each(|case| print_case(case, &name));
    println!("  </testsuite>");
}

fn print_case(case: &CaseReport, file: &str) {
    let (name, line) = (escaped(&case.name), case.line);
    let start = format!(r#"    <testcase name="{name}" classname="{file}" file="{file}" line="{line}""#);
    if case.passed() {
        println!("{start}/>");
        return;
    }
    let differences: Vec<String> = case.differences.iter().map(Difference::sentence).collect();
    println!("{start}>");
    println!(r#"      <failure message="{}">{}</failure>"#, escaped(&differences.join("; ")), escaped(&case.summary()));
    println!("    </testcase>");
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
