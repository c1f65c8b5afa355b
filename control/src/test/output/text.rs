//! Results for people: every case in a line, and of those that failed what was expected and what was there.

use anstyle::{AnsiColor, Style};

use crate::github::annotation;
use crate::source::one_line;
use crate::test::coverage::{ConditionCoverage, Coverage};
use crate::test::run::{CaseReport, Difference, Report};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

/// Most rules and cases, and most conditions, that a line of the summary names.
const SHOWN_NAMES: usize = 20;
const SHOWN_CONDITIONS: usize = 3;

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
    let (failed, cases) = (report.failed(), report.cases().count());
    let result = match failed {
        0 => format!("{GOOD}{cases} cases passed{GOOD:#}"),
        failed => format!("{BAD}{failed} of {cases} cases failed{BAD:#}"),
    };
    format!("{}{}{}{result}\n", rules(&report.coverage), conditions(&report.coverage), candidate(report))
}

fn rules(coverage: &Coverage) -> String {
    let (rules, undecided) = (coverage.rules.len(), coverage.undecided());
    let decided = rules.saturating_sub(undecided.len());
    format!("{decided} of {rules} rules decided a case{}\n", noted("never", &undecided, SHOWN_NAMES))
}

/// Nothing where no rule has a condition.
fn conditions(coverage: &Coverage) -> String {
    let conditions = coverage.conditions().count();
    let both = coverage.conditions().filter(|(_, condition)| condition.is_seen_both_ways()).count();
    let named = |is_wanted: fn(&ConditionCoverage) -> bool| {
        let wanted = coverage.conditions().filter(|(_, condition)| is_wanted(condition));
        wanted.map(|(rule, condition)| format!("{rule}: {}", condition.condition)).collect::<Vec<_>>()
    };
    let never_true = named(|condition| condition.held == 0);
    let never_false = named(|condition| condition.held > 0 && condition.not_held == 0);
    let never_true = noted("never true", &never_true, SHOWN_CONDITIONS);
    let never_false = noted("never false", &never_false, SHOWN_CONDITIONS);
    match conditions {
        0 => String::new(),
        _ => format!("{both} of {conditions} conditions were seen both ways{never_true}{never_false}\n"),
    }
}

/// What would change under a candidate; nothing if nothing would.
fn candidate(report: &Report) -> String {
    let changed: Vec<&str> = report.cases().filter(|case| case.would_change()).map(|case| case.name.as_str()).collect();
    match changed.len() {
        0 => String::new(),
        count => {
            format!("the candidate would decide {count} cases otherwise{}\n", noted("they are", &changed, SHOWN_NAMES))
        }
    }
}

/// The first few of those that are worth a look; `--output json` has all.
fn noted<T: AsRef<str>>(what: &str, items: &[T], most: usize) -> String {
    let shown: Vec<String> = items.iter().take(most).map(|item| one_line(item.as_ref())).collect();
    let more = match items.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if items.is_empty() { String::new() } else { format!("; {what}: {NOTE}{}{more}{NOTE:#}", shown.join(", ")) }
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
        let decision = &self.outcome.decision;
        let (effect, reason) = (decision.effect().name(), decision.reason());
        let rule = decision.rule().map(|rule| format!(", rule {rule}")).unwrap_or_default();
        format!("it was: {effect}, {}{rule}, status {}", reason.code(), reason.status())
    }
}
