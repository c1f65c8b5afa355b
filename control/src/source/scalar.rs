//! What an unquoted word of YAML means: the core schema of YAML 1.2 (section 10.3), and only where all readers agree.

use serde_json::Number;

use super::tree::Content;

/// The value of an unquoted scalar, or why it could be read in more than one way.
///
/// YAML 1.1 made booleans of `no` and `on`, and base-60 numbers of `12:30`; YAML 1.2 made them text again, and that is what
/// they are here. What is a number to YAML 1.2 but not to JSON is refused: `0123` was 83 once, and is 123 now.
pub(super) fn resolve(text: &str) -> Result<Content, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "true" | "True" | "TRUE" => return Ok(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Content::Bool(false)),
        _ => {}
    }
    if !is_number(text) {
        return Ok(Content::Text(text.to_owned()));
    }
    match serde_json::from_str::<Number>(text) {
        Ok(number) if number.is_f64() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) => {
            Err(format!("`{text}` is too large to be read exactly; quote it if it is text"))
        }
        Ok(number) => Ok(Content::Number(number)),
        Err(_) => Err(format!(
            "`{text}` is a number to some readers of YAML and not to others; quote it if it is text, or write the number as in JSON"
        )),
    }
}

/// Whether the core schema of YAML 1.2 takes this for a number.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(digits) = unsigned.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    }
    let has_start = unsigned.starts_with(|first: char| first == '.' || first.is_ascii_digit());
    let has_no_value = [".inf", ".nan"].iter().any(|name| unsigned.eq_ignore_ascii_case(name));
    has_no_value || (has_start && unsigned.parse::<f64>().is_ok())
}
