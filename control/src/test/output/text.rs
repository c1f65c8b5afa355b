//! Results for people: every case in a line, and of those that failed what was expected and what was there.

use anstream::{print, println};
use anstyle::{AnsiColor, Style};

use crate::test::run::{CaseReport, Difference, Report};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

pub(in crate::test) fn text(report: &Report) {
    for file in &report.files {
        println!("{}", file.file);
        file.cases.iter().for_each(|case| print_case(case, &file.file));
    }
    println!();
    print_summary(report);
}

fn print_case(case: &CaseReport, file: &str) {
    if case.passed() {
        println!("  {GOOD}ok{GOOD:#}    {}", case.name);
        return;
    }
    println!("  {BAD}FAIL{BAD:#}  {} {QUIET}({file}:{}){QUIET:#}", case.name, case.line);
    let width = case.differences.iter().map(|difference| difference.field.len()).max().unwrap_or_default();
    for Difference { field, expected, actual } in &case.differences {
        println!("          {field:width$}  expected {GOOD}{expected}{GOOD:#}, was {BAD}{actual}{BAD:#}");
    }
    println!("          {QUIET}{}{QUIET:#}", case.summary());
}

fn print_summary(report: &Report) {
    let (rules, uncovered) = (report.rules.len(), report.uncovered());
    print!("{} of {rules} rules decided a case", rules.saturating_sub(uncovered.len()));
    if !uncovered.is_empty() {
        print!("; never: {NOTE}{}{NOTE:#}", uncovered.join(", "));
    }
    println!();
    let (failed, cases) = (report.failed(), report.cases().count());
    if failed == 0 {
        println!("{GOOD}{cases} cases passed{GOOD:#}");
    } else {
        println!("{BAD}{failed} of {cases} cases failed{BAD:#}");
    }
}

/// The text, and a workflow command for each case that failed, which GitHub shows beside its line.
pub(in crate::test) fn github(report: &Report) {
    text(report);
    for file in &report.files {
        for case in file.cases.iter().filter(|case| !case.passed()) {
            let differences: Vec<String> = case.differences.iter().map(Difference::sentence).collect();
            let message = format!("{}\n{}", differences.join("\n"), case.summary());
            println!(
                "::error file={},line={},title={}::{}",
                escaped(&file.file, true),
                case.line,
                escaped(&case.name, true),
                escaped(&message, false)
            );
        }
    }
}

/// Workflow commands end at a line break; in their properties `:` and `,` have a meaning too.
fn escaped(text: &str, is_property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if is_property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

impl Difference {
    pub(super) fn sentence(&self) -> String {
        format!("{}: expected {}, was {}", self.field, self.expected, self.actual)
    }
}

impl CaseReport {
    /// What became of the request.
    pub(super) fn summary(&self) -> String {
        let outcome = &self.outcome;
        let rule = outcome.rule.as_ref().map(|rule| format!(", rule {rule}")).unwrap_or_default();
        let (decision, reason) = (outcome.decision.name(), outcome.reason);
        format!("it was: {decision}, {}{rule}, status {}", reason.code(), reason.status())
    }
}
