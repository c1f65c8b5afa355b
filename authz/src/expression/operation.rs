//! For which types an operator has a meaning.

use super::syntax::Operator;
use super::types::{Kind, Type};

impl Operator {
    /// The type of the result; none if there is none for such types.
    pub(super) fn result(self, left: &Type, right: &Type) -> Option<Type> {
        match self {
            Self::Equal | Self::NotEqual => left.is_comparable(right).then_some(Type::Bool),
            Self::In => match right {
                Type::List(items) => left.is_comparable(items).then_some(Type::Bool),
                Type::Map(keys, _) => left.is_comparable(keys).then_some(Type::Bool),
                Type::Dyn | Type::Claim => Some(Type::Bool),
                _ => None,
            },
            Self::Add => match (left, right) {
                (Type::List(one), Type::List(other)) => Some(Type::list(one.joined(other))),
                _ => self.of_kinds(left, right),
            },
            _ => self.of_kinds(left, right),
        }
    }

    fn of_kinds(self, left: &Type, right: &Type) -> Option<Type> {
        if let (Some(left), Some(right)) = (left.kind(), right.kind()) {
            return self.of(left, right);
        }
        // Of what is not known any type may do.
        let possible =
            |known: Option<Kind>| Kind::ALL.into_iter().filter(move |kind| known.is_none_or(|known| known == *kind));
        let mut results =
            possible(left.kind()).flat_map(|left| possible(right.kind()).filter_map(move |right| self.of(left, right)));
        let first = results.next()?;
        // What is made of claims is as little known as they are.
        let unknown = if left.has_claims() || right.has_claims() { Type::Claim } else { Type::Dyn };
        match (results.all(|other| other == first), first) {
            (true, Type::List(_)) => Some(Type::list(unknown)),
            (true, first) => Some(first),
            (false, _) => Some(unknown),
        }
    }

    fn of(self, left: Kind, right: Kind) -> Option<Type> {
        use Kind::{Bool, Double, Duration, Int, List, Text, Timestamp, Uint};
        Some(match (self, left, right) {
            (Self::Less | Self::AtMost | Self::Greater | Self::AtLeast, left, right) => {
                let is_ordered = left.is_number() || matches!(left, Bool | Text | Timestamp | Duration);
                return (is_ordered && left.is_comparable(right)).then_some(Type::Bool);
            }
            (Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder, Int, Int) => Type::Int,
            (Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder, Uint, Uint) => Type::Uint,
            (Self::Add | Self::Subtract | Self::Multiply | Self::Divide, Double, Double) => Type::Double,
            (Self::Add, Text, Text) => Type::Text,
            (Self::Add, List, List) => Type::list(Type::Dyn),
            (Self::Add | Self::Subtract, Timestamp, Duration) | (Self::Add, Duration, Timestamp) => Type::Timestamp,
            (Self::Add | Self::Subtract, Duration, Duration) | (Self::Subtract, Timestamp, Timestamp) => Type::Duration,
            _ => return None,
        })
    }
}
