//! The format of test files, version 1: `docs/testing.md`, `control/schema/test.schema.json`.

use authz::document::{self, Fields, Node, Unique};
use authz::{Effect, Reason};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::policy::TestPolicy;
use super::who::{self, Presented};

/// The one version of the format.
const VERSION: u64 = 1;

/// When a case happens that does not say: a Thursday at noon, the same for everybody and for ever. 2026-01-01T12:00:00Z.
const DEFAULT_NOW: u64 = 1_767_268_800;

/// Where a case happens that does not say.
const DEFAULT_HOST: &str = "api.example.com";

/// One case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Request,
    /// The credentials that are presented; none for an anonymous client.
    pub(super) who: Vec<Presented>,
    /// In seconds since 1970.
    pub(super) now: u64,
    pub(super) expect: Expectation,
}

/// The request without its credentials.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) scheme: String,
    /// The address at the other end of the connection.
    pub(super) source: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// What must become of it. What is not given may be anything.
pub(super) struct Expectation {
    pub(super) decision: Effect,
    pub(super) reason: Option<Reason>,
    /// The rule; none within stands for none.
    pub(super) rule: Option<Option<String>>,
    pub(super) status: Option<u64>,
    /// What the upstream must see, and must not see.
    pub(super) upstream: Vec<(String, Option<String>)>,
}

/// What holds for all cases of a file.
struct Defaults {
    now: u64,
    host: String,
}

/// Reads the cases of a file. Names of issuers and credentials must be those of the policy.
pub(super) fn read(node: &Node<'_>, policy: &TestPolicy) -> Option<Vec<Case>> {
    let fields = node.object(&["version", "now", "host", "cases"])?;
    let version = fields.required("version").and_then(|node| document::read_version(&node, VERSION));
    let now = read_now(&fields, DEFAULT_NOW);
    let host = text(&fields, "host").map(|host| host.unwrap_or_else(|| DEFAULT_HOST.to_owned()));
    let cases = fields.required("cases");
    let defaults = Defaults { now: now.unwrap_or(DEFAULT_NOW), host: host.clone().unwrap_or_default() };
    let names = Unique::default();
    let cases = cases.and_then(|node| node.filled_list(|item| read_case(item, &defaults, &names, policy)));
    version?;
    now?;
    host?;
    cases
}

fn read_case(node: &Node<'_>, defaults: &Defaults, names: &Unique, policy: &TestPolicy) -> Option<Case> {
    let fields = node.object(&["name", "request", "who", "now", "expect"])?;
    let name = fields.required("name").and_then(|node| {
        let name = node.text()?;
        names.claim("case", name, &node)?;
        Some(name.to_owned())
    });
    let request = fields.required("request").and_then(|node| read_request(&node, defaults));
    let who = fields.optional("who").map_or(Some(Vec::new()), |node| who::read(&node, policy));
    let now = read_now(&fields, defaults.now);
    let expect = fields.required("expect").and_then(|node| read_expectation(&node));
    Some(Case { name: name?, request: request?, who: who?, now: now?, expect: expect? })
}

fn read_now(fields: &Fields<'_>, default: u64) -> Option<u64> {
    let Some(node) = fields.optional("now") else {
        return Some(default);
    };
    let Value::String(text) = node.value() else {
        return node.integer(0..=1 << 53);
    };
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).or_else(|| {
        node.refuse(format!("`{text}` is not a time like `2026-01-01T12:00:00Z` (RFC 3339), or seconds since 1970"))
    })
}

/// `GET /orders`, or an object.
fn read_request(node: &Node<'_>, defaults: &Defaults) -> Option<Request> {
    if let Value::String(line) = node.value() {
        let Some((method, target)) = line.split_once(' ') else {
            return node.refuse(format!("`{line}` is not a method and a path, such as `GET /orders`"));
        };
        return Some(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            host: defaults.host.clone(),
            scheme: "https".to_owned(),
            source: None,
            headers: Vec::new(),
        });
    }
    let fields = node.object(&["method", "path", "host", "scheme", "source", "headers"])?;
    let (method, target) = (text(&fields, "method"), fields.required("path").and_then(|node| node.text()));
    let (host, scheme, source) = (text(&fields, "host"), text(&fields, "scheme"), text(&fields, "source"));
    let headers = fields.optional("headers").map_or(Some(Vec::new()), |node| read_headers(&node));
    Some(Request {
        method: method?.unwrap_or_else(|| "GET".to_owned()),
        target: target?.to_owned(),
        host: host?.unwrap_or_else(|| defaults.host.clone()),
        scheme: scheme?.unwrap_or_else(|| "https".to_owned()),
        source: source?,
        headers: headers?,
    })
}

/// Names with a value each, or with a list of values for a header that is repeated.
fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let fields = node.open_object()?;
    let mut headers = Vec::new();
    for name in names(node) {
        let node = fields.optional(name)?;
        let values = match node.value() {
            Value::Array(_) => node.texts()?,
            Value::String(value) => vec![value.clone()],
            _ => vec![node.text()?.to_owned()],
        };
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Some(headers)
}

/// `permit`, `deny`, or an object.
fn read_expectation(node: &Node<'_>) -> Option<Expectation> {
    if node.value().is_string() {
        let decision = read_decision(node)?;
        return Some(Expectation { decision, reason: None, rule: None, status: None, upstream: Vec::new() });
    }
    let fields = node.object(&["decision", "reason", "rule", "status", "upstream"])?;
    let decision = fields.required("decision").and_then(|node| read_decision(&node));
    let reason = fields.optional("reason").map_or(Some(None), |node| read_reason(&node).map(Some));
    let rule = fields.optional("rule").map_or(Some(None), |node| match node.value() {
        Value::Null => Some(Some(None)),
        _ => node.text().map(|rule| Some(Some(rule.to_owned()))),
    });
    let status = fields.optional("status").map_or(Some(None), |node| node.integer(100..=599).map(Some));
    let upstream = fields.optional("upstream").map_or(Some(Vec::new()), |node| read_upstream(&node));
    let (decision, upstream) = (decision?, upstream?);
    if decision == Effect::Deny && !upstream.is_empty() {
        return fields.optional("upstream")?.refuse("the upstream never sees a request that is denied");
    }
    Some(Expectation { decision, reason: reason?, rule: rule?, status: status?, upstream })
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

/// The names of the members of an object.
fn names<'n>(node: &Node<'n>) -> impl Iterator<Item = &'n String> {
    node.value().as_object().into_iter().flat_map(Map::keys)
}

/// A field that is text, if it is there.
pub(super) fn text(fields: &Fields<'_>, name: &'static str) -> Option<Option<String>> {
    fields.optional(name).map_or(Some(None), |node| node.text().map(|text| Some(text.to_owned())))
}
