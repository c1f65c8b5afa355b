//! The authentication schemes in which clients present tokens (RFC 9110 section 11.1).

use crate::jose::proof_algorithms;

/// A scheme that the answers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 6750; also for every kind of credential that HTTP has no name for, because a 401 must have a challenge (RFC 9110
    /// section 15.5.2).
    #[default]
    Bearer,
    /// RFC 9449 section 7.1: tokens that are bound to a key.
    Dpop,
}

impl Scheme {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// What proofs may be signed with, separated by spaces (RFC 9449 section 7.1, `algs`).
    pub(crate) fn algorithms(self) -> Option<String> {
        (self == Self::Dpop).then(|| proof_algorithms().collect::<Vec<_>>().join(" "))
    }
}
