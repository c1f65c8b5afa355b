//! The headers in which the upstream learns who asks, and which nobody else may set.

use crate::bundle::reader::{Fields, Node, Unique};
use crate::http::is_token_byte;
use crate::jwt::{Attribute, Identity, Principal};
use crate::limits::MAX_IDENTITY_HEADER_BYTES;

/// Every header under this prefix belongs to Portcullis, configured or not.
const OWNED_PREFIX: &str = "x-portcullis-";

/// Names of request headers that proxies and upstreams act on: an identity header of that name would break requests or
/// open a hole.
const RESERVED: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

/// The identity headers: which attribute goes into which header. Names are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeaders {
    subject: Option<String>,
    issuer: Option<String>,
    scopes: Option<String>,
    roles: Option<String>,
    groups: Option<String>,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        let name = |attribute| Some(format!("{OWNED_PREFIX}{attribute}"));
        Self {
            subject: name("subject"),
            issuer: name("issuer"),
            scopes: name("scopes"),
            roles: name("roles"),
            groups: name("groups"),
        }
    }
}

impl IdentityHeaders {
    /// Reads the names. Whoever names headers names all that are wanted.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["subject", "issuer", "scopes", "roles", "groups"])?;
        let unique = Unique::default();
        let header = |name| read_name(&fields, name, &unique);
        let (subject, issuer) = (header("subject"), header("issuer"));
        let (scopes, roles, groups) = (header("scopes"), header("roles"), header("groups"));
        Some(Self { subject: subject?, issuer: issuer?, scopes: scopes?, roles: roles?, groups: groups? })
    }

    /// Whether only Portcullis may set the header of this name.
    ///
    /// Upstreams fold names together: CGI and WSGI turn `-` into `_`, PHP also `.`; and case never counts (RFC 9110
    /// section 5.1). So every character that is neither letter nor digit counts as `-` here.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        let under_prefix =
            name.len() >= OWNED_PREFIX.len() && is_alias(name.iter().take(OWNED_PREFIX.len()), OWNED_PREFIX);
        under_prefix || self.names().any(|owned| name.len() == owned.len() && is_alias(name.iter(), owned))
    }

    /// The headers to set for a principal: none for an anonymous one. `None` if one of them cannot be expressed.
    pub(crate) fn values(&self, principal: &Principal) -> Option<Vec<(String, String)>> {
        let identity = match principal {
            Principal::Anonymous => return Some(Vec::new()),
            Principal::Authenticated(identity) => identity,
        };
        let mut set = Vec::new();
        for (name, value) in self.pairs(identity) {
            match (name, value?) {
                (Some(name), Some(value)) if value.len() <= MAX_IDENTITY_HEADER_BYTES => {
                    set.push((name.clone(), value))
                }
                (Some(_), Some(_)) => return None,
                _ => {}
            }
        }
        Some(set)
    }

    fn pairs<'i>(
        &'i self,
        identity: &'i Identity,
    ) -> impl Iterator<Item = (&'i Option<String>, Option<Option<String>>)> {
        let text = |wanted: &Option<String>, text: Option<&str>| Some(text.filter(|_| wanted.is_some()).map(encode));
        let list = |wanted: &Option<String>, attribute: &Attribute| match attribute {
            _ if wanted.is_none() => Some(None),
            Attribute::Malformed => None,
            Attribute::Absent => Some(None),
            Attribute::Present(values) => {
                Some(Some(values.iter().map(|value| encode(value)).collect::<Vec<_>>().join(",")))
            }
        };
        [
            (&self.subject, text(&self.subject, identity.subject())),
            (&self.issuer, text(&self.issuer, Some(identity.issuer()))),
            (&self.scopes, list(&self.scopes, identity.scopes())),
            (&self.roles, list(&self.roles, identity.roles())),
            (&self.groups, list(&self.groups, identity.groups())),
        ]
        .into_iter()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.subject, &self.issuer, &self.scopes, &self.roles, &self.groups].into_iter().flatten().map(String::as_str)
    }
}

fn is_alias<'b>(name: impl Iterator<Item = &'b u8>, owned: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.map(|byte| fold(*byte)).eq(owned.bytes().map(fold))
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

fn read_name<'n>(fields: &Fields<'n>, attribute: &'n str, unique: &Unique) -> Option<Option<String>> {
    let Some(node) = fields.optional(attribute) else {
        return Some(None);
    };
    let name = node.text()?.to_ascii_lowercase();
    if !name.bytes().all(is_token_byte) {
        return node.refuse(format!("`{name}` is not a header name (RFC 9110 section 5.1)"));
    }
    if RESERVED.contains(&name.as_str()) {
        return node.refuse(format!(
            "`{name}` has a meaning of its own; choose another name, for example `{OWNED_PREFIX}{attribute}`"
        ));
    }
    unique.claim("header", &name, &node)?;
    Some(Some(name))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_spelling_that_an_upstream_may_fold_together_is_owned() {
        let headers = IdentityHeaders { roles: Some("x-user-roles".to_owned()), ..IdentityHeaders::default() };
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
