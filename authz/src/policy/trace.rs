//! Why a policy decided as it did: each rule that applies to the request, and what did not hold in it.
//!
//! Off the way of requests; it asks the same functions.

use super::condition::Outcome;
use super::evaluation::{Policy, Question};
use super::rule::Rule;
use crate::decision::Effect;

/// What became of one rule whose target matches the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTrace {
    /// Its id.
    pub id: String,
    /// Permit or deny.
    pub effect: Effect,
    /// Whether it is only watched.
    pub is_shadow: bool,
    /// Whether it applies: its condition holds or, for a deny rule, cannot be evaluated.
    pub applies: bool,
    /// What did not hold, in words; empty if everything did.
    pub misses: Vec<String>,
}

impl Policy {
    /// Every rule whose target matches, in the order of the bundle.
    pub(crate) fn trace(&self, question: &Question<'_>) -> Vec<RuleTrace> {
        self.applicable(question.request).map(|rule| rule.trace(question)).collect()
    }
}

impl Rule {
    fn trace(&self, question: &Question<'_>) -> RuleTrace {
        let outcome = self.outcome(question);
        RuleTrace {
            id: self.id.to_string(),
            effect: self.effect(),
            is_shadow: self.is_shadow,
            applies: match self.effect() {
                Effect::Permit => outcome == Outcome::Holds,
                Effect::Deny => matches!(outcome, Outcome::Holds | Outcome::Undecidable),
            },
            misses: self.misses(question),
        }
    }
}
