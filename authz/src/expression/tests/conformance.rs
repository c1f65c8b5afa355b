//! The conformance suite of CEL (`authz/conformance/README.md`), as far as it is about what is known here.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value as Json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::moment::{Duration, Timestamp};
use super::super::value::{List, Map};
use super::super::{Text, Value};
use super::{Bindings, outcome};

#[derive(Deserialize)]
struct Suite {
    count: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    expr: String,
    #[serde(default)]
    bindings: std::collections::BTreeMap<String, Json>,
    /// What it comes to; none for an error.
    value: Option<Json>,
}

/// Cases that are decided otherwise, for one reason.
#[derive(Deserialize)]
struct Exceptions {
    reason: String,
    ids: Vec<String>,
}

#[test]
fn the_suite_of_cel() {
    let suite: Suite = serde_json::from_str(include_str!("../../../conformance/cel.json")).unwrap();
    let exceptions: Vec<Exceptions> =
        serde_json::from_str(include_str!("../../../conformance/cel-exceptions.json")).unwrap();
    assert_eq!(suite.cases.len(), suite.count);
    let mut failures = Vec::new();
    let mut used = 0;
    for case in &suite.cases {
        let excepted = exceptions.iter().find(|exception| exception.ids.contains(&case.id));
        used += usize::from(excepted.is_some());
        match (passes(case), excepted) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(found), None) => failures.push(format!("{}\t{}\t{found}", case.id, case.expr)),
            (Ok(()), Some(exception)) => {
                failures.push(format!("{}: passes, remove its exception ({})", case.id, exception.reason));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), suite.count, failures.join("\n"));
    let listed: usize = exceptions.iter().map(|exception| exception.ids.len()).sum();
    assert_eq!(used, listed, "an exception is no case, or stands twice");
}

fn passes(case: &Case) -> Result<(), String> {
    let bindings = Bindings(case.bindings.iter().map(|(name, json)| (name.clone(), value(json))).collect());
    let expected = case.value.as_ref().map(value);
    let found = outcome(&case.expr, &bindings, |found| {
        let is_same = expected.as_ref().is_some_and(|expected| same(expected, &found));
        if is_same { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
    });
    match (found, &expected) {
        (Ok(judged), _) => judged,
        (Err(_), None) => Ok(()),
        (Err(failure), Some(_)) => Err(failure),
    }
}

/// Equal, and of the same types all through; "not a number" is one value here.
fn same(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => {
            one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan())
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len()
                && (0..one.len())
                    .all(|index| same(&one.get(index).unwrap().unwrap(), &other.get(index).unwrap().unwrap()))
        }
        (Value::Map(one), Value::Map(other)) => {
            let keys = one.keys();
            one.len() == other.len()
                && (0..keys.len()).map(|index| keys.get(index).unwrap().unwrap()).all(|key| {
                    other.get(&key).is_some_and(|other| same(&one.get(&key).unwrap().unwrap(), &other.unwrap()))
                })
        }
        (one, other) => {
            one.kind() == other.kind()
                && one.equals(other, false, &mut super::super::budget::Budget::full()) == Ok(true)
        }
    }
}

/// `{"int": "1"}`, `{"list": [..]}`, `{"timestamp": ["seconds", nanoseconds]}` and so on.
fn value(json: &Json) -> Value<'static> {
    let (kind, json) = json.as_object().unwrap().iter().next().unwrap();
    let number = |json: &Json| json.as_str().unwrap().to_owned();
    match kind.as_str() {
        "null" => Value::Null,
        "bool" => Value::Bool(json.as_bool().unwrap()),
        "int" => Value::Int(number(json).parse().unwrap()),
        "uint" => Value::Uint(number(json).parse().unwrap()),
        "double" => Value::Double(number(json).parse().unwrap()),
        "string" => Value::Text(Text::Made(Rc::from(json.as_str().unwrap()))),
        "list" => Value::List(List::Made(json.as_array().unwrap().iter().map(value).collect())),
        "map" => Value::Map(Map::Made(
            json.as_array().unwrap().iter().map(|entry| (value(&entry[0]), value(&entry[1]))).collect(),
        )),
        "timestamp" => {
            let nanoseconds = Duration::parse(&format!("{}ns", json[1])).unwrap();
            let seconds = Timestamp::from_seconds(number(&json[0]).parse().unwrap()).unwrap();
            Value::Timestamp(seconds.plus(nanoseconds).unwrap())
        }
        "duration" => {
            let (seconds, nanoseconds) = (format!("{}s", number(&json[0])), format!("{}ns", json[1]));
            let seconds = Duration::parse(&seconds).unwrap();
            Value::Duration(seconds.plus(Duration::parse(&nanoseconds).unwrap()).unwrap())
        }
        other => panic!("{other}"),
    }
}
