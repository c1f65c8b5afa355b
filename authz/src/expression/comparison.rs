//! Which values are equal, and which is less.

use std::cmp::Ordering;

use super::budget::Budget;
use super::failure::Failure;
use super::value::{EXACT, List, Map, Value};

impl Value<'_> {
    /// Equality of CEL: what is of different types is not equal, but for numbers, which are compared by what they are. Where it is strict,
    /// what is of different types cannot be compared.
    pub(super) fn equals(&self, other: &Value<'_>, is_strict: bool, budget: &mut Budget) -> Result<bool, Failure> {
        budget.spend(1)?;
        match (self, other) {
            (Self::Null, Value::Null) => Ok(true),
            (Self::Bool(one), Value::Bool(other)) => Ok(one == other),
            (Self::Text(one), Value::Text(other)) => {
                budget.spend_on_text(one.len().min(other.len()))?;
                Ok(**one == **other)
            }
            (Self::Timestamp(one), Value::Timestamp(other)) => Ok(one == other),
            (Self::Duration(one), Value::Duration(other)) => Ok(one == other),
            (Self::Address(one), Value::Address(other)) => Ok(one == other),
            (Self::List(one), Value::List(other)) => lists(one, other, is_strict, budget),
            (Self::Map(one), Value::Map(other)) => maps(one, other, is_strict, budget),
            // What is written in the expression may be the claim's neighbour.
            (Self::Double(number), other) | (other, Value::Double(number))
                if is_strict && other.kind().is_number() && number.abs() >= EXACT =>
            {
                Err(Failure::Inexact)
            }
            (one, other) if one.kind().is_number() && other.kind().is_number() => {
                Ok(numbers(one, other) == Some(Ordering::Equal))
            }
            (one, other) if is_strict => Err(Failure::NotComparable(one.kind(), other.kind())),
            _ => Ok(false),
        }
    }

    /// Which comes first; none for what has no order, such as "not a number".
    pub(super) fn compare(
        &self,
        other: &Value<'_>,
        operator: &'static str,
        budget: &mut Budget,
    ) -> Result<Option<Ordering>, Failure> {
        match (self, other) {
            (Self::Bool(one), Value::Bool(other)) => Ok(Some(one.cmp(other))),
            (Self::Text(one), Value::Text(other)) => {
                budget.spend_on_text(one.len().min(other.len()))?;
                // By code points, which is by bytes in UTF-8.
                Ok(Some(str::cmp(one, other)))
            }
            (Self::Timestamp(one), Value::Timestamp(other)) => Ok(Some(one.cmp(other))),
            (Self::Duration(one), Value::Duration(other)) => Ok(Some(one.cmp(other))),
            (one, other) if one.kind().is_number() && other.kind().is_number() => Ok(numbers(one, other)),
            (one, other) => Err(Failure::WrongTypes(operator, one.kind(), other.kind())),
        }
    }

    /// Keys are equal as values are; of other types there are none.
    pub(super) fn is_same_key(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Text(one), Value::Text(other)) => **one == **other,
            (one, other) => numbers(one, other) == Some(Ordering::Equal),
        }
    }
}

/// One item that differs settles it; else one that cannot be compared leaves it open.
fn lists(one: &List<'_>, other: &List<'_>, is_strict: bool, budget: &mut Budget) -> Result<bool, Failure> {
    if one.len() != other.len() {
        return Ok(false);
    }
    let mut outcome = Ok(true);
    for index in 0..one.len() {
        let (Some(one), Some(other)) = (one.get(index), other.get(index)) else { return Ok(false) };
        match both(one, other, is_strict, budget) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(failure) => outcome = Err(failure),
        }
    }
    outcome
}

fn maps(one: &Map<'_>, other: &Map<'_>, is_strict: bool, budget: &mut Budget) -> Result<bool, Failure> {
    if one.len() != other.len() {
        return Ok(false);
    }
    let keys = one.keys();
    let mut outcome = Ok(true);
    for index in 0..keys.len() {
        budget.spend(one.len())?;
        let Some(key) = keys.get(index) else { return Ok(false) };
        let key = key?;
        let (Some(one), Some(other)) = (one.get(&key), other.get(&key)) else { return Ok(false) };
        match both(one, other, is_strict, budget) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(failure) => outcome = Err(failure),
        }
    }
    outcome
}

fn both(
    one: Result<Value<'_>, Failure>,
    other: Result<Value<'_>, Failure>,
    is_strict: bool,
    budget: &mut Budget,
) -> Result<bool, Failure> {
    one?.equals(&other?, is_strict, budget)
}

/// Numbers by what they are, exactly, whatever their types; none if one is no number.
fn numbers(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), other) => whole_with_double(whole(other)?, *one).map(Ordering::reverse),
        (one, Value::Double(other)) => whole_with_double(whole(one)?, *other),
        (one, other) => Some(whole(one)?.cmp(&whole(other)?)),
    }
}

/// Compares without rounding: first with the whole part, then with what is behind the point.
fn whole_with_double(whole: i128, double: f64) -> Option<Ordering> {
    /// 2^64: beyond it there is no whole number of 64 bits.
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    if double.is_nan() {
        return None;
    }
    if double.abs() >= BEYOND {
        return Some(if double > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    #[expect(clippy::as_conversions, reason = "a whole number below 2^64 converts to i128 without loss")]
    let truncated = double.trunc() as i128;
    let fraction = if double.fract() > 0.0 {
        Ordering::Less
    } else if double.fract() < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    Some(whole.cmp(&truncated).then(fraction))
}
