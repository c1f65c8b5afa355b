//! `+ - * / %`: what does not fit into its type is an error, never wrapped and never rounded.

use std::rc::Rc;

use super::budget::Budget;
use super::failure::Failure;
use super::syntax::Operator;
use super::value::{List, Text, Value};

/// Both values, combined.
pub(super) fn combine<'v>(
    operator: Operator,
    left: Value<'v>,
    right: Value<'v>,
    budget: &mut Budget,
) -> Result<Value<'v>, Failure> {
    let symbol = operator.symbol();
    let overflow = Failure::Overflow(symbol);
    let wrong = Failure::WrongTypes(symbol, left.kind(), right.kind());
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            _ if right == 0 => return Err(Failure::DivisionByZero),
            Operator::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        }
        .map(Value::Int)
        .ok_or(overflow),
        (Value::Uint(left), Value::Uint(right)) => match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            _ if right == 0 => return Err(Failure::DivisionByZero),
            Operator::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        }
        .map(Value::Uint)
        .ok_or(overflow),
        // IEEE 754: infinite and "not a number" are values.
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
            _ => return Err(wrong),
        })),
        (left, right) => match operator {
            Operator::Add => add(left, right, overflow, wrong, budget),
            Operator::Subtract => subtract(&left, &right).ok_or(wrong)?.ok_or(overflow),
            _ => Err(wrong),
        },
    }
}

fn add<'v>(
    left: Value<'v>,
    right: Value<'v>,
    overflow: Failure,
    wrong: Failure,
    budget: &mut Budget,
) -> Result<Value<'v>, Failure> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            budget.make_text(left.len().saturating_add(right.len()))?;
            Ok(Value::Text(Text::Made(Rc::from([&*left, &*right].concat()))))
        }
        (Value::List(left), Value::List(right)) => {
            budget.spend(left.len().saturating_add(right.len()))?;
            let items = |list: List<'v>| (0..list.len()).filter_map(move |index| list.get(index));
            let items = items(left).chain(items(right)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::List(List::Made(Rc::from(items))))
        }
        (Value::Timestamp(at), Value::Duration(span)) | (Value::Duration(span), Value::Timestamp(at)) => {
            at.plus(span).map(Value::Timestamp).ok_or(overflow)
        }
        (Value::Duration(left), Value::Duration(right)) => left.plus(right).map(Value::Duration).ok_or(overflow),
        _ => Err(wrong),
    }
}

/// None for types without a difference; within, none for one that is out of range.
fn subtract<'v>(left: &Value<'v>, right: &Value<'v>) -> Option<Option<Value<'v>>> {
    match (left, right) {
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.since(*right).map(Value::Duration)),
        (Value::Timestamp(at), Value::Duration(span)) => Some(at.minus(*span).map(Value::Timestamp)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.minus(*right).map(Value::Duration)),
        _ => None,
    }
}

/// The value with the other sign.
pub(super) fn negate(value: &Value<'_>) -> Result<Value<'static>, Failure> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int),
        Value::Double(number) => Some(Value::Double(-number)),
        other => return Err(Failure::WrongType("-", other.kind())),
    }
    .ok_or(Failure::Overflow("-"))
}
