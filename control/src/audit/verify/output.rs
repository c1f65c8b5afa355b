//! How the result is printed.

use std::io::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Finding, Verification};

/// How the result is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people: `FILE:LINE: worker W, record N: CODE: WHAT`.
    Text,
    /// For programs: `portcullis schema audit-verification`.
    Json,
}

impl Verification {
    /// What is wrong goes where errors go, unless a program reads it.
    pub(super) fn print(&self, output: Output) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        if output == Output::Json {
            return writeln!(out, "{:#}", self.to_json());
        }
        self.findings.iter().for_each(|finding| eprintln!("{finding}"));
        if self.omitted > 0 {
            eprintln!("... and {} more", self.omitted);
        }
        self.summary().into_iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// What there is, in some lines.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let checked = match (self.checkpoints, self.has_keys) {
            (0, _) => "",
            (_, true) => ", signatures checked",
            (_, false) => ", signatures not checked (--keys)",
        };
        lines.push(format!(
            "{} records of {} workers, {} checkpoints{checked}",
            self.records, self.workers, self.checkpoints
        ));
        lines.extend(self.span.as_ref().map(|(first, last)| format!("from {first} to {last}")));
        if self.duplicates > 0 {
            lines.push(format!("{} records are there twice, the same", self.duplicates));
        }
        lines.push(format!("lost, as the workers counted: {} permits, {} denies", self.lost.permit, self.lost.deny));
        if self.unsampled > 0 {
            lines.push(format!("left out by sampling: {} permits", self.unsampled));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.push(match self.findings.len() {
            0 if self.is_proved() => "nothing was changed, moved or left out".to_owned(),
            0 => "nothing was found, without signatures: whoever computes the hashes anew is not found".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        });
        lines
    }

    /// The report, version 1 (`control/schema/audit-verification.schema.json`).
    pub(crate) fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "version": 1,
            "records": self.records,
            "duplicates": self.duplicates,
            "workers": self.workers,
            "checkpoints": self.checkpoints,
            "signatures_checked": self.has_keys,
            "first": self.span.as_ref().map(|(first, _)| first),
            "last": self.span.as_ref().map(|(_, last)| last),
            "lost": self.lost,
            "unsampled": self.unsampled,
            "notes": self.notes,
            "findings": findings,
            "omitted_findings": self.omitted,
        })
    }
}
