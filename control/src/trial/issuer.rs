//! An issuer under test: what it says of somebody, good by default, and its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::KeyPair;
use serde_json::{Map, Value, json};

/// How long a token is good where a case does not say, in seconds.
const LIFETIME_SECONDS: u64 = 300;

/// The presets, from which the core completes an issuer.
const PRESETS: &str = include_str!("../../../authz/presets.json");

/// An issuer of the policy.
pub(crate) struct TestIssuer {
    /// Its name or, for a template, one for each tenant.
    pub(crate) names: Vec<(String, Option<String>)>,
    /// Signs its tokens; none if only its authorization server can tell what is in them.
    pub(crate) key: Option<KeyPair>,
    /// Its fields, with those of its preset.
    settings: Value,
}

impl TestIssuer {
    pub(crate) fn new(own: &Value, key: Option<KeyPair>) -> Self {
        let name = own.get("issuer").and_then(Value::as_str).unwrap_or_default();
        let tenants = own.get("tenants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let mut names: Vec<_> =
            tenants.map(|tenant| (name.replace("{tenant}", tenant), Some(tenant.to_owned()))).collect();
        if names.is_empty() {
            names.push((name.to_owned(), None));
        }
        let presets: Value = serde_json::from_str(PRESETS).unwrap_or_default();
        let preset = own.get("preset").and_then(Value::as_str).and_then(|name| presets.get(name));
        Self { names, key, settings: overlaid(preset.unwrap_or(&Value::Null), own) }
    }

    /// Whether this name, or template, stands for it.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let template = self.settings.get("issuer").and_then(Value::as_str);
        template == Some(name) || self.names.iter().any(|(own, _)| own == name)
    }

    /// The claims of a good token: everything that this issuer's tokens must have.
    pub(crate) fn claims(&self, name: &str, tenant: Option<&str>, now: u64) -> Map<String, Value> {
        let lifetime = self.number("max_lifetime_seconds").map_or(LIFETIME_SECONDS, |most| most.min(LIFETIME_SECONDS));
        let mut claims = Map::new();
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(now.saturating_add(lifetime)));
        if name.starts_with("spiffe://") {
            claims.insert("sub".to_owned(), json!(format!("{name}/test")));
        } else {
            claims.insert("iss".to_owned(), json!(name));
            claims.insert("sub".to_owned(), json!("test-user"));
        }
        if let Some(audience) = self.audience() {
            add(&mut claims, self.pointer("audience", "/aud"), audience);
        }
        if let Some(tenant) = tenant {
            add(&mut claims, self.pointer("tenant", "/tid"), json!(tenant));
        }
        self.add_required("required_claims", &mut claims);
        claims
    }

    /// The JOSE header of a good token.
    pub(crate) fn header(&self) -> Map<String, Value> {
        let mut header = Map::from_iter([("alg".to_owned(), json!("EdDSA")), ("kid".to_owned(), json!("test"))]);
        let types = self.settings.get("token_types").and_then(Value::as_array);
        let token_type = match types {
            None => Some("JWT"),
            Some(types) => types.iter().find_map(Value::as_str),
        };
        header.extend(token_type.map(|token_type| ("typ".to_owned(), json!(token_type))));
        self.add_required("required_header", &mut header);
        header
    }

    /// A token in compact serialization.
    pub(crate) fn sign(key: &KeyPair, header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
        let part =
            |members: &Map<String, Value>| URL_SAFE_NO_PAD.encode(serde_json::to_vec(members).unwrap_or_default());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = key.sk.sign(signed.as_bytes(), None);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// Adds what must be there and is not, so that it passes.
    fn add_required(&self, field: &str, members: &mut Map<String, Value>) {
        let required = self.settings.get(field).and_then(Value::as_array).into_iter().flatten();
        for test in required {
            match test {
                Value::String(name) => {
                    members.entry(name.clone()).or_insert_with(|| json!(format!("test-{name}")));
                }
                test => {
                    let pointer = test.get("pointer").and_then(Value::as_str).unwrap_or_default();
                    if let Some(value) = passing(test) {
                        add(members, pointer, value);
                    }
                }
            }
        }
    }

    /// Who we are to this issuer.
    fn audience(&self) -> Option<Value> {
        let audiences = self.settings.get("audiences")?;
        audiences.get("all").or_else(|| audiences.get(0)).cloned()
    }

    /// Where the claims have an attribute: the first of the places where it is looked for.
    fn pointer<'s>(&'s self, attribute: &str, default: &'s str) -> &'s str {
        let pointers = self.settings.get("claims").and_then(|claims| claims.get(attribute));
        pointers.and_then(|pointers| pointers.get(0)).and_then(Value::as_str).unwrap_or(default)
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.settings.get(field).and_then(Value::as_u64)
    }
}

/// A value that passes a test of the bundle; none where nothing has to be there, or nobody can guess it.
fn passing(test: &Value) -> Option<Value> {
    let member = |name: &str| test.get(name).cloned();
    let one_of = || test.get("one_of").and_then(|values| values.get(0)).cloned();
    let exists = || (test.get("exists") == Some(&json!(true))).then(|| json!("test"));
    member("equals")
        .or_else(one_of)
        .or_else(|| member("contains").map(|value| json!([value])))
        .or_else(|| member("prefix"))
        .or_else(|| member("suffix"))
        .or_else(exists)
}

/// Puts a value at a JSON Pointer (RFC 6901), and the objects around it, unless something is there.
fn add(members: &mut Map<String, Value>, pointer: &str, value: Value) {
    let (name, rest) = match pointer.strip_prefix('/').unwrap_or(pointer).split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (pointer.strip_prefix('/').unwrap_or(pointer), None),
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match rest {
        None => {
            members.entry(name).or_insert(value);
        }
        Some(rest) => {
            let inner = members.entry(name).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                add(inner, rest, value);
            }
        }
    }
}

/// `own` over `preset`, as the core does it: objects are merged member by member, everything else is replaced.
fn overlaid(preset: &Value, own: &Value) -> Value {
    match (preset, own) {
        (Value::Object(preset), Value::Object(own)) => {
            let mut merged = preset.clone();
            for (name, value) in own {
                let below = preset.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), overlaid(below, value));
            }
            Value::Object(merged)
        }
        (_, own) => own.clone(),
    }
}
