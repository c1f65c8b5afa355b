//! Headers that only Portcullis may set: their names, and values that stay within them.

use super::is_token_byte;
use crate::document::{Node, Unique};

/// Every header under this prefix belongs to Portcullis, configured or not.
pub(crate) const OWNED_PREFIX: &str = "x-portcullis-";

/// Names of request headers that proxies and upstreams act on: an identity header of that name would break requests or
/// open a hole. In folded form; those with a dash at the end stand for all that start with them.
const RESERVED: [&str; 13] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-envoy-",
    "x-forwarded-",
];

/// Whether upstreams may take a header name for another, in lower case: CGI and WSGI turn `-` into `_`, PHP also `.`; and case
/// never counts (RFC 9110 section 5.1). So every character that is neither letter nor digit counts as `-`.
pub(crate) fn is_alias(name: &[u8], owned: &str) -> bool {
    is_same_folded(name, owned.as_bytes())
}

/// The same of any two names.
pub(crate) fn is_same_folded(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().copied().map(folded).eq(other.iter().copied().map(folded))
}

/// The form in which upstreams that fold names together compare them.
const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Percent-encodes what is not plain ASCII, and the two characters that have a meaning here: `%` and the comma between
/// the values of a list. So no claim can add a header, a value or a line (CVE-2023-27493), and nothing is lost.
pub(crate) fn encode_value(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b',' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 0xf] {
                encoded.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    encoded
}

pub(crate) fn read_name(node: &Node<'_>, unique: &Unique) -> Option<String> {
    let name = node.text()?.to_ascii_lowercase();
    if !name.bytes().all(is_token_byte) {
        return node.refuse(format!("`{name}` is not a header name (RFC 9110 section 5.1)"));
    }
    let form: String = name.bytes().map(|byte| char::from(folded(byte))).collect();
    let is_reserved = |reserved: &str| form == reserved || (reserved.ends_with('-') && form.starts_with(reserved));
    if RESERVED.into_iter().any(is_reserved) {
        return node.refuse(format!(
            "`{name}` has a meaning of its own; choose another name, for example one that starts with `{OWNED_PREFIX}`"
        ));
    }
    unique.claim("header", &form, node)?;
    Some(name)
}
