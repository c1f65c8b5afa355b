//! Which claims say what about a principal: JSON Pointers (RFC 6901), so that dotted and URL-like names are reachable.

use serde_json::{Map, Value};

use super::principal::Attribute;
use crate::bundle::reader::Node;

/// The claims of one issuer's tokens that hold scopes, roles and groups.
#[derive(Debug)]
pub(super) struct ClaimMapping {
    scopes: Vec<Pointer>,
    roles: Vec<Pointer>,
    groups: Vec<Pointer>,
}

impl Default for ClaimMapping {
    /// RFC 9068 section 2.2.3 and 7.2.1.1 (RFC 7643): `scope`, `roles`, `groups`; and `scp`, as Entra ID and Okta write it.
    fn default() -> Self {
        let pointers = |names: &[&str]| names.iter().map(|name| Pointer(vec![(*name).to_owned()])).collect();
        Self { scopes: pointers(&["scope", "scp"]), roles: pointers(&["roles"]), groups: pointers(&["groups"]) }
    }
}

impl ClaimMapping {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.object(&["scopes", "roles", "groups"])?;
        let pointers = |name, default| match fields.optional(name) {
            Some(node) => node.filled_list(Pointer::read),
            None => Some(default),
        };
        let defaults = Self::default();
        let (scopes, roles, groups) = (
            pointers("scopes", defaults.scopes),
            pointers("roles", defaults.roles),
            pointers("groups", defaults.groups),
        );
        Some(Self { scopes: scopes?, roles: roles?, groups: groups? })
    }

    /// Scopes: a space-separated string (RFC 6749 section 3.3) or a list of strings.
    pub(super) fn scopes(&self, claims: &Map<String, Value>) -> Attribute {
        collect(&self.scopes, claims, |text| {
            text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        })
    }

    /// Roles: a string, which is one role, or a list of strings.
    pub(super) fn roles(&self, claims: &Map<String, Value>) -> Attribute {
        collect(&self.roles, claims, |text| vec![text.to_owned()])
    }

    /// Groups: a string, which is one group, or a list of strings.
    pub(super) fn groups(&self, claims: &Map<String, Value>) -> Attribute {
        collect(&self.groups, claims, |text| vec![text.to_owned()])
    }
}

/// The values at all pointers together; malformed if one of them is.
fn collect(pointers: &[Pointer], claims: &Map<String, Value>, split: impl Fn(&str) -> Vec<String>) -> Attribute {
    let mut found = Attribute::Absent;
    for value in pointers.iter().filter_map(|pointer| pointer.find(claims)) {
        let more = match value {
            Value::String(text) => Some(split(text)),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        found = match (found, more) {
            (Attribute::Present(mut values), Some(more)) => {
                values.extend(more);
                Attribute::Present(values)
            }
            (Attribute::Absent, Some(values)) => Attribute::Present(values),
            _ => return Attribute::Malformed,
        };
    }
    found
}

/// A JSON Pointer (RFC 6901) to a claim, taken apart once.
#[derive(Clone, Debug)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
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

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_pointer_reaches_nested_dotted_and_url_like_names() {
        let claims = claims(json!({
            "realm_access": { "roles": ["admin"] }, "https://x.example/tenant": "t1", "a.b": 1, "m~n": 2, "n": null, "": 3
        }));
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
            assert_eq!(Pointer(tokens).find(&claims).cloned(), expected, "{pointer}");
        }
    }

    #[test]
    fn absent_malformed_and_present_are_three_states() {
        let present = |values: &[&str]| Attribute::Present(values.iter().map(|value| (*value).to_owned()).collect());
        let mapping = ClaimMapping::default();
        for (value, scopes) in [
            (json!({}), Attribute::Absent),
            (json!({ "scope": "a b  c" }), present(&["a", "b", "c"])),
            (json!({ "scope": "" }), present(&[])),
            (json!({ "scp": ["a b", "c"] }), present(&["a b", "c"])),
            (json!({ "scope": "a", "scp": ["b"] }), present(&["a", "b"])),
            (json!({ "scope": null }), Attribute::Malformed),
            (json!({ "scope": 1 }), Attribute::Malformed),
            (json!({ "scope": ["a", 1] }), Attribute::Malformed),
            (json!({ "scope": "a", "scp": {} }), Attribute::Malformed),
        ] {
            assert_eq!(mapping.scopes(&claims(value.clone())), scopes, "{value}");
        }
        assert_eq!(mapping.roles(&claims(json!({ "roles": "a b" }))), present(&["a b"]));
    }
}
