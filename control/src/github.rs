//! Workflow commands of GitHub Actions, which GitHub shows beside the line that they are about.

/// An annotation. `place` has its properties, such as file and line; nothing in them or in the message can begin another one.
pub(crate) fn annotation(level: &str, place: &[(&str, &str)], message: &str) -> String {
    let properties: Vec<String> = place.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    format!("::{level} {}::{}\n", properties.join(","), escaped(message))
}

/// Workflow commands end at a line break.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// In their properties `:` and `,` have a meaning too.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
