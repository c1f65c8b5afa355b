//! What is wrong with a source, for the person who wrote it: where, and what.

use std::collections::BTreeMap;
use std::fmt;

use authz::{BundleError, BundleErrors, Problem};

use super::tree::{Node, Position, member_place};

/// Something found at a place of a document: `FILE:LINE:COLUMN: PATH: WHAT`.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) position: Position,
    /// The place in the document; empty if it is about all of it.
    pub(crate) path: String,
    /// Its kind, where kinds have names.
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
}

impl Finding {
    /// Something wrong at the place `path` of the document.
    pub(super) fn new(position: Position, path: &str, problem: &str) -> Self {
        Self { position, path: path.to_owned(), code: None, message: problem.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "document" } else { &self.path };
        let code = self.code.map(|code| format!("{code}: ")).unwrap_or_default();
        f.write_str(&one_line(&format!("{}: {path}: {code}{}", self.position, self.message)))
    }
}

/// Text of somebody else in a line of ours: nothing in it ends the line, or speaks to the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The errors of the production parser, each with the position of what it is about.
pub(super) fn located(errors: &BundleErrors, root: &Node) -> Vec<Finding> {
    let places = root.places();
    let mut findings: Vec<Finding> = errors.iter().map(|error| locate(error, &places, root)).collect();
    if errors.omitted() > 0 {
        let text = format!("... and {} more", errors.omitted());
        findings.push(Finding::new(Position::whole(root.position.file.clone()), "", &text));
    }
    findings
}

fn locate(error: &BundleError, places: &BTreeMap<String, &Position>, root: &Node) -> Finding {
    let place = match error.problem() {
        Problem::UnknownField { name, .. } => member_place(error.place(), name),
        _ => error.place().to_owned(),
    };
    let position = nearest(&place, places).unwrap_or(&root.position).clone();
    let mut message = error.message();
    if let Problem::Duplicate { first, .. } = error.problem()
        && let Some(first) = places.get(first)
    {
        message.push_str(&format!(" ({first})"));
    }
    Finding::new(position, error.place(), &message)
}

/// The position of a place or, if it is not in the text (a field that is missing), of what it belongs to.
pub(super) fn nearest<'p>(place: &str, places: &BTreeMap<String, &'p Position>) -> Option<&'p Position> {
    let mut place = place;
    loop {
        if let Some(position) = places.get(place) {
            return Some(position);
        }
        place = place.rfind(['.', '[']).and_then(|end| place.get(..end)).unwrap_or_default();
        if place.is_empty() {
            return places.get("").copied();
        }
    }
}
