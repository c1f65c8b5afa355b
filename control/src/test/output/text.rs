//! Results for people: every case in a line, and of those that failed what was expected and what was there.

use anstyle::{AnsiColor, Style};

use crate::github::annotation;
use crate::source::one_line;
use crate::test::run::{CaseReport, Difference, Report};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

/// With the codes of colours, which whoever prints it removes where nobody sees them.
pub(super) fn text(report: &Report) -> String {
    let files = report.files.iter().map(|file| {
        let cases: String = file.cases.iter().map(|case| case_text(case, &file.file)).collect();
        format!("{}\n{cases}", one_line(&file.file))
    });
    format!("{}\n{}", files.collect::<String>(), summary(report))
}

fn case_text(case: &CaseReport, file: &str) -> String {
    let name = one_line(&case.name);
    if case.passed() {
        return format!("  {GOOD}ok{GOOD:#}    {name}\n");
    }
    let width = case.differences.iter().map(|difference| difference.field.len()).max().unwrap_or_default();
    let differences = case.differences.iter().map(|Difference { field, expected, actual }| {
        let (expected, actual) = (one_line(expected), one_line(actual));
        format!("          {field:width$}  expected {GOOD}{expected}{GOOD:#}, was {BAD}{actual}{BAD:#}\n")
    });
    format!(
        "  {BAD}FAIL{BAD:#}  {name} {QUIET}({}:{}){QUIET:#}\n{}          {QUIET}{}{QUIET:#}\n",
        one_line(file),
        case.line,
        differences.collect::<String>(),
        case.summary()
    )
}

fn summary(report: &Report) -> String {
    let (rules, uncovered) = (report.rules.len(), report.uncovered());
    let decided = format!("{} of {rules} rules decided a case", rules.saturating_sub(uncovered.len()));
    let never = match uncovered.as_slice() {
        [] => String::new(),
        rules => format!("; never: {NOTE}{}{NOTE:#}", rules.join(", ")),
    };
    let (failed, cases) = (report.failed(), report.cases().count());
    let result = match failed {
        0 => format!("{GOOD}{cases} cases passed{GOOD:#}"),
        failed => format!("{BAD}{failed} of {cases} cases failed{BAD:#}"),
    };
    format!("{decided}{never}\n{result}\n")
}

/// The text, and a workflow command for each case that failed, which GitHub shows beside its line.
pub(super) fn github(report: &Report) -> String {
    let mut output = text(report);
    for file in &report.files {
        for case in file.cases.iter().filter(|case| !case.passed()) {
            let differences: Vec<String> = case.differences.iter().map(Difference::sentence).collect();
            let message = format!("{}\n{}", differences.join("\n"), case.summary());
            let line = case.line.to_string();
            let place = [("file", file.file.as_str()), ("line", &line), ("title", &case.name)];
            output.push_str(&annotation("error", &place, &message));
        }
    }
    output
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
