//! The policy under test: the user's own, but for the keys, which nobody can sign with.
//!
//! The keys and algorithms of each issuer are replaced by one fresh Ed25519 key, the fastest to sign and verify with, and the hash of each
//! API key by that of a key that is known here; assertions are signed with a fresh key, so that a test makes none that counts. Everything else is judged by the production core, from the bytes of a
//! token to the headers that the upstream sees.

use std::collections::BTreeMap;

use authz::{Authorizer, Bundle, BundleErrors, PluginConfiguration, RuleOutline};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::KeyPair;
use serde_json::{Map, Value, json};

use super::issuer::TestIssuer;

/// A policy with keys that the tests can sign with.
pub(crate) struct TestPolicy {
    pub(crate) authorizer: Authorizer,
    pub(crate) revision: Value,
    pub(crate) rules: Vec<RuleOutline>,
    pub(crate) issuers: Vec<TestIssuer>,
    pub(crate) credentials: Vec<TestCredential>,
    /// Each API key by its id.
    pub(crate) api_keys: BTreeMap<String, String>,
}

/// A credential of the policy, and where it is put into a request.
pub(crate) struct TestCredential {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// The issuers that it may come from; empty for all.
    pub(crate) issuers: Vec<String>,
    /// The issuer of tokens that are no JWTs.
    pub(crate) opaque: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jwt,
    ApiKey,
    Peer,
}

pub(crate) enum Place {
    Header {
        name: String,
        scheme: Option<String>,
    },
    Cookie(String),
    Query(String),
    /// The certificate of the connection; what another hop says of its client is a header that the case writes.
    Connection,
}

impl TestPolicy {
    /// Makes a policy that was found good into one that tests can use.
    pub(crate) fn new(document: &[u8]) -> Result<Self, BundleErrors> {
        let mut value: Value = serde_json::from_slice(document).unwrap_or_default();
        // A document with `bundle` or `trust` is a plugin configuration.
        if value.get("bundle").is_none() && value.get("trust").is_none() {
            value = json!({ "version": 1, "bundle": value });
        }
        let mut keys = BTreeMap::new();
        // Who holds a credential of the bundle holds it under a candidate too.
        if let Some(candidate) = value.get_mut("candidate") {
            items(candidate, "issuers").for_each(|issuer| drop(replace_keys(issuer, &mut keys)));
            candidate.get_mut("api_keys").map(replace_api_keys);
            replace_assertion_key(candidate);
        }
        let mut own = value.get_mut("bundle").map(Value::take).unwrap_or_default();
        let issuers: Vec<TestIssuer> =
            items(&mut own, "issuers").map(|issuer| replace_keys(issuer, &mut keys)).collect();
        let api_keys = own.get_mut("api_keys").map(replace_api_keys).unwrap_or_default();
        replace_assertion_key(&mut own);
        let mut credentials: Vec<_> = items(&mut own, "credentials").map(|value| credential(value)).collect();
        if credentials.is_empty() {
            let place = Place::Header { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) };
            let (name, issuers) = (String::new(), Vec::new());
            credentials.push(TestCredential { name, kind: Kind::Jwt, place, issuers, opaque: None });
        }
        let revision = own.get("revision").cloned().unwrap_or_default();
        if let Some(bundle) = value.get_mut("bundle") {
            *bundle = own;
        }
        let plugin = PluginConfiguration::parse(value.to_string().as_bytes())?;
        // A bundle that is pushed is not here: every request meets a filter without one.
        let rules = plugin.bundle().into_iter().flat_map(Bundle::rules).collect();
        Ok(Self { authorizer: plugin.into_authorizer(), revision, rules, issuers, credentials, api_keys })
    }

    /// The issuer of this name, and the tenant that the name stands for.
    pub(crate) fn issuer(&self, name: &str) -> Option<(&TestIssuer, Option<&str>)> {
        self.issuers.iter().find_map(|issuer| {
            let (_, tenant) = issuer.names.iter().find(|(own, _)| own == name)?;
            Some((issuer, tenant.as_deref()))
        })
    }

    /// The issuer of a token that names none: the first that the credential takes.
    pub(crate) fn default_issuer(&self, credential: &TestCredential, opaque: bool) -> Option<&str> {
        let wanted = if opaque { credential.opaque.as_ref() } else { credential.issuers.first() };
        let mut taken = self.issuers.iter().filter(|issuer| wanted.is_none_or(|wanted| issuer.is_named(wanted)));
        taken.next()?.names.first().map(|(name, _)| name.as_str())
    }

    /// The names of all issuers.
    pub(crate) fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().flat_map(|issuer| issuer.names.iter().map(|(name, _)| name.as_str()))
    }
}

fn items<'v>(bundle: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    bundle.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Gives an issuer that has keys one that is known here, always the same to one of this name.
fn replace_keys(issuer: &mut Value, keys: &mut BTreeMap<String, KeyPair>) -> TestIssuer {
    let settings = issuer.clone();
    let name = issuer.get("issuer").and_then(Value::as_str).unwrap_or_default();
    let has_keys = ["jwks", "secrets", "keys_from"].iter().any(|name| issuer.get(name).is_some());
    let key = has_keys.then(|| keys.entry(name.to_owned()).or_insert_with(KeyPair::generate).clone());
    if let (Some(key), Some(issuer)) = (&key, issuer.as_object_mut()) {
        let x = URL_SAFE_NO_PAD.encode(key.pk.as_ref());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test", "x": x });
        issuer.insert("jwks".to_owned(), json!({ "keys": [jwk] }));
        issuer.insert("algorithms".to_owned(), json!(["EdDSA"]));
        issuer.remove("secrets");
    }
    TestIssuer::new(&settings, key)
}

/// Has assertions signed with a key that nobody trusts.
fn replace_assertion_key(bundle: &mut Value) {
    if let Some(key) = bundle.pointer_mut("/assertion/key") {
        let pair = KeyPair::generate();
        let (x, d) = (URL_SAFE_NO_PAD.encode(pair.pk.as_ref()), URL_SAFE_NO_PAD.encode(pair.sk.seed().as_ref()));
        *key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "test", "x": x, "d": d });
    }
}

/// Gives each API key a secret that is known here; the keys by id.
fn replace_api_keys(api_keys: &mut Value) -> BTreeMap<String, String> {
    let salt = api_keys.get("salt").and_then(Value::as_str).and_then(|salt| URL_SAFE_NO_PAD.decode(salt).ok());
    let salt = salt.unwrap_or_default();
    let mut known = BTreeMap::new();
    for entry in items(api_keys, "keys").filter_map(Value::as_object_mut) {
        let key = format!("{}.test-secret", text(entry, "prefix"));
        let hash = hmac_sha256::HMAC::mac(key.as_bytes(), &salt);
        known.insert(text(entry, "id"), key);
        entry.insert("hmac_sha256".to_owned(), json!(URL_SAFE_NO_PAD.encode(hash)));
    }
    known
}

/// What the bundle, which is known to be good, says of a credential.
fn credential(value: &Value) -> TestCredential {
    let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let kind = match value.get("type").and_then(Value::as_str) {
        Some("api_key") => Kind::ApiKey,
        Some("peer") => Kind::Peer,
        _ => Kind::Jwt,
    };
    let place = match (text_at("/from/0/header"), text_at("/from/0/cookie"), text_at("/from/0/query")) {
        (Some(name), _, _) => Place::Header { name, scheme: text_at("/from/0/scheme") },
        (_, Some(name), _) => Place::Cookie(name),
        (_, _, Some(name)) => Place::Query(name),
        _ => Place::Connection,
    };
    let issuers = value.get("issuers").and_then(Value::as_array).into_iter().flatten();
    TestCredential {
        name: text_at("/name").unwrap_or_default(),
        kind,
        place,
        issuers: issuers.filter_map(Value::as_str).map(str::to_owned).collect(),
        opaque: text_at("/opaque"),
    }
}

fn text(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
