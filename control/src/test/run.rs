//! Runs cases through the production core, and compares.

use authz::{Action, Decision, HeaderEdits, UnixTime};
use serde_json::Value;

use super::coverage::Coverage;
use super::format::{Case, Expectation, Named};
use crate::trial::{self, Message, TestPolicy};

/// What came of all cases.
pub(super) struct Report {
    pub(super) revision: Value,
    pub(super) files: Vec<FileReport>,
    pub(super) coverage: Coverage,
}

/// What came of the cases of one file.
pub(super) struct FileReport {
    pub(super) file: String,
    pub(super) cases: Vec<CaseReport>,
}

/// What came of one case.
pub(super) struct CaseReport {
    pub(super) name: String,
    /// Where it is written.
    pub(super) line: usize,
    pub(super) outcome: Outcome,
    /// Where it differs from what was expected; nowhere if the case passed.
    pub(super) differences: Vec<Difference>,
}

/// What became of a request.
pub(super) struct Outcome {
    pub(super) decision: Decision,
    /// The headers that the upstream sees; none if it does not see the request.
    upstream: Option<Vec<(String, String)>>,
}

/// Something that is not as expected.
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) expected: String,
    pub(super) actual: String,
}

impl Report {
    /// Runs the cases of all files: each with its name and, for every case, the line.
    pub(super) fn of(policy: &TestPolicy, files: &[(String, Vec<(usize, Case)>)]) -> Self {
        let mut id: usize = 0;
        let mut coverage = Coverage::new(&policy.rules);
        let mut run = |line: &usize, case: &Case| {
            id = id.saturating_add(1);
            let outcome = outcome(policy, case, id, &mut coverage);
            let differences = differences(&case.expect, &outcome);
            CaseReport { name: case.name.clone(), line: *line, outcome, differences }
        };
        let files = files
            .iter()
            .map(|(file, cases)| {
                let cases = cases.iter().map(|(line, case)| run(line, case)).collect();
                FileReport { file: file.clone(), cases }
            })
            .collect();
        Self { revision: policy.revision.clone(), files, coverage }
    }

    /// All cases.
    pub(super) fn cases(&self) -> impl Iterator<Item = &CaseReport> {
        self.files.iter().flat_map(|file| &file.cases)
    }

    /// How many cases failed.
    pub(super) fn failed(&self) -> usize {
        self.cases().filter(|case| !case.passed()).count()
    }
}

impl CaseReport {
    pub(super) const fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether a candidate would have decided otherwise.
    pub(super) fn would_change(&self) -> bool {
        let decision = &self.outcome.decision;
        decision.candidate().is_some_and(|candidate| candidate.effect() != decision.effect())
    }
}

fn outcome(policy: &TestPolicy, case: &Case, id: usize, coverage: &mut Coverage) -> Outcome {
    let message = Message::new(&case.trial, id, policy);
    let now = UnixTime::from_seconds(case.trial.now);
    let authorization = trial::decide(&policy.authorizer, &message, now);
    let decision = authorization.decision().clone();
    coverage.count(&decision, &policy.authorizer.explain(&message.head(), now).rules);
    let upstream = match authorization.action() {
        Action::Forward(edits) => Some(edited(message.all_headers(), edits)),
        Action::Reply(_) => None,
    };
    Outcome { decision, upstream }
}

/// The headers as the upstream sees them.
fn edited(mut headers: Vec<(String, String)>, edits: &HeaderEdits) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !edits.remove.iter().any(|removed| removed.eq_ignore_ascii_case(name.as_bytes())));
    for (name, value) in &edits.set {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned()));
    }
    headers
}

fn differences(expect: &Expectation, outcome: &Outcome) -> Vec<Difference> {
    let decision = &outcome.decision;
    let mut differences = named_differences("", &expect.named, Some(decision));
    let mut compare = |field: &str, expected: String, actual: String| {
        if expected != actual {
            differences.push(Difference { field: field.to_owned(), expected, actual });
        }
    };
    if let Some(status) = expect.status {
        compare("status", status.to_string(), decision.reason().status().to_string());
    }
    if let Some(audit) = expect.audit {
        compare("audit", audit.to_string(), decision.is_for_audit().to_string());
    }
    if let Some(rate_limit) = &expect.rate_limit {
        compare("rate_limit", or_none(rate_limit.as_deref()), or_none(decision.rate_limit()));
    }
    // Of a request that was denied there is no more to say.
    for (name, value) in expect.upstream.iter().filter(|_| outcome.upstream.is_some()) {
        let seen = outcome.upstream.iter().flatten().filter(|(known, _)| known == name);
        let seen: Vec<&str> = seen.map(|(_, value)| value.as_str()).collect();
        let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(" and ") };
        compare(&format!("upstream {name}"), or_none(value.as_deref()), seen);
    }
    match &expect.shadow {
        Some(Some(shadow)) => differences.extend(named_differences("shadow ", shadow, decision.shadow())),
        Some(None) => {
            let actual = or_none(decision.shadow().map(|shadow| shadow.effect().name()));
            let expected = or_none(None);
            differences.extend((actual != expected).then(|| Difference {
                field: "shadow".to_owned(),
                expected,
                actual,
            }));
        }
        None => {}
    }
    differences
}

/// Where a decision, if there is one, is another than the one that is named.
fn named_differences(prefix: &str, named: &Named, decision: Option<&Decision>) -> Vec<Difference> {
    let expected = [
        ("decision", Some(named.decision.name().to_owned())),
        ("reason", named.reason.map(|reason| reason.code().to_owned())),
        ("rule", named.rule.as_ref().map(|rule| or_none(rule.as_deref()))),
    ];
    let actual = [
        decision.map(|decision| decision.effect().name()),
        decision.map(|decision| decision.reason().code()),
        decision.and_then(Decision::rule),
    ];
    let pairs = expected.into_iter().zip(actual).filter_map(|((field, expected), actual)| {
        let (expected, actual) = (expected?, or_none(actual));
        (expected != actual).then(|| Difference { field: format!("{prefix}{field}"), expected, actual })
    });
    pairs.collect()
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("none").to_owned()
}
