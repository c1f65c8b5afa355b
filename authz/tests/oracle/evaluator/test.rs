//! What a claim, a header or a query parameter must be.

use std::cmp::Ordering;
use std::slice::from_ref;

use serde_json::{Number, Value};

use super::target::host;
use super::text::{glob_fits, regex_fits};
use super::truth::Truth;
use super::{Scene, list};

/// A test of a claim, which a JSON Pointer finds.
pub fn claim_passes(test: &Value, claims: &Value, scene: &Scene<'_>) -> Truth {
    let (name, wanted) = test_of(test);
    let outcome = match find(test["pointer"].as_str().unwrap(), claims) {
        Ok(claim) => passes(name, wanted, claim, scene),
        Err(WrongType) => Truth::Undecided,
    };
    scene.count(name, outcome)
}

/// A step of a pointer leads into what is neither object nor list, or is no index of a list.
pub struct WrongType;

fn find<'v>(pointer: &str, claims: &'v Value) -> Result<Option<&'v Value>, WrongType> {
    let mut value = claims;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match value {
            Value::Object(members) => members.get(&step),
            Value::Array(elements) => elements.get(step.parse::<usize>().map_err(|_| WrongType)?),
            _ => return Err(WrongType),
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value))
}

/// A copy of the claim that a pointer finds.
pub fn find_claim(pointer: &str, claims: &Value) -> Result<Option<Value>, WrongType> {
    find(pointer, claims).map(Option::<&Value>::cloned)
}

/// A test of one value.
pub fn value_passes(test: &Value, value: Option<&Value>, scene: &Scene<'_>) -> Truth {
    let (name, wanted) = test_of(test);
    scene.count(name, passes(name, wanted, value, scene))
}

/// A test of all values of a header or a query parameter, each the text or, where it cannot be read, none. Every value of a
/// repeated one is tested, and they have to agree.
pub fn texts_pass(test: &Value, values: &[Option<String>], scene: &Scene<'_>) -> Truth {
    let (name, wanted) = test_of(test);
    let one = |value: &Option<String>| match value {
        None if name == "exists" => passes(name, wanted, Some(&Value::from("")), scene),
        None => Truth::Undecided,
        Some(text) => passes(name, wanted, Some(&as_value(name, text)), scene),
    };
    let outcome = match values {
        [] => passes(name, wanted, None, scene),
        [first, rest @ ..] => {
            let first = one(first);
            if rest.iter().all(|value| one(value) == first) { first } else { Truth::Undecided }
        }
    };
    scene.count(name, outcome)
}

/// Text counts as a number where a number is asked for.
fn as_value(test: &str, text: &str) -> Value {
    let number = serde_json::from_str::<Number>(text).ok().filter(|_| text.trim() == text);
    match (test, number) {
        ("less_than" | "at_most" | "at_least" | "more_than", Some(number)) => Value::Number(number),
        _ => Value::from(text),
    }
}

/// The name of the one test, and what it says.
fn test_of(test: &Value) -> (&'static str, &Value) {
    const TESTS: [&str; 16] = [
        "equals",
        "one_of",
        "prefix",
        "suffix",
        "glob",
        "regex",
        "less_than",
        "at_most",
        "at_least",
        "more_than",
        "exists",
        "contains",
        "contains_any",
        "contains_all",
        "subset_of",
        "any_element",
    ];
    TESTS.iter().find_map(|name| Some((*name, test.get(name)?))).unwrap()
}

fn passes(test: &str, wanted: &Value, value: Option<&Value>, scene: &Scene<'_>) -> Truth {
    if test == "exists" {
        return (value.is_some_and(|value| !value.is_null()) == *wanted).into();
    }
    // An absent claim equals nothing.
    let Some(value) = value else { return Truth::No };
    let text = |fits: &dyn Fn(&str, &str) -> bool| match value.as_str() {
        Some(text) => fits(text, wanted.as_str().unwrap()).into(),
        None => Truth::Undecided,
    };
    let number = |fits: &dyn Fn(Ordering) -> bool| match (value, wanted) {
        (Value::Number(value), Value::Number(bound)) => {
            compare(value, bound).map_or(Truth::Undecided, |order| fits(order).into())
        }
        _ => Truth::Undecided,
    };
    let elements = |holds: &dyn Fn(&[Value]) -> Truth| value.as_array().map_or(Truth::Undecided, |list| holds(list));
    let one_of = |values: &[Value], wanted: &[Value]| {
        resolve(wanted, scene).map_or(Truth::Undecided, |wanted| is_one(values, &wanted))
    };
    match test {
        "equals" => one_of(from_ref(value), from_ref(wanted)),
        "one_of" => one_of(from_ref(value), list(wanted)),
        "prefix" => text(&|text, prefix| text.starts_with(prefix)),
        "suffix" => text(&|text, suffix| text.ends_with(suffix)),
        "glob" => text(&|text, pattern| glob_fits(pattern, text)),
        "regex" => text(&|text, pattern| regex_fits(pattern, text)),
        "less_than" => number(&Ordering::is_lt),
        "at_most" => number(&Ordering::is_le),
        "at_least" => number(&Ordering::is_ge),
        "more_than" => number(&Ordering::is_gt),
        "contains" => elements(&|elements| one_of(elements, from_ref(wanted))),
        "contains_any" => elements(&|elements| one_of(elements, list(wanted))),
        "contains_all" => {
            elements(&|elements| Truth::all(list(wanted).iter().map(|wanted| one_of(elements, from_ref(wanted)))))
        }
        "subset_of" => {
            elements(&|elements| Truth::all(elements.iter().map(|element| one_of(from_ref(element), list(wanted)))))
        }
        "any_element" => elements(&|elements| {
            Truth::any(elements.iter().map(|element| match element {
                Value::Object(_) => Truth::all(list(wanted).iter().map(|test| claim_passes(test, element, scene))),
                _ => Truth::Undecided,
            }))
        }),
        _ => unreachable!("{test}"),
    }
}

/// The values that are wanted, of which some may be something of the request. None if it has no such thing, or two.
fn resolve(wanted: &[Value], scene: &Scene<'_>) -> Option<Vec<Value>> {
    let of_request = |operand: &Value| match operand.get("capture").and_then(Value::as_str) {
        Some(name) => scene.captures.get(name).cloned(),
        None if operand["request"] == "method" => Some(scene.request.method.clone()),
        None => Some(host(&scene.request.authority)),
    };
    let value = |wanted: &Value| {
        if wanted.is_object() { of_request(wanted).map(Value::from) } else { Some(wanted.clone()) }
    };
    wanted.iter().map(value).collect()
}

/// Whether one of the values is one of those that are wanted. Types count: if none is, one that is of another type than all
/// of those cannot be judged.
fn is_one(values: &[Value], wanted: &[Value]) -> Truth {
    let pairs = || values.iter().flat_map(|value| wanted.iter().map(move |wanted| equal(value, wanted)));
    let have_types = values.iter().all(|value| wanted.iter().any(|wanted| type_of(wanted) == type_of(value)));
    match Truth::any(pairs()) {
        Truth::No if !have_types => Truth::Undecided,
        truth => truth,
    }
}

fn equal(value: &Value, wanted: &Value) -> Truth {
    match (value, wanted) {
        (Value::Number(value), Value::Number(wanted)) => {
            compare(value, wanted).map_or(Truth::Undecided, |order| order.is_eq().into())
        }
        _ => (value == wanted).into(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Compares exactly. None where that is not possible: several whole numbers from 2^53 on have the same floating-point form,
/// and nobody knows which of them it was.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    let (whole_one, whole_other) = (whole(one), whole(other));
    if whole_one.is_some() && whole_other.is_some() {
        return Some(whole_one.cmp(&whole_other));
    }
    let order = one.as_f64()?.partial_cmp(&other.as_f64()?)?;
    if order.is_eq() && one.as_f64()?.abs() >= 9_007_199_254_740_992.0 { None } else { Some(order) }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
