//! JSON Pointers (RFC 6901): how a bundle names a claim, so that dotted and URL-like names are reachable.

use serde_json::{Map, Value};

use crate::bundle::reader::Node;

/// A JSON Pointer (RFC 6901) to a claim, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    /// The pointer to a top-level claim.
    pub(super) fn to_claim(name: &str) -> Self {
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
    pub(crate) fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, token| match value {
            Value::Object(members) => members.get(token),
            // RFC 6901 section 4: no leading zeros, so that one element has one name.
            Value::Array(items) if token == "0" || !token.starts_with(['0', '+']) => {
                items.get(token.parse::<usize>().ok()?)
            }
            _ => None,
        })
    }
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

    #[test]
    fn a_pointer_reaches_nested_dotted_and_url_like_names() {
        let claims = json!({
            "realm_access": { "roles": ["admin"] }, "https://x.example/tenant": "t1", "a.b": 1, "m~n": 2, "n": null, "": 3
        });
        for (pointer, expected) in [
            ("/realm_access/roles/0", Some(json!("admin"))),
            ("/https:~1~1x.example~1tenant", Some(json!("t1"))),
            ("/a.b", Some(json!(1))),
            ("/m~0n", Some(json!(2))),
            ("/n", Some(json!(null))),
            ("/", Some(json!(3))),
            ("/realm_access/roles/1", None),
            ("/realm_access/roles/00", None),
            ("/realm_access/roles/+0", None),
            ("/a/b", None),
            ("/n/x", None),
        ] {
            let tokens =
                pointer.strip_prefix('/').unwrap().split('/').map(unescape).collect::<Option<Vec<_>>>().unwrap();
            assert_eq!(Pointer(tokens).find(claims.as_object().unwrap()).cloned(), expected, "{pointer}");
        }
    }
}
