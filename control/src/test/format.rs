//! The format of test files, version 1: `docs/testing.md`, `control/schema/test.schema.json`.

use authz::document::{self, Fields, Node, Unique};
use authz::{Effect, Reason};
use serde_json::Value;

use crate::trial::{Defaults, TestPolicy, Trial, names};

/// The one version of the format.
const VERSION: u64 = 1;

/// One case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) trial: Trial,
    pub(super) expect: Expectation,
}

/// What must become of it. What is not given may be anything.
pub(super) struct Expectation {
    pub(super) named: Named,
    pub(super) status: Option<u64>,
    pub(super) audit: Option<bool>,
    /// What the host limits the rate by; none within stands for none.
    pub(super) rate_limit: Option<Option<String>>,
    /// What would have been decided if the rules that are only watched were enforced; none within: none of them is about it.
    pub(super) shadow: Option<Option<Named>>,
    /// What the upstream must see, and must not see.
    pub(super) upstream: Vec<(String, Option<String>)>,
}

/// A decision, and why. What is not given may be anything.
pub(super) struct Named {
    pub(super) decision: Effect,
    pub(super) reason: Option<Reason>,
    /// The rule; none within stands for none.
    pub(super) rule: Option<Option<String>>,
}

impl Named {
    const fn of(decision: Effect) -> Self {
        Self { decision, reason: None, rule: None }
    }
}

/// Reads the cases of a file. Names of issuers and credentials must be those of the policy.
pub(super) fn read(node: &Node<'_>, policy: &TestPolicy) -> Option<Vec<Case>> {
    let fields = node.object(&["version", "now", "host", "source", "cases"])?;
    let version = fields.required("version").and_then(|node| document::read_version(&node, VERSION));
    let defaults = Defaults::read(&fields);
    let (names, standard) = (Unique::default(), Defaults::default());
    let cases = fields.required("cases").and_then(|node| {
        let defaults = defaults.as_ref().unwrap_or(&standard);
        node.filled_list(|item| read_case(item, defaults, &names, policy))
    });
    version?;
    defaults?;
    cases
}

fn read_case(node: &Node<'_>, defaults: &Defaults, names: &Unique, policy: &TestPolicy) -> Option<Case> {
    let fields = node.object(&["name", "request", "who", "now", "expect"])?;
    let name = fields.required("name").and_then(|node| {
        let name = node.text()?;
        names.claim("case", name, &node)?;
        Some(name.to_owned())
    });
    let trial = Trial::read(&fields, defaults, policy);
    let expect = fields.required("expect").and_then(|node| read_expectation(&node));
    Some(Case { name: name?, trial: trial?, expect: expect? })
}

/// `permit`, `deny`, or an object.
fn read_expectation(node: &Node<'_>) -> Option<Expectation> {
    let nothing_else =
        |named| Expectation { named, status: None, audit: None, rate_limit: None, shadow: None, upstream: Vec::new() };
    if node.value().is_string() {
        return read_decision(node).map(Named::of).map(nothing_else);
    }
    let fields = node.object(&["decision", "reason", "rule", "status", "audit", "rate_limit", "shadow", "upstream"])?;
    let named = read_named_fields(&fields);
    let status = fields.optional("status").map_or(Some(None), |node| node.integer(100..=599).map(Some));
    let audit = fields.optional("audit").map_or(Some(None), |node| node.flag().map(Some));
    let rate_limit = or_null(&fields, "rate_limit", |node| node.text().map(str::to_owned));
    let shadow = or_null(&fields, "shadow", read_named);
    let upstream = fields.optional("upstream").map_or(Some(Vec::new()), |node| read_upstream(&node));
    let (named, upstream) = (named?, upstream?);
    if named.decision == Effect::Deny && !upstream.is_empty() {
        return fields.optional("upstream")?.refuse("the upstream never sees a request that is denied");
    }
    let (status, audit, rate_limit, shadow) = (status?, audit?, rate_limit?, shadow?);
    Some(Expectation { named, status, audit, rate_limit, shadow, upstream })
}

/// `permit`, `deny`, or an object.
fn read_named(node: &Node<'_>) -> Option<Named> {
    if node.value().is_string() {
        return read_decision(node).map(Named::of);
    }
    read_named_fields(&node.object(&["decision", "reason", "rule"])?)
}

fn read_named_fields(fields: &Fields<'_>) -> Option<Named> {
    let decision = fields.required("decision").and_then(|node| read_decision(&node));
    let reason = fields.optional("reason").map_or(Some(None), |node| read_reason(&node).map(Some));
    let rule = or_null(fields, "rule", |node| node.text().map(str::to_owned));
    Some(Named { decision: decision?, reason: reason?, rule: rule? })
}

/// A field that may be null, if it is there.
fn or_null<T>(
    fields: &Fields<'_>,
    name: &'static str,
    read: impl Fn(&Node<'_>) -> Option<T>,
) -> Option<Option<Option<T>>> {
    fields.optional(name).map_or(Some(None), |node| match node.value() {
        Value::Null => Some(Some(None)),
        _ => read(&node).map(|value| Some(Some(value))),
    })
}

fn read_decision(node: &Node<'_>) -> Option<Effect> {
    match node.text()? {
        "permit" => Some(Effect::Permit),
        "deny" => Some(Effect::Deny),
        other => node.refuse(format!("`{other}` is not a decision; write `permit` or `deny`")),
    }
}

fn read_reason(node: &Node<'_>) -> Option<Reason> {
    let code = node.text()?;
    let reason = Reason::ALL.iter().find(|reason| reason.code() == code).copied();
    reason.or_else(|| node.refuse(format!("`{code}` is not a reason; docs/reasons.md lists them")))
}

/// Header names in lower case, with the value that the upstream must see, or null if it must not see one.
fn read_upstream(node: &Node<'_>) -> Option<Vec<(String, Option<String>)>> {
    let fields = node.open_object()?;
    let header = |name: &String| {
        let node = fields.optional(name)?;
        let value = match node.value() {
            Value::Null => None,
            Value::String(value) => Some(value.clone()),
            _ => Some(node.text()?.to_owned()),
        };
        Some((name.to_ascii_lowercase(), value))
    };
    names(node).map(header).collect()
}
