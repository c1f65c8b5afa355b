//! The tests themselves, and what they say of a value.

use std::fmt;
use std::iter::once;

use serde_json::{Number, Value};

use super::claim::ClaimMatcher;
use super::moment::{Moment, dated};
use super::number::{Bound, compare};
use super::operand::{Facts, Operand, Scope};
use super::pattern::Pattern;
use crate::document::{Fields, Node};
use crate::json::{Json, JsonList};
use crate::principal::Attribute;

/// Whether a value is what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is.
    Holds,
    /// It is not, or is not there.
    Fails,
    /// It has another type than it must have, or is a number that was rounded, which may mean anything.
    Undecidable,
}

/// What a value must be. Types are compared too: `true` is not `"true"`.
#[derive(Debug)]
pub(crate) enum Test {
    Exists(bool),
    OneOf(Vec<Operand>),
    /// It is a list that has one of these.
    ContainsAny(Vec<Operand>),
    /// It is a list that has all of these.
    ContainsAll(Vec<Operand>),
    /// It is a list that has nothing but these.
    SubsetOf(Vec<Operand>),
    Prefix(String),
    Suffix(String),
    Fits(Pattern),
    Bound(Bound, Number),
    /// It is a date before this, or after it.
    Before(Moment),
    After(Moment),
    /// It is a list with an object for which all of these hold.
    AnyElement(Vec<ClaimMatcher>),
}

pub(super) const fn holds_if(condition: bool) -> Match {
    if condition { Match::Holds } else { Match::Fails }
}

impl Test {
    /// The fields of a test, of which one is there, and of a matcher around it.
    pub(super) const FIELDS_WITH_POINTER: &[&str] = &[
        "pointer",
        "equals",
        "one_of",
        "contains",
        "contains_any",
        "contains_all",
        "subset_of",
        "prefix",
        "suffix",
        "glob",
        "regex",
        "less_than",
        "at_most",
        "at_least",
        "more_than",
        "before",
        "after",
        "any_element",
        "exists",
    ];

    /// The same for headers, and for query parameters: text has no elements.
    pub(crate) const FIELDS_OF_HEADER: &[&str] = &[
        "name",
        "by",
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
    ];
    pub(crate) const FIELDS_OF_QUERY: &[&str] = &[
        "name",
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
    ];

    /// The same for declared attributes, which are scalars.
    pub(crate) const FIELDS_OF_ATTRIBUTE: &[&str] = Self::FIELDS_OF_QUERY;

    /// Whether it can be true of values of a type: of those for which `is_of_type` holds.
    pub(crate) fn fits(&self, is_of_type: impl Fn(&Value) -> bool) -> bool {
        match self {
            Self::Exists(_) => true,
            Self::OneOf(wanted) => wanted.iter().all(|operand| operand.is_of_type(&is_of_type)),
            Self::Prefix(_) | Self::Suffix(_) | Self::Fits(_) => is_of_type(&Value::String(String::new())),
            Self::Bound(_, limit) => is_of_type(&Value::Number(limit.clone())),
            Self::ContainsAny(_) | Self::ContainsAll(_) | Self::SubsetOf(_) | Self::AnyElement(_) => false,
            Self::Before(_) | Self::After(_) => false,
        }
    }

    /// Reads the one test among the fields.
    pub(crate) fn read(node: &Node<'_>, fields: &Fields<'_>, scope: Scope<'_>) -> Option<Self> {
        let operand = |node: &Node<'_>| Operand::read(node, scope);
        let one = |name| fields.optional(name).map(|node| operand(&node).map(|operand| vec![operand]));
        let list = |name| fields.optional(name).map(|node| node.filled_list(operand));
        let text = |name| fields.optional(name).map(|node| node.text().map(str::to_owned));
        let bounds = Bound::read_all(fields).map(|bound| bound.map(|(bound, limit)| Self::Bound(bound, limit)));
        let mut tests = [
            one("equals").map(|value| value.map(Self::OneOf)),
            list("one_of").map(|values| values.map(Self::OneOf)),
            one("contains").map(|value| value.map(Self::ContainsAll)),
            list("contains_any").map(|values| values.map(Self::ContainsAny)),
            list("contains_all").map(|values| values.map(Self::ContainsAll)),
            list("subset_of").map(|values| values.map(Self::SubsetOf)),
            text("prefix").map(|text| text.map(Self::Prefix)),
            text("suffix").map(|text| text.map(Self::Suffix)),
            fields.optional("glob").map(|node| Pattern::read_glob(&node).map(Self::Fits)),
            fields.optional("regex").map(|node| Pattern::read_regex(&node).map(Self::Fits)),
            fields
                .optional("any_element")
                .map(|node| node.filled_list(|item| ClaimMatcher::read(item, scope)).map(Self::AnyElement)),
            fields.optional("before").map(|node| Moment::read(&node, scope).map(Self::Before)),
            fields.optional("after").map(|node| Moment::read(&node, scope).map(Self::After)),
            fields.optional("exists").map(|node| node.flag().map(Self::Exists)),
        ]
        .into_iter()
        .flatten()
        .chain(bounds);
        match (tests.next(), tests.next()) {
            (Some(test), None) => test,
            _ => node.refuse(
                "needs exactly one test, such as `equals`, `one_of`, `contains`, `prefix`, `glob`, `regex`, `at_most` or `exists`",
            ),
        }
    }

    /// Whether a value passes. What is absent passes nothing but `exists: false`.
    pub(crate) fn evaluate(&self, value: Attribute<Json<'_>>, facts: &Facts<'_>) -> Match {
        match (self, value) {
            (_, Attribute::Malformed) => Match::Undecidable,
            (Self::Exists(wanted), Attribute::Absent) => holds_if(!wanted),
            (_, Attribute::Absent) => Match::Fails,
            (_, Attribute::Present(value)) => self.judge(value, facts),
        }
    }

    fn judge(&self, value: Json<'_>, facts: &Facts<'_>) -> Match {
        match (self, value) {
            (Self::Exists(wanted), value) => holds_if(matches!(value, Json::Null) != *wanted),
            (Self::OneOf(wanted), value) => equals_any(wanted, once(value), facts),
            (Self::ContainsAny(wanted), Json::List(items)) => equals_any(wanted, items.iter(), facts),
            (Self::ContainsAll(wanted), Json::List(items)) => {
                all(wanted.iter().map(|wanted| equals_any(std::slice::from_ref(wanted), items.iter(), facts)))
            }
            (Self::SubsetOf(wanted), Json::List(items)) => {
                all(items.iter().map(|item| equals_any(wanted, once(item), facts)))
            }
            (Self::Prefix(prefix), Json::Text(text)) => holds_if(text.starts_with(prefix.as_str())),
            (Self::Suffix(suffix), Json::Text(text)) => holds_if(text.ends_with(suffix.as_str())),
            (Self::Fits(pattern), Json::Text(text)) => holds_if(pattern.fits(text)),
            (Self::Bound(bound, limit), Json::Number(number)) => bound.holds(number, limit),
            (Self::Before(moment), value) => dated(value, *moment, facts, |date, moment| date < moment),
            (Self::After(moment), value) => dated(value, *moment, facts, |date, moment| date > moment),
            (Self::AnyElement(matchers), Json::List(items)) => any_element(matchers, items, facts),
            _ => Match::Undecidable,
        }
    }

    /// The same for what is always text, such as a header: a number is one that is written there.
    pub(crate) fn evaluate_text(&self, text: &str, facts: &Facts<'_>) -> Match {
        // `+5`, ` 5` and `0x5` are no numbers: whoever wrote them may mean anything.
        let is_plain = || text.bytes().all(|byte| byte.is_ascii_graphic());
        let number: Option<Number> = match self {
            Self::Bound(..) if is_plain() => serde_json::from_str(text).ok(),
            _ => None,
        };
        self.judge(
            match (self, &number) {
                (Self::Bound(..), Some(number)) => Json::Number(number),
                (Self::Bound(..), None) => Json::Null,
                _ => Json::Text(text),
            },
            facts,
        )
    }
}

/// Whether one element is an object for which all matchers hold.
fn any_element(matchers: &[ClaimMatcher], items: JsonList<'_>, facts: &Facts<'_>) -> Match {
    let outcomes = items.iter().map(|item| match item {
        Json::Object(members) => all(matchers.iter().map(|matcher| matcher.evaluate(members, facts))),
        _ => Match::Undecidable,
    });
    outcomes.fold(Match::Fails, |left, right| match (left, right) {
        (Match::Holds, _) | (_, Match::Holds) => Match::Holds,
        (Match::Undecidable, _) | (_, Match::Undecidable) => Match::Undecidable,
        (Match::Fails, Match::Fails) => Match::Fails,
    })
}

/// Conjunction: one that fails settles it.
fn all(outcomes: impl Iterator<Item = Match>) -> Match {
    outcomes.fold(Match::Holds, |left, right| match (left, right) {
        (Match::Fails, _) | (_, Match::Fails) => Match::Fails,
        (Match::Undecidable, _) | (_, Match::Undecidable) => Match::Undecidable,
        (Match::Holds, Match::Holds) => Match::Holds,
    })
}

/// Whether one of the values is one of those that are wanted. Where none is, a value of another type than all of them is
/// malformed, not merely different: `"true"` where a boolean is expected may mean anything.
fn equals_any<'v>(wanted: &[Operand], mut values: impl Iterator<Item = Json<'v>> + Clone, facts: &Facts<'_>) -> Match {
    if wanted.iter().any(|operand| operand.resolve(facts).is_none()) {
        return Match::Undecidable;
    }
    let wanted = || wanted.iter().filter_map(|operand| operand.resolve(facts));
    if values.clone().any(|value| wanted().any(|wanted| same(wanted, value) == Some(true))) {
        return Match::Holds;
    }
    let is_judged = |value: Json<'_>| {
        wanted().any(|wanted| std::mem::discriminant(&wanted) == std::mem::discriminant(&value))
            && wanted().all(|wanted| same(wanted, value).is_some())
    };
    if values.all(is_judged) { Match::Fails } else { Match::Undecidable }
}

/// Equality with a scalar; none if nobody can tell.
fn same(wanted: Json<'_>, value: Json<'_>) -> Option<bool> {
    Some(match (wanted, value) {
        (Json::Number(left), Json::Number(right)) => compare(left, right)?.is_eq(),
        (Json::Text(left), Json::Text(right)) => left == right,
        (Json::Bool(left), Json::Bool(right)) => left == right,
        (Json::Null, Json::Null) => true,
        _ => false,
    })
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |operands: &[Operand]| operands.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Exists(true) => f.write_str("is there"),
            Self::Exists(false) => f.write_str("is not there"),
            Self::OneOf(wanted) if wanted.len() == 1 => write!(f, "is {}", list(wanted)),
            Self::OneOf(wanted) => write!(f, "is one of {}", list(wanted)),
            Self::ContainsAny(wanted) => write!(f, "has one of {}", list(wanted)),
            Self::ContainsAll(wanted) => write!(f, "has {}", list(wanted)),
            Self::SubsetOf(wanted) => write!(f, "has nothing but {}", list(wanted)),
            Self::Prefix(text) => write!(f, "starts with `{text}`"),
            Self::Suffix(text) => write!(f, "ends with `{text}`"),
            Self::Fits(pattern) => pattern.fmt(f),
            Self::Bound(bound, limit) => write!(f, "is {} {limit}", bound.name().replace('_', " ")),
            Self::Before(Moment::Now) => f.write_str("is past"),
            Self::After(Moment::Now) => f.write_str("is still to come"),
            Self::Before(Moment::At(at)) => write!(f, "is before second {} of 1970", at.as_millis().div_euclid(1000)),
            Self::After(Moment::At(at)) => write!(f, "is after second {} of 1970", at.as_millis().div_euclid(1000)),
            Self::AnyElement(matchers) => {
                let parts: Vec<_> = matchers.iter().map(ClaimMatcher::describe).collect();
                write!(f, "has an element whose {}", parts.join(" and "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn outcome(test: &Test, value: &Value) -> Match {
        test.evaluate(Attribute::Present(value.into()), &Facts::default())
    }

    fn constants(values: &[Value]) -> Vec<Operand> {
        values.iter().cloned().map(Operand::Constant).collect()
    }

    #[test]
    fn numbers_are_equal_only_where_that_is_exact() {
        let equals = |wanted: Value, value: Value| outcome(&Test::OneOf(constants(&[wanted])), &value);
        assert_eq!(equals(json!(1), json!(1.0)), Match::Holds);
        assert_eq!(equals(json!(1.0), json!(1)), Match::Holds);
        assert_eq!(equals(json!(1_234_567_890_123_456_789_i64), json!(1_234_567_890_123_456_789_i64)), Match::Holds);
        let other = equals(json!(1_234_567_890_123_456_789_i64), json!(1_234_567_890_123_456_788_i64));
        assert_eq!(other, Match::Fails);
        // It may be this one: a rule that denies it has to. Another is another, whatever it was rounded from.
        let rounded = |wanted| equals(wanted, json!(1_234_567_890_123_456_800.0));
        assert_eq!(rounded(json!(1_234_567_890_123_456_789_i64)), Match::Undecidable);
        assert_eq!(rounded(json!(5)), Match::Fails);
        let one_of = Test::OneOf(constants(&[json!(5), json!(1_234_567_890_123_456_789_i64)]));
        assert_eq!(outcome(&one_of, &json!(1_234_567_890_123_456_800.0)), Match::Undecidable);
    }

    #[test]
    fn a_value_of_another_type_cannot_be_judged() {
        let contains = |values: &[Value]| Test::ContainsAll(constants(values));
        for (test, value) in [
            (Test::OneOf(constants(&[json!(true)])), json!("true")),
            (Test::OneOf(constants(&[json!("a"), json!(1)])), json!(null)),
            (contains(&[json!(7)]), json!(7)),
            (contains(&[json!(7)]), json!(["7"])),
            (contains(&[json!(7)]), json!([[7]])),
            (contains(&[json!("a")]), json!(["b", null])),
            (Test::Prefix("a".to_owned()), json!(["a"])),
            (Test::Suffix("a".to_owned()), json!(1)),
            (Test::Bound(Bound::AtMost, 5.into()), json!("5")),
            (Test::Bound(Bound::AtMost, 5.into()), json!(null)),
            (Test::SubsetOf(constants(&[json!("a")])), json!("a")),
            (Test::SubsetOf(constants(&[json!("a")])), json!(["a", 1])),
            (Test::AnyElement(Vec::new()), json!({})),
            (Test::AnyElement(Vec::new()), json!(["a"])),
            // An operand that the request does not have.
            (Test::OneOf(vec![Operand::Method]), json!("GET")),
        ] {
            assert_eq!(outcome(&test, &value), Match::Undecidable, "{test} {value}");
        }
        assert_eq!(outcome(&contains(&[json!("a")]), &json!(["b", "a", null])), Match::Holds);
        assert_eq!(outcome(&contains(&[json!("a")]), &json!([])), Match::Fails);
        assert_eq!(outcome(&Test::Exists(false), &json!(null)), Match::Holds);
    }

    #[test]
    fn text_is_a_number_only_if_it_is_one() {
        let at_most = Test::Bound(Bound::AtMost, 50.into());
        for (text, expected) in [
            ("50", Match::Holds),
            ("-1", Match::Holds),
            ("50.5", Match::Fails),
            ("", Match::Undecidable),
            ("+5", Match::Undecidable),
            (" 5", Match::Undecidable),
            ("0x5", Match::Undecidable),
            ("5 ", Match::Undecidable),
            ("NaN", Match::Undecidable),
            ("5,6", Match::Undecidable),
        ] {
            assert_eq!(at_most.evaluate_text(text, &Facts::default()), expected, "{text:?}");
        }
    }

    #[test]
    fn sets_are_judged_element_by_element() {
        let (a, b, c) = (json!("a"), json!("b"), json!("c"));
        let (both, list) = (constants(&[a.clone(), b.clone()]), |values: &[&Value]| json!(values));
        assert_eq!(outcome(&Test::ContainsAny(both.clone()), &list(&[&c, &b])), Match::Holds);
        assert_eq!(outcome(&Test::ContainsAll(both.clone()), &list(&[&c, &b])), Match::Fails);
        assert_eq!(outcome(&Test::ContainsAll(both.clone()), &list(&[&b, &a])), Match::Holds);
        assert_eq!(outcome(&Test::SubsetOf(both.clone()), &list(&[&b])), Match::Holds);
        assert_eq!(outcome(&Test::SubsetOf(both.clone()), &list(&[])), Match::Holds);
        assert_eq!(outcome(&Test::SubsetOf(both), &list(&[&b, &c])), Match::Fails);
    }
}
