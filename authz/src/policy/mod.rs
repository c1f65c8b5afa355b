//! Principal × request → decision: rules with target, condition and effect.

mod condition;
mod evaluation;
mod names;
mod rule;
mod target;

pub(crate) use evaluation::{Challenge, Policy, Verdict};
pub(crate) use names::{IssuerSet, Names};
