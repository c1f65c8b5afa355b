//! What is wrong with an expression, for the person who wrote it.

use std::fmt;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it begins, in bytes.
    at: usize,
    message: String,
}

impl Mistake {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The sentence with its place in the text: `column 5: ..`, or `line 2, column 5: ..`.
    pub(crate) fn describe(&self, text: &str) -> impl fmt::Display {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.matches('\n').count().saturating_add(1);
        let start = before.rsplit('\n').next().unwrap_or(before);
        let column = start.chars().count().saturating_add(1);
        let message = &self.message;
        if line == 1 {
            format!("column {column}: {message}")
        } else {
            format!("line {line}, column {column}: {message}")
        }
    }
}

/// `; did you mean ..?` if one of the candidates is much like the name: one character in three may differ.
pub(super) fn suggestion<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    let candidates = candidates.map(|candidate| (distance(name, candidate), candidate));
    match candidates.min() {
        Some((distance, candidate)) if distance <= name.chars().count().max(3) / 3 => {
            format!("; did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// How many characters must be added, removed or changed (Levenshtein), whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().map(|character| character.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, character) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        for (cell, candidate) in row.iter_mut().skip(1).zip(&other) {
            let changed = diagonal.saturating_add(usize::from(character.to_ascii_lowercase() != *candidate));
            diagonal = *cell;
            left = changed.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or_default()
}
