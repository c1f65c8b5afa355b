//! What must hold, as an expression: what its names stand for.

mod facts;
mod variable;

use std::fmt;

use super::outcome::{Lack, Outcome};
use super::{Reader, Situation};
use crate::document::Node;
use crate::expression::{Failure, Program};
use facts::FactsOfRequest;
use variable::{Variable, environment};

/// An expression, about one credential and the request.
#[derive(Debug)]
pub(in crate::policy) struct ExpressionCondition {
    text: String,
    program: Program<Variable>,
    /// The index of the credential.
    credential: usize,
}

impl ExpressionCondition {
    pub(super) fn read(node: &Node<'_>, reader: Reader<'_>) -> Option<Self> {
        let text = node.text()?;
        if reader.attributes.is_none() && text.contains("attributes") {
            // Their declarations have an error of their own.
            return None;
        }
        match Program::compile(text, &environment(reader)) {
            Ok(program) => Some(Self { text: text.to_owned(), program, credential: reader.credential }),
            Err(mistakes) => {
                for mistake in mistakes {
                    let _: Option<()> = node.refuse(mistake.describe(text).to_string());
                }
                None
            }
        }
    }

    /// The credentials that it is about.
    fn credentials(&self) -> impl Iterator<Item = usize> {
        self.program.variables().iter().filter_map(|variable| match variable {
            Variable::Claims | Variable::Principal(_) => Some(self.credential),
            Variable::Attribute(declaration) => declaration.credential(),
            _ => None,
        })
    }

    /// Whether it is about a credential, without which it does not hold.
    pub(super) fn is_about_somebody(&self) -> bool {
        self.credentials().next().is_some()
    }

    pub(super) fn needs_source(&self) -> bool {
        self.program.variables().iter().any(|variable| matches!(variable, Variable::Address))
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        match self.judge(situation) {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Undecidable,
        }
    }

    /// Whether it holds, or why that cannot be decided.
    fn judge(&self, situation: &Situation<'_>) -> Result<Outcome, Failure> {
        if self.credentials().any(|credential| situation.principal.identity(credential).is_none()) {
            return Ok(Outcome::Lacks(Lack::Credential));
        }
        let identity = situation.principal.identity(self.credential);
        self.program.evaluate(&FactsOfRequest { situation, identity }).map(Outcome::holds_if)
    }

    /// That it does not hold, in words.
    pub(super) fn miss(&self, situation: &Situation<'_>) -> String {
        match self.judge(situation) {
            Ok(Outcome::Lacks(_)) => "its credential was not presented".to_owned(),
            Ok(outcome) => outcome.miss(self),
            Err(failure) => format!("{self}: cannot be decided: {failure}"),
        }
    }
}

impl fmt::Display for ExpressionCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expression `{}`", self.text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}
