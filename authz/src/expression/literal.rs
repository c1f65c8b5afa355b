//! String literals: four kinds of quotes, raw or with escapes.

use super::mistake::Mistake;

/// The string literal that a text begins with, and what follows it; none if it begins with something else.
pub(super) fn text(rest: &str, at: usize) -> Result<Option<(String, &str)>, Mistake> {
    let length = rest.bytes().take(2).take_while(|byte| b"rRbB".contains(byte)).count();
    let (prefix, quoted) = rest.split_at_checked(length).unwrap_or((rest, ""));
    let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| quoted.starts_with(quote)) else {
        return Ok(None);
    };
    if prefix.contains(['b', 'B']) {
        return Err(Mistake::new(at, "bytes are not known here; write a string"));
    }
    let is_raw = !prefix.is_empty();
    let Some(mut rest) = quoted.strip_prefix(quote) else { return Ok(None) };
    let unclosed = || Mistake::new(at, format!("the string has no end; close it with `{quote}`"));
    let mut text = String::new();
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Ok(Some((text, after)));
        }
        let mut characters = rest.chars();
        let character = characters.next().ok_or_else(unclosed)?;
        rest = characters.as_str();
        match character {
            '\n' | '\r' if quote.len() == 1 => return Err(unclosed()),
            '\\' if !is_raw => {
                let (escaped, after) = escape(rest).ok_or_else(|| {
                    let sequence: String = rest.chars().take(1).collect();
                    Mistake::new(at, format!("the string has an unknown escape `\\{sequence}`; a backslash is `\\\\`"))
                })?;
                text.push(escaped);
                rest = after;
            }
            other => text.push(other),
        }
    }
}

/// The character that an escape stands for, without its backslash, and what follows it.
fn escape(rest: &str) -> Option<(char, &str)> {
    let mut characters = rest.chars();
    let plain = match characters.next()? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        same @ ('\\' | '?' | '"' | '\'' | '`') => same,
        'x' | 'X' => return code_point(characters.as_str(), 2, 16),
        'u' => return code_point(characters.as_str(), 4, 16),
        'U' => return code_point(characters.as_str(), 8, 16),
        '0'..='3' => return code_point(rest, 3, 8),
        _ => return None,
    };
    Some((plain, characters.as_str()))
}

/// So many digits that name a character; surrogates are none.
fn code_point(rest: &str, length: usize, radix: u32) -> Option<(char, &str)> {
    let (digits, rest) = rest.split_at_checked(length)?;
    let all_digits = digits.chars().all(|digit| digit.is_digit(radix));
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| all_digits)?;
    Some((char::from_u32(code)?, rest))
}
