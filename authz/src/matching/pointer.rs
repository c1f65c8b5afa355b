//! JSON Pointers (RFC 6901): how a bundle names a claim, so that dotted and URL-like names are reachable.

use std::fmt;

use crate::document::Node;
use crate::json::{Json, JsonObject};
use crate::principal::Attribute;

/// A JSON Pointer (RFC 6901) to a claim, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    /// The pointer to a top-level claim.
    pub(crate) fn to_claim(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let Some(path) = text.strip_prefix('/') else {
            return node.refuse(format!("`{text}` is not a JSON Pointer (RFC 6901); write `/{text}`"));
        };
        let tokens: Option<Vec<_>> = path.split('/').map(unescape).collect();
        match tokens {
            Some(tokens) => Some(Self(tokens)),
            None => node.refuse(format!(
                "`{text}` is not a JSON Pointer (RFC 6901): `~` must be written `~0`, `/` within a name `~1`"
            )),
        }
    }

    /// The value that this pointer names; JSON `null` is a value.
    ///
    /// Absent is only what an object or list on the way does not have. A step into anything else (`/a/b` where `a` is a
    /// string) is malformed: whoever depends on it cannot decide.
    pub(crate) fn find<'c>(&self, claims: JsonObject<'c>) -> Attribute<Json<'c>> {
        let Some((first, rest)) = self.0.split_first() else {
            return Attribute::Malformed;
        };
        let Some(mut value) = claims.get(first) else {
            return Attribute::Absent;
        };
        for token in rest {
            let next = match value {
                Json::Object(members) => members.get(token),
                Json::List(items) => match index(token) {
                    Some(index) => items.get(index),
                    None => return Attribute::Malformed,
                },
                _ => return Attribute::Malformed,
            };
            match next {
                Some(next) => value = next,
                None => return Attribute::Absent,
            }
        }
        Attribute::Present(value)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

/// RFC 6901 section 4: no sign and no leading zeros, so that one element has one name.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| plain)
}

fn unescape(token: &str) -> Option<String> {
    let mut plain = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::json::FlatObject;

    #[test]
    fn a_pointer_reaches_nested_dotted_and_url_like_names() {
        let claims = json!({
            "realm_access": { "roles": ["admin"] }, "https://x.example/tenant": "t1", "a.b": 1, "m~n": 2, "n": null, "": 3
        });
        for (pointer, expected) in [
            ("/realm_access/roles/0", Attribute::Present(json!("admin"))),
            ("/https:~1~1x.example~1tenant", Attribute::Present(json!("t1"))),
            ("/a.b", Attribute::Present(json!(1))),
            ("/m~0n", Attribute::Present(json!(2))),
            ("/n", Attribute::Present(json!(null))),
            ("/", Attribute::Present(json!(3))),
            ("/absent", Attribute::Absent),
            ("/absent/x", Attribute::Absent),
            ("/realm_access/groups", Attribute::Absent),
            ("/realm_access/roles/1", Attribute::Absent),
            ("/realm_access/roles/00", Attribute::Malformed),
            ("/realm_access/roles/+0", Attribute::Malformed),
            ("/realm_access/roles/admin", Attribute::Malformed),
            ("/a.b/x", Attribute::Malformed),
            ("/n/x", Attribute::Malformed),
        ] {
            let tokens =
                pointer.strip_prefix('/').unwrap().split('/').map(unescape).collect::<Option<Vec<_>>>().unwrap();
            // Kept as a tree and kept flat.
            let flat = FlatObject::parse(claims.to_string()).unwrap();
            for claims in [JsonObject::from(claims.as_object().unwrap()), JsonObject::from(&flat)] {
                let found = match Pointer(tokens.clone()).find(claims) {
                    Attribute::Present(value) => Attribute::Present(value.to_value()),
                    Attribute::Absent => Attribute::Absent,
                    Attribute::Malformed => Attribute::Malformed,
                };
                assert_eq!(found, expected, "{pointer}");
            }
        }
    }
}
