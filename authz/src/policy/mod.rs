//! Principal × request → decision: rules with target, condition and effect.

mod condition;
mod evaluation;
mod rule;
mod target;

pub(crate) use evaluation::Policy;
pub(crate) use evaluation::Verdict;
