//! Test files as a tests document (`docs/distribution.md`): what a proxy checks before it adopts the policy.
//!
//! A proxy can mint no tokens, so only those cases travel in which nobody asks, or somebody with one token of which only the
//! claims matter. Of what is expected, decision, reason and rule travel.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::format::{Case, Named};
use super::load_cases;
use super::run::Report;
use crate::source::SourceError;
use crate::trial::{Message, TestPolicy};

/// A tests document, and how many cases stayed behind.
pub(crate) struct Vectors {
    pub(crate) document: Value,
    pub(crate) left_out: usize,
}

impl Vectors {
    /// Runs the cases of a test file, which have to pass, and takes along those that a proxy can run too.
    pub(crate) fn of(file: &Path, policy: &TestPolicy) -> Result<Self, SourceError> {
        let tests = [load_cases(file, policy)?];
        let report = Report::of(policy, &tests);
        if report.failed() > 0 {
            let failed: Vec<&str> =
                report.cases().filter(|case| !case.passed()).map(|case| case.name.as_str()).collect();
            let file = file.display();
            let why = format!("{file}: {} cases fail, `portcullis test` says why: {}", failed.len(), failed.join(", "));
            return Err(SourceError::Unreadable(why));
        }
        let [(_, cases)] = tests;
        let converted: Vec<Value> = cases.iter().filter_map(|(_, case)| convert(case, policy)).collect();
        if converted.is_empty() {
            let file = file.display();
            let why = format!(
                "{file}: has no case that a proxy can run: one that needs no more than the claims of one token"
            );
            return Err(SourceError::Unreadable(why));
        }
        let left_out = cases.len().saturating_sub(converted.len());
        Ok(Self { document: json!({ "version": 1, "cases": converted }), left_out })
    }
}

/// A case as proxies read it; none if it is about more than they can know.
fn convert(case: &Case, policy: &TestPolicy) -> Option<Value> {
    let trial = &case.trial;
    let principal = match trial.who.as_slice() {
        [] => None,
        [one] => Some(Message::principal(one, trial.now, policy)?),
        _ => return None,
    };
    let request = &trial.request;
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        match headers.entry(name.clone()).or_insert_with(|| json!([])) {
            Value::Array(values) => values.push(json!(value)),
            _ => return None,
        }
    }
    let mut converted = json!({
        "name": case.name,
        "now": trial.now,
        "request": {
            "method": request.method, "host": request.host, "path": request.target, "scheme": request.scheme,
            "headers": headers,
        },
        "expect": expectation(&case.expect.named),
    });
    insert(&mut converted, "/request", "source", request.source.as_ref().map(|source| json!(source)));
    let principal = principal.map(|(issuer, claims)| json!({ "issuer": issuer, "claims": claims }));
    insert(&mut converted, "", "principal", principal);
    Some(converted)
}

fn expectation(named: &Named) -> Value {
    let mut expect = json!({ "decision": named.decision.name() });
    insert(&mut expect, "", "reason", named.reason.map(|reason| json!(reason.code())));
    insert(&mut expect, "", "rule", named.rule.clone().flatten().map(|rule| json!(rule)));
    expect
}

fn insert(document: &mut Value, place: &str, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (document.pointer_mut(place).and_then(Value::as_object_mut), value) {
        members.insert(name.to_owned(), value);
    }
}
