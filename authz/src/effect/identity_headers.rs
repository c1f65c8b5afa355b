//! The headers in which the upstream learns who asks, and which nobody else may set.

use crate::document::{Node, Unique};
use crate::http::{folded, is_alias, is_token_byte};
use crate::limits::MAX_IDENTITY_HEADER_BYTES;
use crate::principal::{Attribute, Identity, Principal};

/// Every header under this prefix belongs to Portcullis, configured or not.
const OWNED_PREFIX: &str = "x-portcullis-";

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

/// The attributes that an upstream can be told.
const ATTRIBUTES: [&str; 7] = ["subject", "issuer", "client", "tenant", "scopes", "roles", "groups"];

/// The identity headers: for each attribute that is told, the name of its header, in lower case.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeaders(Vec<(&'static str, String)>);

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self(ATTRIBUTES.iter().map(|attribute| (*attribute, format!("{OWNED_PREFIX}{attribute}"))).collect())
    }
}

impl IdentityHeaders {
    /// Reads the names. Whoever names headers names all that are wanted.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&ATTRIBUTES)?;
        let unique = Unique::default();
        let names: Vec<_> =
            ATTRIBUTES.iter().filter_map(|attribute| Some((*attribute, fields.optional(attribute)?))).collect();
        let names = names.iter().map(|(attribute, node)| Some((*attribute, read_name(node, attribute, &unique)?)));
        // All names are read before the first bad one ends it.
        let names: Vec<_> = names.collect();
        names.into_iter().collect::<Option<_>>().map(Self)
    }

    /// Whether only Portcullis may set the header of this name.
    ///
    /// Upstreams fold names together: CGI and WSGI turn `-` into `_`, PHP also `.`; and case never counts (RFC 9110
    /// section 5.1). So every character that is neither letter nor digit counts as `-` here.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        let under_prefix = name.get(..OWNED_PREFIX.len()).is_some_and(|start| is_alias(start, OWNED_PREFIX));
        under_prefix || self.0.iter().any(|(_, owned)| is_alias(name, owned))
    }

    /// The headers to set for a principal: of the first of its credentials, in the order of the bundle; none for an
    /// anonymous one. `None` if one of them cannot be expressed.
    pub(crate) fn values(&self, principal: &Principal) -> Option<Vec<(String, Vec<u8>)>> {
        let Some((_, identity)) = principal.identities.first() else {
            return Some(Vec::new());
        };
        let mut set = Vec::new();
        for (attribute, name) in &self.0 {
            match value_of(identity, attribute) {
                Attribute::Absent => {}
                Attribute::Present(value) if value.len() <= MAX_IDENTITY_HEADER_BYTES => {
                    set.push((name.clone(), value.into_bytes()))
                }
                Attribute::Present(_) | Attribute::Malformed => return None,
            }
        }
        Some(set)
    }
}

/// An attribute in the form of a header value.
fn value_of(identity: &Identity, attribute: &str) -> Attribute<String> {
    let issuer = identity.issuer.as_deref().map_or(Attribute::Absent, |issuer| Attribute::Present(encode(issuer)));
    match attribute {
        "issuer" => issuer,
        "subject" => text(&identity.subject),
        "client" => text(&identity.client),
        "tenant" => text(&identity.tenant),
        "scopes" => list(&identity.scopes),
        "roles" => list(&identity.roles),
        "groups" => list(&identity.groups),
        // Not to be expressed, so refused: better than a header that says something else.
        _ => Attribute::Malformed,
    }
}

fn text(attribute: &Attribute<String>) -> Attribute<String> {
    match attribute {
        Attribute::Absent => Attribute::Absent,
        Attribute::Malformed => Attribute::Malformed,
        Attribute::Present(text) => Attribute::Present(encode(text)),
    }
}

fn list(attribute: &Attribute<Vec<String>>) -> Attribute<String> {
    match attribute {
        Attribute::Absent => Attribute::Absent,
        Attribute::Malformed => Attribute::Malformed,
        Attribute::Present(values) => {
            Attribute::Present(values.iter().map(|value| encode(value)).collect::<Vec<_>>().join(","))
        }
    }
}

/// Percent-encodes what is not plain ASCII, and the two characters that have a meaning here: `%` and the comma between
/// the values of a list. So no claim can add a header, a value or a line (CVE-2023-27493), and nothing is lost.
fn encode(value: &str) -> String {
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

fn read_name(node: &Node<'_>, attribute: &str, unique: &Unique) -> Option<String> {
    let name = node.text()?.to_ascii_lowercase();
    if !name.bytes().all(is_token_byte) {
        return node.refuse(format!("`{name}` is not a header name (RFC 9110 section 5.1)"));
    }
    let form: String = name.bytes().map(|byte| char::from(folded(byte))).collect();
    let is_reserved = |reserved: &str| form == reserved || (reserved.ends_with('-') && form.starts_with(reserved));
    if RESERVED.into_iter().any(is_reserved) {
        return node.refuse(format!(
            "`{name}` has a meaning of its own; choose another name, for example `{OWNED_PREFIX}{attribute}`"
        ));
    }
    unique.claim("header", &form, node)?;
    Some(name)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_spelling_that_an_upstream_may_fold_together_is_owned() {
        let headers = IdentityHeaders(vec![("roles", "x-user-roles".to_owned())]);
        for name in [
            "x-portcullis-subject",
            "X-Portcullis-Subject",
            "x_portcullis_subject",
            "x.portcullis.subject",
            "x-portcullis_anything",
            "X_PORTCULLIS-",
            "x-user-roles",
            "X-User_Roles",
            "x.user.roles",
        ] {
            assert!(headers.contains(name.as_bytes()), "{name}");
        }
        for name in ["x-portcullis", "x-user-role", "x-user-roles-2", "my-x-portcullis-subject", "", "authorization"] {
            assert!(!headers.contains(name.as_bytes()), "{name}");
        }
        assert!(headers.contains(b"x\xffportcullis-\xfe"));
    }

    #[test]
    fn values_cannot_leave_their_header() {
        for (value, expected) in [
            ("alice", "alice"),
            ("a b", "a%20b"),
            ("a,b", "a%2Cb"),
            ("100%", "100%25"),
            ("x\r\nx-portcullis-roles: admin", "x%0D%0Ax-portcullis-roles:%20admin"),
            ("Zoë", "Zo%C3%AB"),
            ("\0\x7f", "%00%7F"),
        ] {
            assert_eq!(encode(value), expected);
        }
    }
}
