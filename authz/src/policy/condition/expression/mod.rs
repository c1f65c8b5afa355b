//! What must hold, as an expression: what its names stand for.

mod facts;
mod variable;

use std::fmt;

use super::outcome::Outcome;
use super::{Reader, Situation};
use crate::document::Node;
use crate::expression::{Failure, Program};
use crate::principal::Identity;
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

    /// Whether it is about a credential.
    pub(super) fn is_about_somebody(&self) -> bool {
        self.program.variables().iter().any(|variable| match variable {
            Variable::Claims | Variable::Principal(_) => true,
            Variable::Attribute(declaration) => declaration.credential().is_some(),
            _ => false,
        })
    }

    pub(super) fn needs_source(&self) -> bool {
        self.program.variables().iter().any(|variable| matches!(variable, Variable::Address))
    }

    pub(super) fn evaluate(&self, situation: &Situation<'_>) -> Outcome {
        self.judge(situation).map_or(Outcome::Undecidable, Outcome::holds_if)
    }

    /// Whether it holds, or why that cannot be decided. A credential that was not presented says nothing, so that a deny rule for
    /// all who are not staff denies anonymous clients too.
    fn judge(&self, situation: &Situation<'_>) -> Result<bool, Failure> {
        let nobody = Identity::default();
        let identity = situation.principal.identity(self.credential).unwrap_or(&nobody);
        self.program.evaluate(&FactsOfRequest { situation, identity })
    }

    /// That it does not hold, in words.
    pub(super) fn miss(&self, situation: &Situation<'_>) -> String {
        match self.judge(situation) {
            Ok(holds) => Outcome::holds_if(holds).miss(self),
            Err(failure) => format!("{self}: cannot be decided: {failure}"),
        }
    }
}

impl fmt::Display for ExpressionCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expression `{}`", self.text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}
