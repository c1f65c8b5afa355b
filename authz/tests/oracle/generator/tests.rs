//! Random tests of claims, headers and query parameters.

use fastrand::Rng;
use serde_json::{Value, json};

use super::conditions::Scope;
use super::{NAMES, TEXTS, chance, pick};

const GLOBS: [&str; 7] = ["*", "eu*", "*1", "e*-*", "eu", "**u", "caf*"];
const REGEXES: [&str; 8] = ["[a-z]{2}-[0-9]+", "eu|us", "e|eu", "eu.*", "[^0-9]*", "()", "(a|al)ice", "eu$"];
const POINTERS: [&str; 17] = [
    "/sub",
    "/level",
    "/level",
    "/verified",
    "/name",
    "/name",
    "/address/country",
    "/address",
    "/list",
    "/list",
    "/list/0",
    "/https:~1~1example.com~1list",
    "/missing",
    "/sub/x",
    "/details/0/type",
    "/roles",
    "/uri_san",
];

/// A test of a claim, with its pointer.
pub fn claim_test(rng: &mut Rng, scope: &Scope) -> Value {
    if chance(rng, 12) {
        return json!({ "pointer": "/details", "any_element": element_tests(rng, scope) });
    }
    let mut test = match rng.u32(..10) {
        0 => json!({ "contains": element(rng, scope) }),
        1 => json!({ "contains_any": elements(rng, scope) }),
        2 => json!({ "contains_all": elements(rng, scope) }),
        3 => json!({ "subset_of": elements(rng, scope) }),
        4 => json!({ "equals": operand(rng, scope) }),
        5 => json!({ "one_of": operands(rng, scope) }),
        6 => number_test(rng),
        _ => text_test(rng, scope),
    };
    test["pointer"] = Value::from(match test.as_object().unwrap().keys().next().map(String::as_str) {
        Some("contains" | "contains_any" | "contains_all" | "subset_of") if chance(rng, 80) => "/list",
        Some("less_than" | "at_most" | "at_least" | "more_than") if chance(rng, 80) => "/level",
        _ => *pick(rng, &POINTERS),
    });
    test
}

fn element_tests(rng: &mut Rng, scope: &Scope) -> Vec<Value> {
    let count = rng.usize(1..=3);
    let test = |rng: &mut Rng| match rng.u32(..6) {
        0 | 1 => json!({ "pointer": "/type", "equals": pick(rng, &["order", "user"]) }),
        2 => json!({ "pointer": "/actions", "contains": pick(rng, &["read", "write"]) }),
        3 => json!({ "pointer": "/limit", "at_least": pick(rng, &[5, 10, 20]) }),
        4 => json!({ "pointer": "/of", "equals": operand(rng, scope) }),
        _ => json!({ "pointer": pick(rng, &["/limit", "/of"]), "exists": rng.bool() }),
    };
    (0..count).map(|_| test(rng)).collect()
}

/// A test that headers and query parameters can have too.
pub fn text_test(rng: &mut Rng, scope: &Scope) -> Value {
    match rng.u32(..9) {
        0 | 1 => json!({ "equals": text_operand(rng, scope) }),
        2 => json!({ "one_of": [text_operand(rng, scope), pick(rng, &TEXTS)] }),
        3 => json!({ "prefix": pick(rng, &["e", "eu", "caf\u{e9}"]) }),
        4 => json!({ "suffix": pick(rng, &["u", "-1", "\u{e9}"]) }),
        5 => json!({ "glob": pick(rng, &GLOBS) }),
        6 => json!({ "regex": pick(rng, &REGEXES) }),
        7 => number_test(rng),
        _ => json!({ "exists": rng.bool() }),
    }
}

/// A test of text that is never a number.
pub fn region_test(rng: &mut Rng, scope: &Scope) -> Value {
    match rng.u32(..4) {
        0 => json!({ "equals": text_operand(rng, scope) }),
        1 => json!({ "one_of": ["eu", text_operand(rng, scope)] }),
        2 => json!({ "prefix": "e" }),
        _ => json!({ "glob": pick(rng, &GLOBS) }),
    }
}

pub fn number_test(rng: &mut Rng) -> Value {
    let bounds = [
        json!(1),
        json!(1.0),
        json!(17),
        json!(0),
        json!(1.25),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(10),
    ];
    json!({ (*pick(rng, &["less_than", "at_most", "at_least", "more_than"])): pick(rng, &bounds) })
}

fn text_operand(rng: &mut Rng, scope: &Scope) -> Value {
    match (rng.u32(..10), scope.variables.is_empty()) {
        (0, _) => json!({ "request": pick(rng, &["method", "host"]) }),
        (1 | 2, false) => json!({ "capture": pick(rng, &scope.variables) }),
        _ => json!(pick(rng, &TEXTS)),
    }
}

fn operand(rng: &mut Rng, scope: &Scope) -> Value {
    let constants = [
        json!(1),
        json!(1.0),
        json!(17),
        json!(true),
        json!(null),
        json!("true"),
        json!("1"),
        json!(9_007_199_254_740_993_u64),
        json!("editor"),
        json!("read"),
    ];
    match rng.u32(..3) {
        0 => pick(rng, &constants).clone(),
        1 => json!(pick(rng, &NAMES)),
        _ => text_operand(rng, scope),
    }
}

/// Mostly what stands in lists.
fn element(rng: &mut Rng, scope: &Scope) -> Value {
    if chance(rng, 60) { pick(rng, &[json!("eu"), json!("us"), json!(1)]).clone() } else { operand(rng, scope) }
}

fn elements(rng: &mut Rng, scope: &Scope) -> Vec<Value> {
    (0..rng.usize(1..=3)).map(|_| element(rng, scope)).collect()
}

fn operands(rng: &mut Rng, scope: &Scope) -> Vec<Value> {
    (0..rng.usize(1..=3)).map(|_| operand(rng, scope)).collect()
}
