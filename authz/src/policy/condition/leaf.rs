//! The smallest parts of a condition, each judged by itself: what the tests of a policy should see hold, and not hold.

use std::fmt;

use super::attribute::AttributeCondition;
use super::context::{SourceCondition, TextCondition};
use super::expression::ExpressionCondition;
use super::identity::{IdentityCondition, Part};
use super::{Condition, Lack, Outcome, Situation};
use crate::calendar::TimeWindows;

/// A part of a condition that has no parts.
pub(in crate::policy) enum Leaf<'c> {
    /// What a credential must be, or only that it is presented.
    Identity(&'c IdentityCondition, Option<Part<'c>>),
    Attribute(&'c AttributeCondition),
    Source(&'c SourceCondition),
    Text(&'c TextCondition),
    Time(&'c TimeWindows),
    Expression(&'c ExpressionCondition),
}

impl Condition {
    /// Its leaves: for every request the same, in the same order.
    pub(in crate::policy) fn leaves(&self) -> Vec<Leaf<'_>> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::Not(condition) => condition.leaves(),
            Self::Identity(identity) => {
                let parts: Vec<_> = identity.parts().map(|part| Leaf::Identity(identity, Some(part))).collect();
                if parts.is_empty() { vec![Leaf::Identity(identity, None)] } else { parts }
            }
            Self::Attribute(attribute) => vec![Leaf::Attribute(attribute)],
            Self::Source(source) => vec![Leaf::Source(source)],
            Self::Text(text) => vec![Leaf::Text(text)],
            Self::Time(windows) => vec![Leaf::Time(windows)],
            Self::Expression(expression) => vec![Leaf::Expression(expression)],
        }
    }
}

impl Leaf<'_> {
    /// Whether it holds; none where that cannot be decided, or is not asked because its credential was not presented.
    pub(in crate::policy) fn holds(&self, situation: &Situation<'_>) -> Option<bool> {
        let outcome = match self {
            Self::Identity(identity, None) => identity.evaluate(situation),
            Self::Identity(identity, Some(part)) => part.evaluate(identity.identity(situation)?, situation),
            Self::Attribute(attribute) => attribute.evaluate(situation),
            Self::Source(source) => source.evaluate(situation),
            Self::Text(text) => text.evaluate(situation),
            Self::Time(windows) => Outcome::holds_if(windows.contains(situation.now)),
            Self::Expression(expression) => expression.evaluate(situation),
        };
        match outcome {
            Outcome::Holds => Some(true),
            // Of a credential that is not there nothing is asked but whether it is.
            Outcome::Lacks(Lack::Credential) if !matches!(self, Self::Identity(_, None)) => None,
            Outcome::Fails | Outcome::Lacks(_) => Some(false),
            Outcome::Undecidable => None,
        }
    }
}

impl fmt::Display for Leaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(_, None) => f.write_str("its credential was presented"),
            Self::Identity(_, Some(part)) => part.fmt(f),
            Self::Attribute(attribute) => attribute.fmt(f),
            Self::Source(source) => source.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Time(_) => f.write_str("the time is one of those that it is for"),
            Self::Expression(expression) => expression.fmt(f),
        }
    }
}
