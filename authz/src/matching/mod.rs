//! What an attribute must be: the tests that issuers, rules, headers and query parameters share.

mod claim;
mod moment;
mod number;
mod operand;
mod pattern;
mod pointer;
mod test;

pub(crate) use claim::ClaimMatcher;
pub(crate) use operand::{Captures, Facts, Scope};
pub(crate) use pointer::Pointer;
pub(crate) use test::{Match, Test};
