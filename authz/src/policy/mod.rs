//! Principal × request → decision: rules with target, condition and effect.

mod attribute;
mod condition;
mod evaluation;
mod index;
mod names;
mod obligation;
mod rule;
mod target;
mod trace;

pub(crate) use attribute::Attributes;
pub(crate) use evaluation::{Challenge, Policy, Question, Verdict};
pub(crate) use names::{IssuerSet, Names};
pub(crate) use obligation::Obligations;
pub use trace::{RuleOutline, RuleTrace};
