//! Which claims say what about a principal.

use crate::document::{Fields, Node};
use crate::json::{Json, JsonObject};
use crate::matching::Pointer;
use crate::principal::Attribute;
use crate::time::UnixTime;

/// Where the attributes of a principal are in one issuer's tokens. For each, the pointers are tried together: the values
/// of a set are united; of a single value the first that is there counts.
#[derive(Debug)]
pub(crate) struct ClaimMapping {
    audience: Vec<Pointer>,
    subject: Vec<Pointer>,
    client: Vec<Pointer>,
    tenant: Vec<Pointer>,
    session: Vec<Pointer>,
    scopes: Vec<Pointer>,
    roles: Vec<Pointer>,
    groups: Vec<Pointer>,
    acr: Vec<Pointer>,
    amr: Vec<Pointer>,
    auth_time: Vec<Pointer>,
}

impl ClaimMapping {
    /// Reads the field `claims` of an issuer; what it leaves out has the claim names of the standards.
    pub(super) fn read(node: Option<&Node<'_>>) -> Option<Self> {
        let fields = match node {
            Some(node) => Some(node.object(&[
                "audience",
                "subject",
                "client",
                "tenant",
                "session",
                "scopes",
                "roles",
                "groups",
                "acr",
                "amr",
                "auth_time",
            ])?),
            None => None,
        };
        let pointers = |name, standard: &[&str]| read_pointers(fields.as_ref(), name, standard);
        let (audience, subject) = (pointers("audience", &["aud"]), pointers("subject", &["sub"]));
        // RFC 9068 section 2.2; `azp` of OpenID Connect, where a provider has no `client_id`.
        let (client, tenant) = (pointers("client", &["client_id", "azp"]), pointers("tenant", &["tid"]));
        let session = pointers("session", &["sid"]);
        // RFC 9068 section 2.2.3 and 7.2.1.1 (RFC 7643); `scp` as Entra ID and Okta write it.
        let (scopes, roles, groups) =
            (pointers("scopes", &["scope", "scp"]), pointers("roles", &["roles"]), pointers("groups", &["groups"]));
        // RFC 9068 section 2.2.1.
        let (acr, amr, auth_time) =
            (pointers("acr", &["acr"]), pointers("amr", &["amr"]), pointers("auth_time", &["auth_time"]));
        Some(Self {
            audience: audience?,
            subject: subject?,
            client: client?,
            tenant: tenant?,
            session: session?,
            scopes: scopes?,
            roles: roles?,
            groups: groups?,
            acr: acr?,
            amr: amr?,
            auth_time: auth_time?,
        })
    }

    pub(super) fn audience(&self, claims: JsonObject<'_>) -> Attribute<Vec<String>> {
        strings(&self.audience, claims, one)
    }

    pub(crate) fn subject(&self, claims: JsonObject<'_>) -> Attribute<String> {
        string(&self.subject, claims)
    }

    pub(crate) fn client(&self, claims: JsonObject<'_>) -> Attribute<String> {
        string(&self.client, claims)
    }

    pub(super) fn tenant(&self, claims: JsonObject<'_>) -> Attribute<String> {
        string(&self.tenant, claims)
    }

    pub(crate) fn session(&self, claims: JsonObject<'_>) -> Attribute<String> {
        string(&self.session, claims)
    }

    /// Scopes: a space-separated string (RFC 6749 section 3.3) or a list of strings.
    pub(crate) fn scopes(&self, claims: JsonObject<'_>) -> Attribute<Vec<String>> {
        strings(&self.scopes, claims, |text| {
            text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        })
    }

    pub(crate) fn roles(&self, claims: JsonObject<'_>) -> Attribute<Vec<String>> {
        strings(&self.roles, claims, one)
    }

    pub(crate) fn groups(&self, claims: JsonObject<'_>) -> Attribute<Vec<String>> {
        strings(&self.groups, claims, one)
    }

    pub(crate) fn acr(&self, claims: JsonObject<'_>) -> Attribute<String> {
        string(&self.acr, claims)
    }

    pub(crate) fn amr(&self, claims: JsonObject<'_>) -> Attribute<Vec<String>> {
        strings(&self.amr, claims, one)
    }

    pub(crate) fn auth_time(&self, claims: JsonObject<'_>) -> Attribute<UnixTime> {
        match first(&self.auth_time, claims) {
            Attribute::Absent => Attribute::Absent,
            Attribute::Present(Json::Number(number)) => {
                UnixTime::from_numeric_date(number).map_or(Attribute::Malformed, Attribute::Present)
            }
            Attribute::Present(_) | Attribute::Malformed => Attribute::Malformed,
        }
    }
}

fn read_pointers<'n>(fields: Option<&Fields<'n>>, name: &'n str, standard: &[&str]) -> Option<Vec<Pointer>> {
    match fields.and_then(|fields| fields.optional(name)) {
        Some(node) => node.filled_list(Pointer::read),
        None => Some(standard.iter().map(|name| Pointer::to_claim(name)).collect()),
    }
}

/// A string is one value, whatever is in it.
fn one(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

/// The value at the first pointer whose claim is there.
fn first<'c>(pointers: &[Pointer], claims: JsonObject<'c>) -> Attribute<Json<'c>> {
    let mut found = pointers.iter().map(|pointer| pointer.find(claims));
    found.find(|found| !matches!(found, Attribute::Absent)).unwrap_or_default()
}

fn string(pointers: &[Pointer], claims: JsonObject<'_>) -> Attribute<String> {
    match first(pointers, claims) {
        Attribute::Absent => Attribute::Absent,
        Attribute::Present(Json::Text(text)) if !text.is_empty() => Attribute::Present(text.to_owned()),
        Attribute::Present(_) | Attribute::Malformed => Attribute::Malformed,
    }
}

/// The values at all pointers together; malformed if one of them is.
fn strings(
    pointers: &[Pointer],
    claims: JsonObject<'_>,
    split: impl Fn(&str) -> Vec<String>,
) -> Attribute<Vec<String>> {
    let mut found: Attribute<Vec<String>> = Attribute::Absent;
    for pointer in pointers {
        let more = match pointer.find(claims) {
            Attribute::Absent => continue,
            Attribute::Present(Json::Text(text)) => Some(split(text)),
            Attribute::Present(Json::List(items)) => {
                items.iter().map(|item| item.as_text().map(str::to_owned)).collect()
            }
            Attribute::Present(_) | Attribute::Malformed => None,
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn absent_malformed_and_present_are_three_states() {
        let present = |values: &[&str]| Attribute::Present(values.iter().map(|value| (*value).to_owned()).collect());
        let mapping = ClaimMapping::read(None).unwrap();
        for (claims, scopes) in [
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
            assert_eq!(mapping.scopes(claims.as_object().unwrap().into()), scopes, "{claims}");
        }
        let claims = json!({ "roles": "a b", "azp": "c", "acr": 1, "auth_time": 5.5, "sub": "" });
        let claims = JsonObject::from(claims.as_object().unwrap());
        assert_eq!(mapping.roles(claims), present(&["a b"]));
        assert_eq!(mapping.client(claims), Attribute::Present("c".to_owned()));
        assert_eq!((mapping.acr(claims), mapping.subject(claims)), (Attribute::Malformed, Attribute::Malformed));
        assert_eq!(mapping.auth_time(claims), Attribute::Present(UnixTime::from_millis(5500)));
    }
}
