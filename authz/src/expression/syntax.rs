//! The tree that a text stands for, before anything is known of its names.

use super::moment::{Duration, Timestamp};

/// A part of an expression, and where its name or operator begins.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) at: usize,
    pub(super) kind: Kind,
    /// How many levels are in it.
    pub(super) height: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Literal),
    /// `a`, or `.a` which is never a variable of a macro.
    Name {
        name: String,
        is_absolute: bool,
    },
    Select {
        operand: Box<Expression>,
        field: String,
    },
    Index {
        operand: Box<Expression>,
        index: Box<Expression>,
    },
    Call {
        receiver: Option<Box<Expression>>,
        name: String,
        arguments: Vec<Expression>,
    },
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Binary(Operator, Box<[Expression; 2]>),
    /// `a && b && ..`
    And(Vec<Expression>),
    /// `a || b || ..`
    Or(Vec<Expression>),
    /// `a ? b : c`
    Conditional(Box<[Expression; 3]>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
}

/// A value that is written in the text; times are written as calls that can be made when it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Timestamp(Timestamp),
    Duration(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl Expression {
    /// The parts of this part.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Literal(_) | Kind::Name { .. } => Vec::new(),
            Kind::Select { operand: one, .. } | Kind::Not(one) | Kind::Negate(one) => vec![one],
            Kind::Index { operand, index } => vec![operand, index],
            Kind::Call { receiver, arguments, .. } => receiver.as_deref().into_iter().chain(arguments).collect(),
            Kind::Binary(_, parts) => parts.iter().collect(),
            Kind::And(parts) | Kind::Or(parts) | Kind::List(parts) => parts.iter().collect(),
            Kind::Conditional(parts) => parts.iter().collect(),
            Kind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        }
    }
}
