//! The decision record: what is kept of a decision, for operators, security teams and auditors (`docs/decision-log.md`).
//!
//! A bundle says what may be in it and where it goes; a worker ties its records into a chain.

mod about;
mod chain;
mod members;
mod pseudonym;
mod settings;
mod stamp;
#[cfg(test)]
mod tests;

pub(crate) use about::{About, Known, RecordedIdentity};
pub use chain::{Chain, Draft, RecordId};
pub(crate) use members::Members;
pub use pseudonym::PseudonymKey;
pub(crate) use settings::DecisionLog;
pub use settings::Destinations;

use crate::jwt::Work;

/// The first member of every record: the version of their format.
pub(crate) const VERSION: &[u8] = b"\"version\":2";

/// What becomes of the record of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It is made, and goes there.
    To(Destinations),
    /// Sampling leaves it out; it is counted.
    LeftOut,
}

/// What a decision took, as far as latency is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LatencyClass {
    /// No token was looked at.
    #[default]
    None,
    /// A token was known from before.
    Remembered,
    /// A signature was verified, or refused.
    Verified,
}

impl Work {
    /// What was done since then, at its dearest.
    pub(crate) const fn class_since(self, before: Self) -> LatencyClass {
        match (self.verified > before.verified, self.remembered > before.remembered) {
            (true, _) => LatencyClass::Verified,
            (false, true) => LatencyClass::Remembered,
            (false, false) => LatencyClass::None,
        }
    }
}

impl LatencyClass {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Remembered => "remembered",
            Self::Verified => "verified",
        }
    }
}
