//! Runs cases through the production core, and compares.

use std::collections::BTreeMap;

use authz::{Action, Effect, HeaderEdits, Reason, UnixTime};
use serde_json::Value;

use super::format::{Case, Expectation};
use crate::trial::{self, Message, TestPolicy};

/// What came of all cases.
pub(super) struct Report {
    pub(super) revision: Value,
    pub(super) files: Vec<FileReport>,
    /// Each rule of the policy, with the number of cases that it decided.
    pub(super) rules: Vec<(String, usize)>,
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
    pub(super) decision: Effect,
    pub(super) reason: Reason,
    pub(super) rule: Option<String>,
    /// The headers that the upstream sees; none if it does not see the request.
    pub(super) upstream: Option<Vec<(String, String)>>,
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
        let mut decided: BTreeMap<String, usize> = BTreeMap::new();
        let mut run = |line: &usize, case: &Case| {
            id = id.saturating_add(1);
            let outcome = outcome(policy, case, id);
            // A rule that would have permitted, had a scope not been missing, is named too, but did not decide.
            let by_rule = matches!(outcome.reason, Reason::PermittedByRule | Reason::DeniedByRule);
            if let Some(rule) = outcome.rule.as_ref().filter(|_| by_rule) {
                let count = decided.entry(rule.clone()).or_default();
                *count = count.saturating_add(1);
            }
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
        let count = |rule: &String| (rule.clone(), decided.get(rule).copied().unwrap_or_default());
        Self { revision: policy.revision.clone(), files, rules: policy.rules.iter().map(count).collect() }
    }

    /// All cases.
    pub(super) fn cases(&self) -> impl Iterator<Item = &CaseReport> {
        self.files.iter().flat_map(|file| &file.cases)
    }

    /// How many cases failed.
    pub(super) fn failed(&self) -> usize {
        self.cases().filter(|case| !case.passed()).count()
    }

    /// The rules that decided no case.
    pub(super) fn uncovered(&self) -> Vec<&str> {
        self.rules.iter().filter(|(_, cases)| *cases == 0).map(|(rule, _)| rule.as_str()).collect()
    }
}

impl CaseReport {
    pub(super) const fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

fn outcome(policy: &TestPolicy, case: &Case, id: usize) -> Outcome {
    let message = Message::new(&case.trial, id, policy);
    let authorization = trial::decide(&policy.authorizer, &message, UnixTime::from_seconds(case.trial.now));
    let decision = authorization.decision();
    Outcome {
        decision: decision.effect(),
        reason: decision.reason(),
        rule: decision.rule().map(str::to_owned),
        upstream: match authorization.action() {
            Action::Forward(edits) => Some(edited(message.all_headers(), edits)),
            Action::Reply(_) => None,
        },
    }
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
    let mut differences = Vec::new();
    let mut compare = |field: &str, expected: String, actual: String| {
        if expected != actual {
            differences.push(Difference { field: field.to_owned(), expected, actual });
        }
    };
    compare("decision", expect.decision.name().to_owned(), outcome.decision.name().to_owned());
    if let Some(reason) = expect.reason {
        compare("reason", reason.code().to_owned(), outcome.reason.code().to_owned());
    }
    let or_none = |text: Option<&String>| text.cloned().unwrap_or_else(|| "none".to_owned());
    if let Some(rule) = &expect.rule {
        compare("rule", or_none(rule.as_ref()), or_none(outcome.rule.as_ref()));
    }
    if let Some(status) = expect.status {
        compare("status", status.to_string(), outcome.reason.status().to_string());
    }
    // Of a request that was denied there is no more to say.
    for (name, value) in expect.upstream.iter().filter(|_| outcome.upstream.is_some()) {
        let seen = outcome.upstream.iter().flatten().filter(|(known, _)| known == name);
        let seen: Vec<&str> = seen.map(|(_, value)| value.as_str()).collect();
        let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(" and ") };
        compare(&format!("upstream {name}"), or_none(value.as_ref()), seen);
    }
    differences
}
