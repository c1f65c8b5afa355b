//! Numbers: in which order they are, and whether one is within a bound.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::test::{Match, holds_if};
use crate::document::{Fields, Node};

/// A bound for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    LessThan,
    AtMost,
    AtLeast,
    MoreThan,
}

const BOUNDS: [(&str, Bound); 4] = [
    ("less_than", Bound::LessThan),
    ("at_most", Bound::AtMost),
    ("at_least", Bound::AtLeast),
    ("more_than", Bound::MoreThan),
];

impl Bound {
    /// Reads those that stand among the fields, each with its limit.
    pub(super) fn read_all<'f>(fields: &'f Fields<'_>) -> impl Iterator<Item = Option<(Self, Number)>> + 'f {
        BOUNDS
            .into_iter()
            .filter_map(|(name, bound)| Some(read_number(&fields.optional(name)?).map(|limit| (bound, limit))))
    }

    pub(super) fn holds(self, number: &Number, limit: &Number) -> Match {
        let Some(ordering) = compare(number, limit) else { return Match::Undecidable };
        holds_if(match self {
            Self::LessThan => ordering == Ordering::Less,
            Self::AtMost => ordering != Ordering::Greater,
            Self::AtLeast => ordering != Ordering::Less,
            Self::MoreThan => ordering == Ordering::Greater,
        })
    }

    pub(super) fn name(self) -> &'static str {
        BOUNDS.iter().find(|(_, bound)| *bound == self).map_or("", |(name, _)| name)
    }
}

/// Below 2^53 every whole number has a floating-point form of its own.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;

/// The order of two numbers by value, so that 1 and 1.0 are one (a host may hand the bundle on as floating point); of whole ones whatever
/// their size. None where nobody can tell: two identifiers of 19 digits can have one floating-point form.
pub(super) fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (left.as_i128(), right.as_i128()) {
        return Some(left.cmp(&right));
    }
    let (left, right) = (left.as_f64()?, right.as_f64()?);
    left.partial_cmp(&right).filter(|order| order.is_ne() || left.abs() < EXACT)
}

fn read_number(node: &Node<'_>) -> Option<Number> {
    match node.value() {
        Value::Number(number) => Some(number.clone()),
        _ => node.refuse("must be a number"),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn bounds_are_exact_for_whole_numbers_of_any_size() {
        for (bound, limit, number, expected) in [
            (Bound::LessThan, "5", "4", Match::Holds),
            (Bound::LessThan, "5", "5", Match::Fails),
            (Bound::AtMost, "5", "5.0", Match::Holds),
            (Bound::AtMost, "9007199254740992", "9007199254740993", Match::Fails),
            // Either may have been the other before it was rounded.
            (Bound::AtMost, "9007199254740993", "9007199254740994.0", Match::Fails),
            (Bound::AtMost, "9007199254740993", "9007199254740992.0", Match::Undecidable),
            (Bound::MoreThan, "1e20", "100000000000000000001.0", Match::Undecidable),
            (Bound::MoreThan, "5", "1e300", Match::Holds),
            (Bound::AtLeast, "0.5", "1", Match::Holds),
            (Bound::MoreThan, "-1", "18446744073709551615", Match::Holds),
            (Bound::MoreThan, "1", "1", Match::Fails),
        ] {
            let [limit_read, number_read]: [Number; 2] =
                [limit, number].map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(bound.holds(&number_read, &limit_read), expected, "{number} {} {limit}", bound.name());
        }
    }
}
