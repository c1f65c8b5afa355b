//! Expressions: the Common Expression Language (CEL) where declarative conditions do not reach.
//!
//! A text becomes tokens ([`lexer`]), the tokens a tree ([`parser`]), the tree code in which every name is resolved and every
//! type is checked ([`checker`]); that is all when a bundle is read. A request only evaluates code ([`evaluator`]). What the
//! names stand for is not known here: [`Environment`] says which there are, [`Facts`] what they are for one request.
//!
//! Nothing here panics, whatever the text and the values; every loop spends from a budget ([`crate::limits`]). `docs/expressions.md`
//! has the language, and where it differs from the specification of CEL.

mod arithmetic;
mod budget;
mod checker;
mod code;
mod comparison;
mod conversion;
mod environment;
mod evaluator;
mod failure;
mod function;
mod infix;
mod lexer;
mod literal;
mod macros;
mod mistake;
mod moment;
mod operation;
mod parser;
mod syntax;
mod types;
mod value;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use environment::{Environment, Shape};
pub(crate) use evaluator::Facts;
pub(crate) use failure::Failure;
pub(crate) use mistake::Mistake;
pub(crate) use moment::Timestamp;
pub(crate) use types::Type;
pub(crate) use value::{List, Text, Value};

use checker::Checker;
use code::Code;
use evaluator::Evaluation;

/// An expression that was checked: it says yes, no, or that it cannot be decided.
#[derive(Debug)]
pub(crate) struct Program<V> {
    code: Code<V>,
    variables: Vec<V>,
}

impl<V: Clone> Program<V> {
    /// Reads and checks an expression over the names of an environment.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; for a text that is no expression the first thing.
    pub(crate) fn compile(text: &str, environment: &Environment<V>) -> Result<Self, Vec<Mistake>> {
        let expression = parser::parse(text).map_err(|mistake| vec![mistake])?;
        let (code, variables) = Checker::check_condition(&expression, environment)?;
        Ok(Self { code, variables })
    }

    /// The names that it mentions, by what they stand for.
    pub(crate) fn variables(&self) -> &[V] {
        &self.variables
    }

    /// Whether it holds.
    ///
    /// # Errors
    ///
    /// Why it cannot be decided.
    pub(crate) fn evaluate<'v, F: Facts<'v, Variable = V>>(&'v self, facts: &F) -> Result<bool, Failure> {
        Evaluation::new(facts).boolean(&self.code)
    }
}
