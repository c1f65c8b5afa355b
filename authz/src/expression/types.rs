//! What is known of a value before there is one.

use std::fmt;
use std::rc::Rc;

/// A type of CEL, as far as it is known when an expression is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Anything; checked when it is evaluated.
    Dyn,
    /// Anything that a token says. Like [`Type::Dyn`], but it is never merely different from what it is compared with: of another type
    /// it is malformed, which cannot be decided.
    Claim,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Timestamp,
    Duration,
    /// The address of a client, which is only looked up in networks.
    Address,
    List(Rc<Type>),
    Map(Rc<Type>, Rc<Type>),
}

/// The outermost type of a value, which every value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Timestamp,
    Duration,
    Address,
    List,
    Map,
}

impl Type {
    pub(crate) fn list(items: Self) -> Self {
        Self::List(Rc::new(items))
    }

    pub(crate) fn map(keys: Self, values: Self) -> Self {
        Self::Map(Rc::new(keys), Rc::new(values))
    }

    /// None where only a request can tell.
    pub(super) const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Dyn | Self::Claim => return None,
            Self::Null => Kind::Null,
            Self::Bool => Kind::Bool,
            Self::Int => Kind::Int,
            Self::Uint => Kind::Uint,
            Self::Double => Kind::Double,
            Self::Text => Kind::Text,
            Self::Timestamp => Kind::Timestamp,
            Self::Duration => Kind::Duration,
            Self::Address => Kind::Address,
            Self::List(_) => Kind::List,
            Self::Map(..) => Kind::Map,
        })
    }

    /// Whether it comes from a token, as a whole or in part.
    pub(super) fn has_claims(&self) -> bool {
        match self {
            Self::Claim => true,
            Self::List(items) => items.has_claims(),
            Self::Map(keys, values) => keys.has_claims() || values.has_claims(),
            _ => false,
        }
    }

    /// The type of something that is made of values of both types.
    pub(super) fn joined(&self, other: &Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one.clone(),
            (Self::List(one), Self::List(other)) => Self::list(one.joined(other)),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                Self::map(key.joined(other_key), value.joined(other_value))
            }
            (one, other) if one.has_claims() || other.has_claims() => Self::Claim,
            _ => Self::Dyn,
        }
    }

    /// Whether values of both types can be equal.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(one), Self::List(other)) => one.is_comparable(other),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                key.is_comparable(other_key) && value.is_comparable(other_value)
            }
            _ => match (self.kind(), other.kind()) {
                (Some(one), Some(other)) => one.is_comparable(other),
                _ => true,
            },
        }
    }
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::Text,
        Self::Timestamp,
        Self::Duration,
        Self::Address,
        Self::List,
        Self::Map,
    ];

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Numbers of all types are on one line.
    pub(super) fn is_comparable(self, other: Self) -> bool {
        self == other || (self.is_number() && other.is_number())
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Address => "address",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => write!(f, "list({items})"),
            Self::Map(keys, values) => write!(f, "map({keys}, {values})"),
            other => f.write_str(other.kind().map_or("dyn", Kind::name)),
        }
    }
}
