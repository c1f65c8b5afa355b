//! How a source is laid out: indentation, spaces, quotes, line breaks. What it says is not changed.

use std::path::Path;
use std::rc::Rc;

use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions};

use super::{SourceError, display_name, is_json, parse_text, read_text, yaml};

/// Longest line, where it can be broken.
const WIDTH: usize = 120;

/// The text of a file, and how it should look.
pub(crate) struct Layout {
    /// The file as messages show it.
    pub(crate) name: Rc<str>,
    pub(crate) is: String,
    pub(crate) should_be: String,
}

impl Layout {
    /// Lays out one file, or standard input (`-`). JSON stays as it is. What comes out is read again: unless it is the same
    /// document with the same comments, it is an error.
    pub(crate) fn of(path: &Path) -> Result<Self, SourceError> {
        let (name, is) = (display_name(path), read_text(path)?);
        let is_json = is_json(path, &is);
        // First, because the formatter takes what our reader refuses, and trusts it not to be nested too deeply.
        let before = parse_text(&name, &is, is_json).map_err(SourceError::Refused)?;
        if is_json {
            return Ok(Self { name, should_be: is.clone(), is });
        }
        let layout = LayoutOptions { print_width: WIDTH, ..LayoutOptions::default() };
        // A space at the end of a line belongs to a text of several lines.
        let language = LanguageOptions { trim_trailing_whitespaces: false, ..LanguageOptions::default() };
        let formatted = pretty_yaml::format_text(&is, &FormatOptions { layout, language });
        let (before, comments) = (serde_json::to_vec(&before).ok(), yaml::comments(&is));
        let is_same = |formatted: &String| {
            let after = parse_text(&name, formatted, false).ok().and_then(|after| serde_json::to_vec(&after).ok());
            after.is_some() && after == before && yaml::comments(formatted) == comments
        };
        match formatted.ok().filter(is_same) {
            Some(should_be) => Ok(Self { name, is, should_be }),
            None => Err(SourceError::Unreadable(format!(
                "{name}: cannot be formatted without changing what it says, such as the empty lines that a text of several lines keeps (`|+`, `>+`)"
            ))),
        }
    }

    /// The first line that should look otherwise: its number, as it is, and as it should be.
    pub(crate) fn first_difference(&self) -> Option<(usize, &str, &str)> {
        let lines = |text| str::split_inclusive(text, '\n').map(Some).chain(std::iter::repeat(None));
        let pairs = lines(&self.is).zip(lines(&self.should_be)).take_while(|pair| *pair != (None, None));
        let differs = pairs.zip(1..).find(|((is, should_be), _)| is != should_be);
        differs.map(|((is, should_be), line)| (line, is.unwrap_or_default(), should_be.unwrap_or_default()))
    }
}
