//! Patterns of text: globs and regular expressions, both in linear time, whatever the text.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

use crate::document::Node;
use crate::limits::MAX_REGEX_BYTES;

/// A pattern that a whole text must fit.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// Texts between `*`, each of which stands for any number of characters.
    Glob(Vec<String>),
    /// Without back-references and look-around, so that no text makes it slow (the regular expressions of RE2).
    Regex(Regex),
}

impl Pattern {
    pub(super) fn read_glob(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        Some(Self::Glob(text.split('*').map(str::to_owned).collect()))
    }

    pub(super) fn read_regex(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        // The whole text, or an expression that somebody wrote for all of it permits what only contains it.
        let whole = format!("^(?:{text})$");
        // `.` is any character, or a line feed at the end would let a text pass that a deny rule is about.
        match RegexBuilder::new(&whole).dot_matches_new_line(true).size_limit(MAX_REGEX_BYTES).build() {
            // An unbalanced text could escape from the group.
            Ok(regex) if Regex::new(text).is_ok() => Some(Self::Regex(regex)),
            Ok(_) => node.refuse(format!("`{text}` is not a regular expression")),
            Err(error) => node.refuse(format!("`{text}` is not a regular expression that can be used: {error}")),
        }
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Glob(parts) => fits_glob(parts, text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Each part is found as early as possible after the one before; that never misses a way in which all of them fit.
fn fits_glob(parts: &[String], text: &str) -> bool {
    let (Some((first, rest)), Some(last)) = (parts.split_first(), parts.last()) else { return false };
    let Some((_, middle)) = rest.split_last() else { return text == first };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        match text.split_once(part.as_str()) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(parts) => write!(f, "fits `{}`", parts.join("*")),
            Self::Regex(regex) => write!(f, "fits the expression `{}`", regex.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn globs_fit_whole_texts() {
        let fits = |glob: &str, text: &str| fits_glob(&glob.split('*').map(str::to_owned).collect::<Vec<_>>(), text);
        for (glob, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "x"),
            ("a*", "a"),
            ("a*c", "abc"),
            ("*b*", "abc"),
            ("a*b*c", "axbxbc"),
            ("**", "x"),
        ] {
            assert!(fits(glob, text), "{glob} {text}");
        }
        for (glob, text) in
            [("a", "ab"), ("a*", "ba"), ("a*a", "a"), ("a*c", "abcd"), ("*b*", "ac"), ("a*b*c", "acb"), ("", "a")]
        {
            assert!(!fits(glob, text), "{glob} {text}");
        }
    }
}
