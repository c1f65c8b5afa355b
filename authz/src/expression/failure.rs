//! Why an expression cannot be decided for a request.

use std::fmt;
use std::rc::Rc;

use super::types::Kind;
use crate::limits::{MAX_EXPRESSION_STEPS, MAX_EXPRESSION_TEXT_BYTES};

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing is there under this name.
    Absent(Rc<str>),
    /// Something is there under this name, and it is not what it must be.
    Malformed(Rc<str>),
    /// An operator or function has no meaning for a value of this type.
    WrongType(&'static str, Kind),
    /// An operator has no meaning for values of these two types.
    WrongTypes(&'static str, Kind, Kind),
    /// What is compared with a claim has another type than it.
    NotComparable(Kind, Kind),
    /// The result does not fit into its type.
    Overflow(&'static str),
    DivisionByZero,
    /// What is compared has no order: zero divided by zero, in doubles.
    NotANumber,
    /// A list has no item at this place.
    OutOfRange(i64),
    /// A map that is written down has a key twice.
    DuplicateKey,
    /// A text or number cannot be converted to this type.
    Inconvertible(Kind),
    /// A number that was rounded when it was read.
    Inexact,
    TooManySteps,
    TooLong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(name) => write!(f, "`{name}` is not there"),
            Self::Malformed(name) => write!(f, "`{name}` is malformed"),
            Self::WrongType(operation, kind) => write!(f, "`{operation}` has no meaning for a value of type {kind}"),
            Self::WrongTypes(operation, one, other) => {
                write!(f, "`{operation}` has no meaning for values of types {one} and {other}")
            }
            Self::NotComparable(one, other) => write!(f, "a claim has the wrong type: {one} is compared with {other}"),
            Self::Overflow(operation) => write!(f, "the result of `{operation}` is out of range"),
            Self::NotANumber => f.write_str("it is not a number, as zero divided by zero is not"),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::OutOfRange(index) => write!(f, "a list has no item [{index}]"),
            Self::DuplicateKey => f.write_str("a map has a key twice"),
            Self::Inconvertible(kind) => write!(f, "a value cannot be converted to {kind}"),
            Self::Inexact => f.write_str("a number is too large to be exact"),
            Self::TooManySteps => write!(f, "it takes more than {MAX_EXPRESSION_STEPS} steps"),
            Self::TooLong => write!(f, "it makes a text of more than {MAX_EXPRESSION_TEXT_BYTES} bytes"),
        }
    }
}
