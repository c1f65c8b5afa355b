//! A second evaluator, written from `docs/bundle.md` and `docs/reasons.md` and not from the code: slow, without an index,
//! without a compiled form. It reads the JSON of every rule again for every request.
//!
//! Where it and `authz` differ, one of them or the documentation is wrong. What is changed here to make them agree has to be
//! said there.

mod condition;
mod identity;
mod source;
mod target;
mod test;
mod text;
mod truth;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use authz::UnixTime;
use serde_json::Value;

use crate::request::Request;
use identity::Identity;
pub use truth::Truth;
use truth::{Missing, Outcome};

/// The time of every request.
pub const NOW: u64 = 1_800_000_000;

pub fn now() -> UnixTime {
    UnixTime::from_seconds(NOW)
}

/// How often each field of a condition held, did not hold, and could not be decided.
pub type Outcomes = BTreeMap<&'static str, BTreeMap<Truth, u64>>;

/// A decision: the code of its reason, and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub reason: &'static str,
    pub rule: Option<String>,
}

/// Everything that a rule is judged by.
struct Scene<'s> {
    bundle: &'s Value,
    request: &'s Request,
    /// What the variables of the path stand for.
    captures: BTreeMap<String, String>,
    outcomes: &'s RefCell<Outcomes>,
}

/// Decides; with `shadow` as if the rules that are only watched were enforced.
pub fn decide(bundle: &Value, request: &Request, shadow: bool, outcomes: &RefCell<Outcomes>) -> Decision {
    let decision = |reason, rule: Option<&Value>| Decision { reason, rule: rule.map(id) };
    // Both to the end, so that the outcomes of all conditions are counted.
    let denying = applying(bundle, "deny", request, shadow, outcomes);
    let permitting = applying(bundle, "permit", request, shadow, outcomes);
    if let Some(rule) = denying.first() {
        return decision("denied_by_rule", Some(rule));
    }
    if let Some(rule) = permitting.first() {
        let can_be_told = identity::can_be_told(bundle, request);
        let is_possible = can_be_told && used_once(bundle, request).iter().all(|(_, token_id)| token_id.is_some());
        // What is only watched is not obliged to anything.
        let reason = if shadow || is_possible { "permitted_by_rule" } else { "obligation_failed" };
        return decision(reason, Some(rule));
    }
    if request.credentials.is_empty() {
        return decision("credential_missing", None);
    }
    // The first rule of which only one kind of thing is missing.
    let missing = |rule| Some((evaluate(bundle, rule, request, &RefCell::default())?.missing?, rule));
    match rules(bundle, "permit", shadow).find_map(missing) {
        None => decision("no_rule_permits", None),
        Some((Missing::Credential, _)) => decision("credential_missing", None),
        Some((Missing::Scope, rule)) => decision("scope_insufficient", Some(rule)),
        Some((Missing::Authentication, rule)) => decision("authentication_insufficient", Some(rule)),
    }
}

/// The rules of an effect that count.
fn rules<'b>(bundle: &'b Value, effect: &str, shadow: bool) -> impl Iterator<Item = &'b Value> {
    let counts = move |rule: &&Value| rule["effect"] == effect && (shadow || rule["mode"] != "shadow");
    list(&bundle["rules"]).iter().filter(counts)
}

/// The rules of an effect that apply.
fn applying<'b>(
    bundle: &'b Value,
    effect: &str,
    request: &Request,
    shadow: bool,
    outcomes: &RefCell<Outcomes>,
) -> Vec<&'b Value> {
    let applies = |rule: &&Value| {
        evaluate(bundle, rule, request, outcomes).is_some_and(|outcome| does_apply(rule, outcome.truth))
    };
    rules(bundle, effect, shadow).filter(applies).collect()
}

/// Whether rules in the mode `shadow` are about the request.
pub fn is_watched(bundle: &Value, request: &Request) -> bool {
    list(&bundle["rules"]).iter().any(|rule| rule["mode"] == "shadow" && target::captures(rule, request).is_some())
}

/// The tokens that may be used once, each by its issuer and `jti`: of all rules that permit and say so.
pub fn used_once(bundle: &Value, request: &Request) -> BTreeSet<(String, Option<String>)> {
    let permitting = applying(bundle, "permit", request, false, &RefCell::default());
    let credentials =
        permitting.into_iter().filter(|rule| rule["once"] == true).map(|rule| rule["condition"].get("credential"));
    credentials.map(|credential| Identity::find(bundle, request, credential).unwrap().token_id()).collect()
}

/// What became of a rule whose target the request is in.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    pub id: String,
    pub applies: bool,
    /// Everything that is wanted is there.
    pub holds: bool,
}

pub fn trace(bundle: &Value, request: &Request) -> Vec<Trace> {
    let trace = |rule: &Value| {
        let truth = evaluate(bundle, rule, request, &RefCell::default())?.truth;
        Some(Trace { id: id(rule), applies: does_apply(rule, truth), holds: truth == Truth::Yes })
    };
    list(&bundle["rules"]).iter().filter_map(trace).collect()
}

/// What cannot be decided denies, and permits nothing.
fn does_apply(rule: &Value, truth: Truth) -> bool {
    truth == Truth::Yes || rule["effect"] == "deny" && truth == Truth::Undecided
}

/// Whether what a rule wants holds; none if the request is not in its target.
fn evaluate(bundle: &Value, rule: &Value, request: &Request, outcomes: &RefCell<Outcomes>) -> Option<Outcome> {
    let captures = target::captures(rule, request)?;
    let scene = Scene { bundle, request, captures, outcomes };
    let condition = rule.get("condition");
    let outcome = condition.map_or(Truth::Yes.into(), |condition| condition::evaluate(condition, None, &scene));
    if rule["preflight"] == true {
        return Some(Truth::from(is_preflight(request)).into());
    }
    if rule["effect"] == "deny" || rule["public"] == true {
        return Some(outcome);
    }
    // A permit rule that is not public is never met by nobody, and with `once` it wants the credential that is used once.
    if condition.is_some_and(|condition| condition::says_who(condition, bundle)) && rule["once"] != true {
        return Some(outcome);
    }
    let credential = condition.and_then(|condition| condition.get("credential"));
    let is_there = Truth::from(Identity::find(bundle, request, credential).is_some());
    Some(Outcome::all(&[Outcome::from(is_there).or_missing(Missing::Credential), outcome]))
}

fn is_preflight(request: &Request) -> bool {
    let has = |wanted: &str| request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    request.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}

fn texts(values: &Value) -> Vec<String> {
    list(values).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn id(rule: &Value) -> String {
    rule["id"].as_str().unwrap().to_owned()
}
