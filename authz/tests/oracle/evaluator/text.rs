//! Decoding and patterns of text.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::Regex;

/// Decodes `%XX` once. None if that is no text.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(decoded).ok()
}

/// Whether the whole text fits; `*` stands for any number of characters.
pub fn glob_fits(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(index, _)| index).chain([text.len()]);
            ends.into_iter().any(|end| glob_fits(rest.as_str(), &text[end..]))
        }
        Some(character) => text.strip_prefix(character).is_some_and(|text| glob_fits(rest.as_str(), text)),
    }
}

/// Whether the whole text fits the regular expression. By another implementation than that of `authz`, which is remembered
/// because it takes long to compile; nothing else here is.
pub fn regex_fits(pattern: &str, text: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<BTreeMap<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let regex =
            compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(&format!(r"\A(?s:{pattern})\z")).unwrap());
        regex.is_match(text)
    })
}
