//! Principal × request → decision: rules with target, condition and effect.

#[cfg_attr(not(test), expect(dead_code, reason = "conditions do not read it yet"))]
mod calendar;
mod condition;
mod evaluation;
mod index;
mod names;
mod obligation;
mod rule;
mod target;
mod trace;

pub(crate) use evaluation::{Challenge, Policy, Question, Verdict};
pub(crate) use names::{IssuerSet, Names};
pub(crate) use obligation::Obligations;
pub use trace::RuleTrace;
