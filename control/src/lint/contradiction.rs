//! Tests of one claim that can never hold together.

use serde_json::Value;

use super::Finding;
use super::model::{list, text};

/// Below 2^53 every whole number has a floating-point form of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a test says of a claim, as far as it can be compared with others.
enum Says<'t> {
    /// It is one of these.
    OneOf(Vec<&'t Value>),
    /// It has all of these.
    HasAll(Vec<&'t Value>),
    /// It has one of these.
    HasAny(Vec<&'t Value>),
    /// It has nothing but these.
    Within(Vec<&'t Value>),
    /// It is not less than this, or not equal either.
    From(f64, bool),
    /// It is not more than this, or not equal either.
    To(f64, bool),
}

/// Finds tests in a list, all of which must hold, that contradict one before them.
pub(super) fn find(tests: &[Value], place: &str, findings: &mut Vec<Finding>) {
    for (index, test) in tests.iter().enumerate() {
        let place = format!("{place}[{index}]");
        find(list(test, "any_element"), &format!("{place}.any_element"), findings);
        let pointer = text(test, "pointer");
        let earlier = tests.iter().take(index).filter(|other| text(other, "pointer") == pointer);
        if earlier.into_iter().any(|other| contradict(other, test)) {
            let message = format!(
                "contradicts another test of `{pointer}` in this list, so the condition can never hold; remove one of the two, or put them into `any`"
            );
            findings.push(Finding::new("impossible-condition", &place, message));
        }
    }
}

fn contradict(one: &Value, other: &Value) -> bool {
    match (says(one), says(other)) {
        (Some(one), Some(other)) => one.excludes(&other) || other.excludes(&one),
        _ => false,
    }
}

/// None for what is not compared: patterns, and what depends on the request.
fn says(test: &Value) -> Option<Says<'_>> {
    let (name, value) = test.as_object()?.iter().find(|(name, _)| *name != "pointer")?;
    let one = || (!value.is_object()).then(|| vec![value]);
    let many = || {
        let items = value.as_array()?;
        items.iter().all(|item| !item.is_object()).then(|| items.iter().collect::<Vec<_>>())
    };
    match name.as_str() {
        "equals" => one().map(Says::OneOf),
        "one_of" => many().map(Says::OneOf),
        "contains" => one().map(Says::HasAll),
        "contains_all" => many().map(Says::HasAll),
        "contains_any" => many().map(Says::HasAny),
        "subset_of" => many().map(Says::Within),
        "at_least" => value.as_f64().map(|bound| Says::From(bound, true)),
        "more_than" => value.as_f64().map(|bound| Says::From(bound, false)),
        "at_most" => value.as_f64().map(|bound| Says::To(bound, true)),
        "less_than" => value.as_f64().map(|bound| Says::To(bound, false)),
        _ => None,
    }
}

impl Says<'_> {
    /// Whether nothing is both.
    fn excludes(&self, other: &Says<'_>) -> bool {
        match (self, other) {
            (Self::OneOf(one), Says::OneOf(other)) => !one.iter().any(|value| is_in(value, other)),
            (Self::HasAll(wanted), Says::Within(allowed)) => wanted.iter().any(|value| !is_in(value, allowed)),
            (Self::HasAny(wanted), Says::Within(allowed)) => !wanted.iter().any(|value| is_in(value, allowed)),
            // Numbers that may have been rounded are not said to differ.
            (Self::From(from, at), Says::To(to, until)) => {
                from > to || (from == to && from.abs() < EXACT && !(*at && *until))
            }
            (Self::OneOf(values), Says::From(from, _)) => !numbers(values).any(|number| number >= *from),
            (Self::OneOf(values), Says::To(to, _)) => !numbers(values).any(|number| number <= *to),
            _ => false,
        }
    }
}

fn numbers<'v>(values: &'v [&Value]) -> impl Iterator<Item = f64> + 'v {
    values.iter().filter_map(|value| value.as_f64())
}

/// 1 and 1.0 are the same number.
fn is_in(value: &Value, values: &[&Value]) -> bool {
    values.iter().any(|other| *other == value || value.as_f64().is_some_and(|number| other.as_f64() == Some(number)))
}
