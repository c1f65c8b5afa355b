//! What was found, for people and for programs.

use std::fmt;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::source::one_line;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Rc<str>,
    pub(crate) line: u64,
}

impl Place {
    pub(crate) const fn new(file: Rc<str>, line: u64) -> Self {
        Self { file, line }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line that is neither a record nor a checkpoint.
    Malformed,
    /// A record that is not the one that was written.
    Changed,
    /// A second record with the same number.
    Contradicts,
    /// Records that are not there.
    Missing,
    /// A record that does not stand where it was written.
    Moved,
    /// A record of which nobody can say whether it is the one that was written.
    Unlinked,
    /// A checkpoint that nobody who is trusted has signed, or that does not follow from the one before.
    CheckpointInvalid,
    /// Checkpoints, or all of them, that are not there.
    CheckpointMissing,
    /// Lines that are not those that were signed.
    SealBroken,
    /// A log that has no end.
    NotClosed,
}

impl Kind {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Changed => "changed",
            Self::Contradicts => "contradicts",
            Self::Missing => "missing",
            Self::Moved => "moved",
            Self::Unlinked => "unlinked",
            Self::CheckpointInvalid => "checkpoint_invalid",
            Self::CheckpointMissing => "checkpoint_missing",
            Self::SealBroken => "seal_broken",
            Self::NotClosed => "not_closed",
        }
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) worker: Option<String>,
    pub(crate) sequence: Option<u64>,
    pub(crate) message: String,
}

impl Finding {
    /// About a record.
    pub(crate) fn of(kind: Kind, place: Place, worker: &str, sequence: u64, message: impl Into<String>) -> Self {
        let worker = Some(worker.to_owned());
        Self { kind, place, worker, sequence: Some(sequence), message: message.into() }
    }

    /// About a line, or a checkpoint.
    pub(crate) fn at(kind: Kind, place: Place, message: impl Into<String>) -> Self {
        Self { kind, place, worker: None, sequence: None, message: message.into() }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut finding = json!({
            "code": self.kind.code(), "file": &*self.place.file, "line": self.place.line, "message": self.message,
        });
        if let (Some(members), Some(worker)) = (finding.as_object_mut(), &self.worker) {
            members.insert("worker".to_owned(), json!(worker));
            members.insert("sequence".to_owned(), json!(self.sequence));
        }
        finding
    }
}

/// `FILE:LINE: worker W, record N: CODE: WHAT`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.place.file, self.place.line)?;
        if let (Some(worker), Some(sequence)) = (&self.worker, self.sequence) {
            write!(f, "worker {}, record {sequence}: ", one_line(worker))?;
        }
        write!(f, "{}: {}", self.kind.code(), one_line(&self.message))
    }
}
