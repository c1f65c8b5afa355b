//! The tests that a bundle brings along: what it must decide before it is adopted.
//!
//! No token can be minted here. A case is a request without credential, or one of a principal whose claims are given:
//! then everything is judged but the signature.

use serde_json::{Map, Value};

use super::refusal::{RefusalReason, Refused};
use crate::authorizer::{Authorizer, Step};
use crate::decision::{Decision, Effect};
use crate::document::{self, Fields, Node};
use crate::http::RequestHead;
use crate::reason::Reason;
use crate::steps::pause;
use crate::time::UnixTime;

/// The one version of the tests document that this code reads.
const TESTS_VERSION: u64 = 1;

/// Most failures that are told in full.
const MAX_TOLD: usize = 10;

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    name: String,
    now: UnixTime,
    request: Request,
    /// The issuer and the claims of who asks; none for an anonymous client.
    principal: Option<(String, Map<String, Value>)>,
    effect: Effect,
    reason: Option<Reason>,
    rule: Option<String>,
}

#[derive(Debug)]
struct Request {
    method: String,
    host: String,
    path: String,
    scheme: String,
    source: Option<String>,
    headers: Vec<(String, String)>,
}

/// Runs all cases.
pub(super) async fn run(cases: &[Case], authorizer: &Authorizer) -> Result<(), Refused> {
    let mut failures = Vec::new();
    for case in cases {
        failures.extend(case.failure(authorizer));
        pause().await;
    }
    if failures.is_empty() {
        return Ok(());
    }
    let told = failures.iter().take(MAX_TOLD).map(String::as_str).collect::<Vec<_>>().join("\n");
    Err(Refused::new(RefusalReason::TestsFailed, format!("{} of {} cases fail:\n{told}", failures.len(), cases.len())))
}

impl Case {
    /// What is wrong with the decision; none if it is as expected.
    fn failure(&self, authorizer: &Authorizer) -> Option<String> {
        let head = self.request.head();
        let step = match &self.principal {
            None => authorizer.authorize(&head, self.now),
            Some((issuer, claims)) => authorizer.authorize_claims(&head, issuer, claims.clone(), self.now),
        };
        let Step::Decided(authorization) = step else {
            return Some(format!("{}: an authorization server would have to be asked", self.name));
        };
        let decision = authorization.decision();
        let as_expected = decision.effect() == self.effect
            && self.reason.is_none_or(|reason| decision.reason() == reason)
            && self.rule.as_deref().is_none_or(|rule| decision.rule() == Some(rule));
        (!as_expected).then(|| format!("{}: {}", self.name, told(decision)))
    }
}

fn told(decision: &Decision) -> String {
    let rule = decision.rule().map(|rule| format!(" by the rule `{rule}`")).unwrap_or_default();
    format!("the bundle decides {}, {}{rule}", decision.effect().name(), decision.reason().code())
}

impl Request {
    fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: Some(self.method.as_bytes()),
            authority: Some(self.host.as_bytes()),
            scheme: Some(self.scheme.as_bytes()),
            path: Some(self.path.as_bytes()),
            peer: None,
            source: self.source.as_deref().map(str::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        }
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["method", "host", "path", "scheme", "source", "headers"])?;
        let text =
            |name| fields.optional(name).map_or(Some(None), |node| node.text().map(|text| Some(text.to_owned())));
        let (method, scheme, source) = (text("method"), text("scheme"), text("source"));
        let required = |name| fields.required(name).and_then(|node| node.text()).map(str::to_owned);
        let (host, path) = (required("host"), required("path"));
        let headers = fields.optional("headers").map_or(Some(Vec::new()), |node| read_headers(&node));
        Some(Self {
            method: method?.unwrap_or_else(|| "GET".to_owned()),
            host: host?,
            path: path?,
            scheme: scheme?.unwrap_or_else(|| "https".to_owned()),
            source: source?,
            headers: headers?,
        })
    }
}

/// Reads a tests document.
pub(super) async fn read(node: &Node<'_>) -> Option<Vec<Case>> {
    let fields = node.object(&["version", "cases"])?;
    let version = fields.required("version").and_then(|node| document::read_version(&node, TESTS_VERSION));
    let cases = fields.required("cases")?.list_in_steps(read_case).await;
    version?;
    cases
}

fn read_case(node: &Node<'_>) -> Option<Case> {
    let fields = node.object(&["name", "now", "request", "principal", "expect"])?;
    let name = fields.required("name").and_then(|node| node.text());
    let now = fields.required("now").and_then(|node| node.integer(0..=1 << 53));
    let request = fields.required("request").and_then(|node| Request::read(&node));
    let principal = fields.optional("principal").map_or(Some(None), |node| read_principal(&node).map(Some));
    let expect = fields.required("expect");
    let expect = expect.as_ref().and_then(|node| node.object(&["decision", "reason", "rule"]));
    let (effect, reason, rule) = read_expectation(&expect?)?;
    Some(Case {
        name: name?.to_owned(),
        now: UnixTime::from_seconds(now?),
        request: request?,
        principal: principal?,
        effect,
        reason,
        rule,
    })
}

fn read_expectation(fields: &Fields<'_>) -> Option<(Effect, Option<Reason>, Option<String>)> {
    let effect = fields.required("decision").and_then(|node| match node.text()? {
        "permit" => Some(Effect::Permit),
        "deny" => Some(Effect::Deny),
        other => node.refuse(format!("`{other}` is not `permit` or `deny`")),
    });
    let reason = fields.optional("reason").map_or(Some(None), |node| {
        let code = node.text()?;
        let reason = Reason::ALL.iter().copied().find(|reason| reason.code() == code);
        reason.map(Some).or_else(|| node.refuse(format!("`{code}` is not a reason")))
    });
    let rule = fields.optional("rule").map_or(Some(None), |node| node.text().map(|rule| Some(rule.to_owned())));
    Some((effect?, reason?, rule?))
}

fn read_principal(node: &Node<'_>) -> Option<(String, Map<String, Value>)> {
    let fields = node.object(&["issuer", "claims"])?;
    let issuer = fields.required("issuer").and_then(|node| node.text());
    let claims = fields.required("claims");
    let claims = claims.and_then(|node| node.open_object().and_then(|_| node.value().as_object().cloned()));
    Some((issuer?.to_owned(), claims?))
}

/// Names with a value each, or with a list of values for a header that is repeated.
fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let fields = node.open_object()?;
    let mut headers = Vec::new();
    for name in node.value().as_object().into_iter().flat_map(Map::keys) {
        let node = fields.optional(name)?;
        let values = if node.value().is_array() { node.texts()? } else { vec![node.text()?.to_owned()] };
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Some(headers)
}
