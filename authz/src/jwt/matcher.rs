//! What a claim must be: the one kind of test that issuers and rules share.

use serde_json::{Map, Value};

use super::pointer::Pointer;
use crate::document::Node;
use crate::principal::Attribute;

/// Whether a claim is what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is.
    Holds,
    /// It is not, or is not there.
    Fails,
    /// It has another type than it must have, which may mean anything.
    Undecidable,
}

/// What one claim must be. Types are compared too: `true` is not `"true"`.
#[derive(Debug)]
pub(crate) struct ClaimMatcher {
    pointer: Pointer,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Contains(Value),
    Exists(bool),
    OneOf(Vec<Value>),
    Prefix(String),
    Suffix(String),
}

impl ClaimMatcher {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["pointer", "equals", "one_of", "contains", "prefix", "suffix", "exists"])?;
        let pointer = fields.required("pointer").and_then(|node| Pointer::read(&node));
        let text = |node: Node<'_>| node.text().map(str::to_owned);
        let mut tests = [
            fields.optional("equals").map(|node| scalar(&node).map(|value| Test::OneOf(vec![value]))),
            fields.optional("one_of").map(|node| node.filled_list(scalar).map(Test::OneOf)),
            fields.optional("contains").map(|node| scalar(&node).map(Test::Contains)),
            fields.optional("prefix").map(|node| text(node).map(Test::Prefix)),
            fields.optional("suffix").map(|node| text(node).map(Test::Suffix)),
            fields.optional("exists").map(|node| node.flag().map(Test::Exists)),
        ]
        .into_iter()
        .flatten();
        match (tests.next(), tests.next()) {
            (Some(test), None) => Some(Self { pointer: pointer?, test: test? }),
            _ => node.refuse("needs exactly one of `equals`, `one_of`, `contains`, `prefix`, `suffix`, `exists`"),
        }
    }

    /// A claim that must be there and not null.
    pub(super) fn present(name: &str) -> Self {
        Self { pointer: Pointer::to_claim(name), test: Test::Exists(true) }
    }

    pub(crate) fn evaluate(&self, claims: &Map<String, Value>) -> Match {
        let claim = match (&self.test, self.pointer.find(claims)) {
            (_, Attribute::Malformed) => return Match::Undecidable,
            (Test::Exists(wanted), Attribute::Absent) => return holds_if(!wanted),
            (_, Attribute::Absent) => return Match::Fails,
            (_, Attribute::Present(claim)) => claim,
        };
        match (&self.test, claim) {
            (Test::Exists(wanted), claim) => holds_if(claim.is_null() != *wanted),
            (Test::OneOf(values), claim) => equals_any(values, std::slice::from_ref(claim)),
            (Test::Contains(value), Value::Array(items)) => equals_any(std::slice::from_ref(value), items),
            (Test::Prefix(prefix), Value::String(text)) => holds_if(text.starts_with(prefix.as_str())),
            (Test::Suffix(suffix), Value::String(text)) => holds_if(text.ends_with(suffix.as_str())),
            (Test::Contains(_) | Test::Prefix(_) | Test::Suffix(_), _) => Match::Undecidable,
        }
    }
}

const fn holds_if(condition: bool) -> Match {
    if condition { Match::Holds } else { Match::Fails }
}

/// Whether one of the claims is one of the values. Where none is, a claim of another type than all values is malformed, not
/// merely different: `"true"` where a boolean is expected may mean anything.
fn equals_any(values: &[Value], claims: &[Value]) -> Match {
    if claims.iter().any(|claim| values.iter().any(|value| same(value, claim))) {
        return Match::Holds;
    }
    let has_type =
        |claim: &Value| values.iter().any(|value| std::mem::discriminant(value) == std::mem::discriminant(claim));
    if claims.iter().all(has_type) { Match::Fails } else { Match::Undecidable }
}

/// Below 2^53 every whole number has a floating-point form of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Equality of JSON values; numbers by value, so that 1 and 1.0 are one (a host may hand the bundle on as floating point),
/// but only where that is exact: two identifiers of 19 digits can have one floating-point form.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let left = left.as_f64().filter(|number| number.abs() < EXACT);
            left.is_some() && left == right.as_f64()
        }
        _ => left == right,
    }
}

fn scalar(node: &Node<'_>) -> Option<Value> {
    match node.value() {
        Value::Array(_) | Value::Object(_) => node.refuse("must be a string, a number, a boolean or null"),
        Value::Number(number) if number.is_f64() && number.as_f64().is_none_or(|number| number.abs() >= EXACT) => {
            node.refuse("is not exact as a number; have the issuer write it as a string")
        }
        scalar => Some(scalar.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn outcome(test: Test, claim: Value) -> Match {
        let claims = json!({ "c": claim });
        ClaimMatcher { pointer: Pointer::to_claim("c"), test }.evaluate(claims.as_object().unwrap())
    }

    #[test]
    fn numbers_are_equal_only_where_that_is_exact() {
        let equals = |value: Value, claim: Value| outcome(Test::OneOf(vec![value]), claim);
        assert_eq!(equals(json!(1), json!(1.0)), Match::Holds);
        assert_eq!(equals(json!(1.0), json!(1)), Match::Holds);
        assert_eq!(equals(json!(1_234_567_890_123_456_789_i64), json!(1_234_567_890_123_456_789_i64)), Match::Holds);
        for (value, claim) in [
            (json!(1_234_567_890_123_456_789_i64), json!(1_234_567_890_123_456_788_i64)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)),
            (json!(1e20), json!(1e20)),
        ] {
            assert_eq!(equals(value, claim), Match::Fails);
        }
    }

    #[test]
    fn a_claim_of_another_type_cannot_be_judged() {
        for (test, claim) in [
            (Test::OneOf(vec![json!(true)]), json!("true")),
            (Test::OneOf(vec![json!("a"), json!(1)]), json!(null)),
            (Test::Contains(json!(7)), json!(7)),
            (Test::Contains(json!(7)), json!(["7"])),
            (Test::Contains(json!(7)), json!([[7]])),
            (Test::Contains(json!("a")), json!(["b", null])),
            (Test::Prefix("a".to_owned()), json!(["a"])),
            (Test::Suffix("a".to_owned()), json!(1)),
        ] {
            assert_eq!(outcome(test, claim), Match::Undecidable);
        }
        assert_eq!(outcome(Test::Contains(json!("a")), json!(["b", "a", null])), Match::Holds);
        assert_eq!(outcome(Test::Contains(json!("a")), json!([])), Match::Fails);
        assert_eq!(outcome(Test::Exists(false), json!(null)), Match::Holds);
    }
}
