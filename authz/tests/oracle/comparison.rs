//! Asks both evaluators the same, and makes a difference small enough to read.

use std::cell::RefCell;
use std::sync::Arc;

use authz::{Authorizer, Bundle, Step};
use serde_json::Value;

use crate::evaluator::{self, Decision, Outcomes};
use crate::generator::sign;
use crate::request::{Credential, Request};

/// What is said about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub decision: Decision,
    /// What would be decided if the rules that are only watched were enforced.
    pub shadow: Option<Decision>,
    /// How many tokens may be used once.
    pub once: usize,
}

pub fn authorizer(bundle: &Value) -> Authorizer {
    let parsed = Bundle::parse(bundle.to_string().as_bytes());
    Authorizer::new(parsed.unwrap_or_else(|errors| panic!("the generator made no good bundle: {errors}\n{bundle}")))
}

/// What `authz` says.
pub fn compiled(authorizer: &Authorizer, request: &Request) -> Answer {
    let Step::Decided(authorization) = authorizer.authorize(&request.head(), evaluator::now()) else {
        panic!("nobody has to be asked about these tokens");
    };
    let decision = |decision: &authz::Decision| Decision {
        reason: decision.reason().code(),
        rule: decision.rule().map(str::to_owned),
    };
    Answer {
        decision: decision(authorization.decision()),
        shadow: authorization.decision().shadow().map(decision),
        once: authorization.use_once().len(),
    }
}

/// What the documentation says.
pub fn documented(bundle: &Value, request: &Request, outcomes: &RefCell<Outcomes>) -> Answer {
    let decision = evaluator::decide(bundle, request, false, outcomes);
    let is_watched = evaluator::is_watched(bundle, request);
    let shadow = is_watched.then(|| evaluator::decide(bundle, request, true, &RefCell::default()));
    let permits = decision.reason == "permitted_by_rule";
    let once = if permits { evaluator::used_once(bundle, request).len() } else { 0 };
    Answer { decision, shadow, once }
}

/// Describes a difference, in the smallest bundle and request that still show it.
pub fn explain(bundle: &Value, request: &Request) -> String {
    let (bundle, request) = shrink(bundle, request);
    let (documented, compiled) = difference(&bundle, &request).unwrap();
    format!(
        "authz: {compiled:?}\nby the documentation: {documented:?}\nrequest: {}\nrules: {}\nbundle: {bundle}",
        request.to_json(),
        bundle["rules"],
    )
}

/// What both say, if it is not the same.
fn difference(bundle: &Value, request: &Request) -> Option<(Answer, Answer)> {
    let parsed = Bundle::parse(bundle.to_string().as_bytes()).ok()?;
    let compiled = compiled(&Authorizer::new(parsed), request);
    let documented = documented(bundle, request, &RefCell::default());
    (documented != compiled).then_some((documented, compiled))
}

/// Leaves out whatever can be left out of the rules and of the request, one by one, while there is a difference of the same
/// kind.
fn shrink(bundle: &Value, request: &Request) -> (Value, Request) {
    let kind = |bundle: &Value, request: &Request| {
        difference(bundle, request).map(|(one, other)| (one.decision.reason, other.decision.reason))
    };
    let wanted = kind(bundle, request);
    let (mut bundle, mut request) = (bundle.clone(), request.clone());
    loop {
        let smaller_rules = places(&bundle["rules"], "/rules").into_iter().map(|place| {
            let mut smaller = bundle.clone();
            remove(&mut smaller, &place);
            (smaller, request.clone())
        });
        let smaller_requests = smaller_requests(&request).into_iter().map(|request| (bundle.clone(), request));
        let smaller = smaller_rules.chain(smaller_requests).find(|(bundle, request)| kind(bundle, request) == wanted);
        match smaller {
            Some(smaller) => (bundle, request) = smaller,
            None => return (bundle, request),
        }
    }
}

/// The request without one of its headers, and without one of the claims in it.
fn smaller_requests(request: &Request) -> Vec<Request> {
    let mut requests = Vec::new();
    for index in 0..request.headers.len() {
        let mut smaller = request.clone();
        let (name, _) = smaller.headers.remove(index);
        let carried = carried_by(&name);
        smaller.credentials.retain(|(credential, _)| Some(&**credential) != carried);
        requests.push(smaller);
    }
    for (index, (name, credential)) in request.credentials.iter().enumerate() {
        let Credential::Token(claims) = credential else { continue };
        for place in places(claims, "").into_iter().filter(|place| place != "/cnf/x5t#S256") {
            let mut claims = Value::clone(claims);
            remove(&mut claims, &place);
            let mut smaller = request.clone();
            let text = sign(&claims);
            for (header, value) in &mut smaller.headers {
                if carried_by(header) == Some(name) {
                    *value = if name == "user" { format!("Bearer {text}").into() } else { text.clone().into() };
                }
            }
            smaller.credentials[index].1 = Credential::Token(Arc::new(claims));
            requests.push(smaller);
        }
    }
    requests
}

fn carried_by(header: &str) -> Option<&'static str> {
    match &*header.to_ascii_lowercase() {
        "authorization" => Some("user"),
        "x-api-key" => Some("key"),
        "x-service-token" => Some("service"),
        _ => None,
    }
}

/// Every member and element below, the largest first.
fn places(value: &Value, at: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        _ => Vec::new(),
    };
    let places: Vec<(String, &Value)> =
        children.into_iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect();
    let below = places.iter().flat_map(|(place, value)| self::places(value, place));
    let below: Vec<String> = below.collect();
    places.into_iter().map(|(place, _)| place).chain(below).collect()
}

fn remove(value: &mut Value, place: &str) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Array(elements) => drop(elements.remove(name.parse().unwrap())),
        Value::Object(members) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
        _ => {}
    }
}
