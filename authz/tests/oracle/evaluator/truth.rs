//! Yes, no, or "cannot be decided"; and what is missing where the answer is no.

/// In this order, so that all of many is the least of them and any of many the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    No,
    Undecided,
    Yes,
}

impl Truth {
    pub fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Undecided => Self::Undecided,
            Self::Yes => Self::No,
        }
    }

    pub fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().fold(Self::Yes, Self::min)
    }

    pub fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().fold(Self::No, Self::max)
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What can be missing so that the client is told, and the reason for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Credential,
    Scope,
    Authentication,
}

/// Whether something holds and, if it does not because of things of one kind only, which kind that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub truth: Truth,
    pub missing: Option<Missing>,
}

impl From<Truth> for Outcome {
    fn from(truth: Truth) -> Self {
        Self { truth, missing: None }
    }
}

impl Outcome {
    /// The same, for something that the client can be told to bring along.
    pub fn or_missing(self, missing: Missing) -> Self {
        Self { missing: (self.truth == Truth::No).then_some(missing), ..self }
    }

    /// Everything that does not hold has to be missing, and of one kind.
    pub fn all(parts: &[Self]) -> Self {
        let truth = Truth::all(parts.iter().map(|part| part.truth));
        let mut not_there = parts.iter().filter(|part| part.truth != Truth::Yes).map(|part| part.missing);
        let first = not_there.next().flatten();
        Self { truth, missing: first.filter(|first| not_there.all(|missing| missing == Some(*first))) }
    }

    /// Of alternatives the first of which only one kind is missing counts.
    pub fn any(parts: &[Self]) -> Self {
        let truth = Truth::any(parts.iter().map(|part| part.truth));
        let missing = parts.iter().find_map(|part| part.missing);
        Self { truth, missing: missing.filter(|_| truth == Truth::No) }
    }

    /// Nothing is missing where something is that must not be there.
    pub fn not(self) -> Self {
        self.truth.not().into()
    }
}
