//! What an expression becomes when it is checked: every name resolved, every constant read.

use std::rc::Rc;

use regex_lite::Regex;

use super::function::Function;
use super::syntax::{Literal, Operator};
use crate::calendar::Zone;
use crate::http::Network;

/// A part of an expression, ready to be evaluated.
#[derive(Debug)]
pub(super) enum Code<V> {
    Literal(Literal),
    Variable {
        variable: V,
        name: Rc<str>,
    },
    /// One of the texts that a variable stands for.
    Text {
        variable: V,
        name: Box<Code<V>>,
        label: Rc<str>,
    },
    /// The variable of a macro, by how many are around it.
    Local(usize),
    Select {
        operand: Box<Code<V>>,
        field: String,
        label: Rc<str>,
    },
    Index {
        operand: Box<Code<V>>,
        index: Box<Code<V>>,
        label: Rc<str>,
    },
    /// Whether it is there.
    HasVariable(V),
    HasText {
        variable: V,
        name: Box<Code<V>>,
    },
    HasField {
        operand: Box<Code<V>>,
        field: String,
    },
    Not(Box<Code<V>>),
    Negate(Box<Code<V>>),
    /// Alternatives, or all of them; one that says so settles it, whatever is wrong with the others.
    Logic {
        settles: bool,
        parts: Vec<Code<V>>,
    },
    Conditional(Box<[Code<V>; 3]>),
    /// With `is_strict` what is compared must be of one type: one of the two comes from a token.
    Binary {
        operator: Operator,
        parts: Box<[Code<V>; 2]>,
        is_strict: bool,
    },
    Call(Function, Box<Code<V>>),
    CallText(Function, Box<[Code<V>; 2]>),
    Matches(Regex, Box<Code<V>>),
    InNetwork(Network, Box<Code<V>>),
    /// What the clocks of a zone show.
    Clock(Function, Zone, Box<Code<V>>),
    List(Vec<Code<V>>),
    Map(Vec<[Code<V>; 2]>),
    Quantifier {
        quantifier: Quantifier,
        range: Box<Code<V>>,
        condition: Box<Code<V>>,
    },
    /// `filter` and `map`.
    Collect {
        range: Box<Code<V>>,
        condition: Option<Box<Code<V>>>,
        transform: Option<Box<Code<V>>>,
    },
}

/// Of how many items a condition must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Any,
    One,
}
