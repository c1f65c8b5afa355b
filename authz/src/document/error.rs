//! What is wrong with a bundle, for the person who wrote it: every error at once, each with its place and a remedy.

use std::cell::RefCell;
use std::fmt;

use crate::limits::{MAX_ERROR_BYTES, MAX_REPORTED_ERRORS};

/// One error in a bundle or plugin configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleError {
    place: String,
    problem: Problem,
}

impl BundleError {
    /// Where it is, for example `rules[3].target.paths[0]`; empty for the document as a whole.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What it is.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The same in words, not longer than anybody reads.
    pub fn message(&self) -> String {
        let problem = self.problem.to_string();
        match problem.char_indices().nth(MAX_ERROR_BYTES).and_then(|(end, _)| problem.get(..end)) {
            Some(start) => format!("{start} …"),
            None => problem,
        }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "document" } else { &self.place };
        write!(f, "{place}: {}", self.message())
    }
}

impl std::error::Error for BundleError {}

/// The kinds of error. `Display` gives a sentence in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The same identifier stands in two places.
    Duplicate {
        /// What is repeated, for example "rule id `a`".
        what: String,
        /// Where it stands first.
        first: String,
    },
    /// A field that must be there is not.
    Missing,
    /// The value has the right type but is not acceptable; says why and what to write instead.
    Refused(String),
    /// A field that this version does not know.
    UnknownField {
        /// Its name.
        name: String,
        /// The fields that are known at this place.
        known: &'static [&'static str],
    },
    /// The value has another type.
    WrongType {
        /// The type that is wanted, with its article.
        expected: &'static str,
        /// The type that is there, with its article.
        found: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { what, first } => write!(f, "{what} is already used at {first}"),
            Self::Missing => f.write_str("is missing"),
            Self::Refused(why) => f.write_str(why),
            Self::UnknownField { name, known } => {
                write!(f, "unknown field `{name}`; known here are `{}`", known.join("`, `"))
            }
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
        }
    }
}

/// Everything that is wrong with a document, in the order of the document. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleErrors {
    errors: Vec<BundleError>,
    omitted: usize,
}

impl BundleErrors {
    /// The errors.
    pub fn iter(&self) -> impl Iterator<Item = &BundleError> {
        self.errors.iter()
    }

    /// How many more errors there are.
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// A document that cannot be read at all.
    pub(crate) fn unreadable(why: String) -> Self {
        Self { errors: vec![BundleError { place: String::new(), problem: Problem::Refused(why) }], omitted: 0 }
    }
}

impl fmt::Display for BundleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        if self.omitted > 0 {
            write!(f, "\n... and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for BundleErrors {}

/// Collects errors while a document is read.
#[derive(Default)]
pub(crate) struct ErrorSink {
    found: RefCell<Vec<BundleError>>,
    count: std::cell::Cell<usize>,
}

impl ErrorSink {
    pub(crate) fn push(&self, place: impl FnOnce() -> String, problem: Problem) {
        self.count.set(self.count.get().saturating_add(1));
        if let Ok(mut found) = self.found.try_borrow_mut()
            && found.len() < MAX_REPORTED_ERRORS
        {
            found.push(BundleError { place: place(), problem });
        }
    }

    /// `Ok` only if a value was read and nothing was found wrong on the way.
    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<T, BundleErrors> {
        let errors = self.found.into_inner();
        match (value, self.count.get()) {
            (Some(value), 0) => Ok(value),
            (_, 0) => Err(BundleErrors::unreadable("could not be read".to_owned())),
            (_, count) => Err(BundleErrors { omitted: count.saturating_sub(errors.len()), errors }),
        }
    }
}
