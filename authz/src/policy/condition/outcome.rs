//! What a condition comes to, and how that of its parts makes that of the whole.

use std::fmt;

/// Whether a condition holds. What cannot be decided is neither: it denies where it stands in a deny rule and permits
/// nothing where it stands in a permit rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Outcome {
    /// It holds.
    Holds,
    /// It does not hold, and this is all that is missing: the client can be told.
    Lacks(Lack),
    /// It does not hold.
    Fails,
    /// An attribute that it needs is malformed.
    Undecidable,
}

/// The one thing that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Lack {
    /// The credential was not presented.
    Credential,
    /// A scope (RFC 6750 section 3.1).
    Scope,
    /// A stronger or fresher authentication (RFC 9470).
    Authentication,
}

impl Outcome {
    pub(super) const fn holds_if(condition: bool) -> Self {
        if condition { Self::Holds } else { Self::Fails }
    }

    /// The same, where the client can be told what is missing.
    pub(super) fn or_lacks(self, lack: Lack) -> Self {
        if self == Self::Fails { Self::Lacks(lack) } else { self }
    }

    /// What did not hold, in words.
    pub(super) fn miss(self, part: &dyn fmt::Display) -> String {
        match self {
            Self::Undecidable => format!("{part}: cannot be decided"),
            _ => format!("{part}: not so"),
        }
    }

    /// Conjunction: one part that fails settles it; one that cannot be decided leaves the whole undecidable. Two things that
    /// are missing are more than the client could be told.
    pub(super) fn all(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::Holds, |left, right| match (left, right) {
            (Self::Holds, other) | (other, Self::Holds) => other,
            (Self::Lacks(left), Self::Lacks(right)) if left == right => Self::Lacks(left),
            (Self::Fails | Self::Lacks(_), _) | (_, Self::Fails | Self::Lacks(_)) => Self::Fails,
            (Self::Undecidable, Self::Undecidable) => Self::Undecidable,
        })
    }

    /// Disjunction: one part that holds settles it. If none does, one that cannot be decided leaves the whole undecidable, and
    /// the first thing that would do is what the client is told.
    pub(super) fn any(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::Fails, |left, right| match (left, right) {
            (Self::Holds, _) | (_, Self::Holds) => Self::Holds,
            (Self::Undecidable, _) | (_, Self::Undecidable) => Self::Undecidable,
            (Self::Lacks(lack), _) | (Self::Fails, Self::Lacks(lack)) => Self::Lacks(lack),
            (Self::Fails, Self::Fails) => Self::Fails,
        })
    }

    /// Negation: what cannot be decided cannot be decided this way round either.
    pub(super) const fn negated(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Lacks(_) | Self::Fails => Self::Holds,
            Self::Undecidable => Self::Undecidable,
        }
    }
}
