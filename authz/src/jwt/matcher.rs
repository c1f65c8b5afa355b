//! What a claim must be: the one kind of test that issuers and rules share.

use serde_json::{Map, Value};

use super::pointer::Pointer;
use crate::bundle::reader::Node;

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
        let claim = self.pointer.find(claims);
        match (&self.test, claim) {
            (Test::Exists(wanted), claim) => holds_if(claim.is_some_and(|claim| !claim.is_null()) == *wanted),
            (_, None) => Match::Fails,
            (Test::OneOf(values), Some(claim)) => equals_any(values, claim),
            (Test::Contains(value), Some(Value::Array(items))) => holds_if(items.iter().any(|item| same(item, value))),
            (Test::Prefix(prefix), Some(Value::String(text))) => holds_if(text.starts_with(prefix.as_str())),
            (Test::Suffix(suffix), Some(Value::String(text))) => holds_if(text.ends_with(suffix.as_str())),
            (Test::Contains(_) | Test::Prefix(_) | Test::Suffix(_), Some(_)) => Match::Undecidable,
        }
    }
}

const fn holds_if(condition: bool) -> Match {
    if condition { Match::Holds } else { Match::Fails }
}

/// A claim of another type than all values is malformed, not merely different: `"true"` where a boolean is expected may
/// mean anything.
fn equals_any(values: &[Value], claim: &Value) -> Match {
    if values.iter().any(|value| same(value, claim)) {
        return Match::Holds;
    }
    let same_type = values.iter().any(|value| std::mem::discriminant(value) == std::mem::discriminant(claim));
    if same_type { Match::Fails } else { Match::Undecidable }
}

/// Equality of JSON values; numbers by value, so that 1 and 1.0 are one (a host may hand the bundle on as floating point).
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() != right.is_f64() => {
            // Beyond 2^53 two whole numbers can have one floating-point form.
            let exact = |number: &f64| number.abs() <= 9_007_199_254_740_992.0;
            left.as_f64().filter(exact).is_some_and(|left| Some(left) == right.as_f64())
        }
        _ => left == right,
    }
}

fn scalar(node: &Node<'_>) -> Option<Value> {
    match node.value() {
        Value::Array(_) | Value::Object(_) => node.refuse("must be a string, a number, a boolean or null"),
        scalar => Some(scalar.clone()),
    }
}
