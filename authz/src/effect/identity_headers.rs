//! The headers in which the upstream learns who asks, and which nobody else may set.

use crate::document::{Node, Unique};
use crate::http::{OWNED_PREFIX, encode_value, is_alias, read_owned_name};
use crate::limits::MAX_IDENTITY_HEADER_BYTES;
use crate::principal::{Attribute, Identity, Principal};

/// The attributes that an upstream can be told.
const ATTRIBUTES: [&str; 7] = ["subject", "issuer", "client", "tenant", "scopes", "roles", "groups"];

/// The identity headers: for each attribute that is told, the name of its header, in lower case.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeaders {
    headers: Vec<(&'static str, String)>,
    /// The headers that rules and assertions set, in lower case.
    of_rules: Vec<String>,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        let header = |attribute: &'static str| (attribute, format!("{OWNED_PREFIX}{attribute}"));
        Self { headers: ATTRIBUTES.into_iter().map(header).collect(), of_rules: Vec::new() }
    }
}

impl IdentityHeaders {
    /// Reads the names. Whoever names headers names all that are wanted.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&ATTRIBUTES)?;
        let unique = Unique::default();
        let names: Vec<_> =
            ATTRIBUTES.iter().filter_map(|attribute| Some((*attribute, fields.optional(attribute)?))).collect();
        let names = names.iter().map(|(attribute, node)| Some((*attribute, read_owned_name(node, &unique)?)));
        // All names are read before the first bad one ends it.
        let names: Vec<_> = names.collect();
        names.into_iter().collect::<Option<_>>().map(|headers| Self { headers, of_rules: Vec::new() })
    }

    /// Owns the headers that rules set, too.
    pub(crate) fn with_headers_of_rules(self, of_rules: Vec<String>) -> Self {
        Self { of_rules, ..self }
    }

    /// Owns the header of assertions, too.
    pub(crate) fn with_assertion(mut self, header: &str) -> Self {
        self.of_rules.push(header.to_owned());
        self
    }

    /// The names of the headers that are set.
    fn names(&self) -> impl Iterator<Item = &String> {
        self.headers.iter().map(|(_, name)| name).chain(&self.of_rules)
    }

    /// Whether the header of this name is set to something.
    pub(crate) fn sets(&self, name: &[u8]) -> bool {
        self.names().any(|owned| is_alias(name, owned))
    }

    /// Whether only Portcullis may set the header of this name.
    ///
    /// Upstreams fold names together: CGI and WSGI turn `-` into `_`, PHP also `.`; and case never counts (RFC 9110
    /// section 5.1). So every character that is neither letter nor digit counts as `-` here.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        let under_prefix = name.get(..OWNED_PREFIX.len()).is_some_and(|start| is_alias(start, OWNED_PREFIX));
        under_prefix || self.names().any(|owned| is_alias(name, owned))
    }

    /// The headers to set for a principal: of the first of its credentials, in the order of the bundle; none for an
    /// anonymous one. `None` if one of them cannot be expressed.
    pub(crate) fn values(&self, principal: &Principal) -> Option<Vec<(String, Vec<u8>)>> {
        let Some((_, identity)) = principal.identities.first() else {
            return Some(Vec::new());
        };
        let mut set = Vec::new();
        for (attribute, name) in &self.headers {
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
    let issuer =
        identity.issuer.as_deref().map_or(Attribute::Absent, |issuer| Attribute::Present(encode_value(issuer)));
    match attribute {
        "issuer" => issuer,
        "subject" => text(identity.subject()),
        "client" => text(identity.client()),
        "tenant" => text(&identity.tenant),
        "scopes" => list(identity.scopes()),
        "roles" => list(identity.roles()),
        "groups" => list(identity.groups()),
        // Not to be expressed, so refused: better than a header that says something else.
        _ => Attribute::Malformed,
    }
}

fn text(attribute: &Attribute<String>) -> Attribute<String> {
    match attribute {
        Attribute::Absent => Attribute::Absent,
        Attribute::Malformed => Attribute::Malformed,
        Attribute::Present(text) => Attribute::Present(encode_value(text)),
    }
}

fn list(attribute: &Attribute<Vec<String>>) -> Attribute<String> {
    match attribute {
        Attribute::Absent => Attribute::Absent,
        Attribute::Malformed => Attribute::Malformed,
        Attribute::Present(values) => {
            Attribute::Present(values.iter().map(|value| encode_value(value)).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_spelling_that_an_upstream_may_fold_together_is_owned() {
        let headers = IdentityHeaders { headers: vec![("roles", "x-user-roles".to_owned())], of_rules: Vec::new() };
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
            assert_eq!(encode_value(value), expected);
        }
    }
}
