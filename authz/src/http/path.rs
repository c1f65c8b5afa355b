//! The path of the resource: decoded once, ambiguous paths refused.
//!
//! The path that is judged must be the one that the upstream acts on. What one server decodes, merges or strips and
//! another does not is refused instead of normalised: CVE-2019-9901 (dot segments), CVE-2021-29492 (`%2F`, `%5C`),
//! CVE-2021-32779 (fragment), CVE-2026-73511 (`;` parameters), CVE-2026-33186 (no leading slash).

use std::borrow::Cow;

use crate::document::Node;
use crate::limits::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS};
use crate::reason::Reason;

/// A path in the one form that rules are compared with: its segments, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'r> {
    segments: Vec<Cow<'r, str>>,
    trailing_slash: bool,
}

impl<'r> Path<'r> {
    /// Reads a request target in origin form (RFC 9112 section 3.2.1): a path and, ignored here, a query.
    ///
    /// # Errors
    ///
    /// [`Reason::PathMalformed`] for what is no path, [`Reason::PathAmbiguous`] for what two servers may read as two
    /// different paths.
    pub fn parse(target: &'r [u8]) -> Result<Self, Reason> {
        Self::parse_for(target, PlainCharacters::default())
    }

    /// The same for upstreams to which some of these characters mean nothing.
    pub(crate) fn parse_for(target: &'r [u8], plain: PlainCharacters) -> Result<Self, Reason> {
        if target.len() > MAX_PATH_BYTES {
            return Err(Reason::PathMalformed);
        }
        let (mut has_fragment, mut end) = (false, target.len());
        for (at, byte) in target.iter().enumerate() {
            match byte {
                b'#' => has_fragment = true,
                b'?' => end = end.min(at),
                byte if byte.is_ascii_graphic() => {}
                _ => return Err(Reason::PathMalformed),
            }
        }
        let path = target.get(..end).and_then(|path| std::str::from_utf8(path).ok()).ok_or(Reason::PathMalformed)?;
        if has_fragment {
            return Err(Reason::PathAmbiguous);
        }
        let path = path.strip_prefix('/').ok_or(Reason::PathMalformed)?;
        let (path, trailing_slash) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let segments = match (path, trailing_slash) {
            ("", true) if target.starts_with(b"//") => return Err(Reason::PathAmbiguous),
            ("", _) => Vec::new(),
            (path, _) => decode_segments(path, plain)?,
        };
        if segments.len() > MAX_PATH_SEGMENTS {
            return Err(Reason::PathMalformed);
        }
        Ok(Self { segments, trailing_slash })
    }

    /// The segments between the slashes; none for `/`.
    pub fn segments(&self) -> &[Cow<'r, str>] {
        &self.segments
    }

    /// The path as text, decoded.
    pub(crate) fn to_text(&self) -> String {
        let end = if self.trailing_slash && !self.segments.is_empty() { "/" } else { "" };
        format!("/{}{end}", self.segments.join("/"))
    }

    /// Whether the path ends in a slash; `/` itself does.
    pub const fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}

fn decode_segments(path: &str, plain: PlainCharacters) -> Result<Vec<Cow<'_, str>>, Reason> {
    // Seldom more: what grows runs through code of its own.
    let mut segments = Vec::with_capacity(8);
    let (mut start, mut is_plain) = (0, true);
    for at in 0..=path.len() {
        let byte = path.as_bytes().get(at).copied().unwrap_or(b'/');
        if byte == b'/' {
            let raw = path.get(start..at).ok_or(Reason::PathMalformed)?;
            // Nearly all are like this.
            let is_itself = is_plain && !matches!(raw, "" | "." | "..");
            segments.push(if is_itself { Cow::Borrowed(raw) } else { decode_segment(raw, plain)? });
            (start, is_plain) = (at.saturating_add(1), true);
        } else if is_special(byte) {
            is_plain = false;
        }
    }
    Ok(segments)
}

fn decode_segment(raw: &str, plain: PlainCharacters) -> Result<Cow<'_, str>, Reason> {
    let decoded = if raw.contains('%') { Cow::Owned(percent_decode(raw)?) } else { Cow::Borrowed(raw) };
    let ambiguous = matches!(&*decoded, "" | "." | "..")
        || decoded.chars().any(|character| is_ambiguous(character) && !plain.contains(character));
    // A backslash as it is, is not encoded: some servers and clients take it for a slash before anybody decodes.
    let ambiguous = ambiguous || raw.contains('\\');
    if ambiguous { Err(Reason::PathAmbiguous) } else { Ok(decoded) }
}

/// Characters that are usually ambiguous, and that the upstreams of a bundle are said to take for nothing but themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlainCharacters {
    semicolon: bool,
    slash: bool,
    backslash: bool,
    percent: bool,
}

impl PlainCharacters {
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let mut plain = Self::default();
        let names = node.filled_list(|item| match item.text()? {
            name @ (";" | "%2F" | "%5C" | "%25") => Some(name.to_owned()),
            other => item.refuse(format!("`{other}` cannot be declared plain; write `;`, `%2F`, `%5C` or `%25`")),
        })?;
        for name in names {
            match name.as_str() {
                ";" => plain.semicolon = true,
                "%2F" => plain.slash = true,
                "%5C" => plain.backslash = true,
                _ => plain.percent = true,
            }
        }
        Some(plain)
    }

    const fn contains(self, character: char) -> bool {
        match character {
            ';' => self.semicolon,
            '/' => self.slash,
            '\\' => self.backslash,
            '%' => self.percent,
            _ => false,
        }
    }
}

/// Characters that some server takes for structure even when they arrive encoded: behind one that decodes first, `%3F` cuts
/// the path off. `%` left after one decoding is double encoding.
fn is_ambiguous(character: char) -> bool {
    matches!(character, '/' | '\\' | ';' | '%' | '?' | '#') || character.is_control()
}

/// The same for what came as ASCII without control characters, as every target does.
const fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b';' | b'%' | b'?' | b'#')
}

/// Decodes `%XX` once.
pub(crate) fn percent_decode(raw: &str) -> Result<String, Reason> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(hex_digit).ok_or(Reason::PathMalformed)?;
            let low = bytes.next().and_then(hex_digit).ok_or(Reason::PathMalformed)?;
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    // Overlong forms such as %C0%AF are not UTF-8, and some old decoders read them as a slash.
    String::from_utf8(decoded).map_err(|_| Reason::PathAmbiguous)
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn shown(path: &Path<'_>) -> String {
        let slash = if path.has_trailing_slash() { "/" } else { "" };
        format!("{}{slash}", path.segments().join("|"))
    }

    #[test]
    fn a_plain_path_is_decoded_once() {
        for (target, expected) in [
            ("/", "/"),
            ("/?q=../x", "/"),
            ("/orders", "orders"),
            ("/orders/", "orders/"),
            ("/orders/17?a=/b;c", "orders|17"),
            ("/a%20b/%7Euser", "a b|~user"),
            ("/caf%C3%A9", "café"),
            ("/a%2Bb+c", "a+b+c"),
            ("/...", "..."),
            ("/.well-known/x", ".well-known|x"),
            ("/a:b@c!$&'()*,=", "a:b@c!$&'()*,="),
        ] {
            assert_eq!(shown(&Path::parse(target.as_bytes()).unwrap()), expected, "{target}");
        }
    }

    #[test]
    fn what_is_declared_plain_is_and_nothing_else() {
        let plain = PlainCharacters { semicolon: true, slash: true, backslash: false, percent: false };
        for (target, expected) in [
            ("/a;x=1/b", Ok("a;x=1|b")),
            ("/a%2Fb", Ok("a/b")),
            ("/a%3Bx", Ok("a;x")),
            ("/a%5Cb", Err(Reason::PathAmbiguous)),
            ("/a\\b", Err(Reason::PathAmbiguous)),
            ("/a%252Fb", Err(Reason::PathAmbiguous)),
            ("/%2e%2e/b", Err(Reason::PathAmbiguous)),
            ("/a%00", Err(Reason::PathAmbiguous)),
        ] {
            let path = Path::parse_for(target.as_bytes(), plain).map(|path| shown(&path));
            assert_eq!(path, expected.map(str::to_owned), "{target}");
        }
        let backslash = PlainCharacters { backslash: true, ..PlainCharacters::default() };
        assert!(Path::parse_for(b"/a%5Cb", backslash).is_ok() && Path::parse_for(b"/a\\b", backslash).is_err());
    }

    #[test]
    fn what_two_servers_could_read_differently_is_refused() {
        for target in [
            "//",
            "//admin",
            "/a//b",
            "/a/b//",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/%2e",
            "/a%2Fb",
            "/a%2fb",
            "/a\\b",
            "/a%5Cb",
            "/a;x=1/b",
            "/a%3Bx",
            "/a%252e",
            "/a%2500",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/a%C2%85b",
            "/a%C0%AFb",
            "/a%FF",
            "/a#b",
            "/a?b#c",
            "/a%3Fb",
            "/a%23b",
        ] {
            assert_eq!(Path::parse(target.as_bytes()), Err(Reason::PathAmbiguous), "{target}");
        }
    }

    /// Every target of up to five of the characters that matter: what is accepted means one thing.
    #[test]
    fn an_accepted_path_cannot_be_read_in_two_ways() {
        let alphabet = b"/.%23e5fF;\\a?#";
        let mut targets = vec![b"/".to_vec()];
        for _ in 0..5 {
            targets = targets
                .iter()
                .flat_map(|target| alphabet.iter().map(|byte| [&target[..], &[*byte]].concat()))
                .collect();
            for target in &targets {
                let Ok(path) = Path::parse(target) else { continue };
                for segment in path.segments() {
                    let shown = String::from_utf8_lossy(target);
                    assert!(!matches!(&**segment, "" | "." | ".."), "{shown}");
                    assert!(!segment.contains(['/', '\\', ';', '%', '#', '?']), "{shown}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let deep = "/a".repeat(129);
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        for target in
            ["", "*", "orders", "http://example.com/", "?x", "/a%", "/a%2", "/a%zz", "/a b", "/é", &deep, &long]
        {
            assert_eq!(Path::parse(target.as_bytes()), Err(Reason::PathMalformed), "{target}");
        }
    }
}
