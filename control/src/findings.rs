//! Findings about policies, for people and for programs.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::github::annotation;
use crate::source::Finding;

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people and editors: `FILE:LINE:COLUMN: PATH: WHAT`.
    Text,
    /// For programs: `portcullis schema check-report` and `lint-report`.
    Json,
    /// Text and annotations of GitHub Actions.
    Github,
}

impl Finding {
    pub(crate) fn to_json(&self) -> Value {
        let mut finding = json!({
            "file": &*self.position.file, "line": self.position.line, "column": self.position.column,
            "path": self.path, "message": self.message,
        });
        if let (Some(code), Some(members)) = (self.code, finding.as_object_mut()) {
            members.insert("code".to_owned(), code.into());
        }
        finding
    }

    /// An annotation of the line that it is about.
    pub(crate) fn to_github(&self, level: &str) -> String {
        let (line, column) = (self.position.line.to_string(), self.position.column.to_string());
        let place = [("file", &*self.position.file), ("line", &line), ("col", &column)];
        let title = self.code.map(|code| ("title", code));
        let place: Vec<(&str, &str)> = place.into_iter().chain(title).collect();
        let path = if self.path.is_empty() { "document" } else { &self.path };
        annotation(level, &place, &format!("{path}: {}", self.message))
    }
}
