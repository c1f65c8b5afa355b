//! A conformance case in the form of our bundle. Shared by those who run the suites: natively and in Node
//! (`authz/src/conformance.rs`), and through the module (`host-tests/tests/cases/conformance.rs`).

use authz::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A suite.
#[derive(Deserialize)]
pub struct Suite {
    pub count: usize,
    pub cases: Vec<Case>,
}

/// A case: token, keys, time, and what must become of it.
#[derive(Clone, Deserialize)]
pub struct Case {
    pub id: String,
    pub jwks: Value,
    pub token: String,
    pub alg_allowed: Vec<String>,
    pub now: u64,
    pub layer: String,
    pub expect: String,
    pub expect_http: String,
    pub clock: Option<String>,
    pub profile: Option<Profile>,
    #[serde(default)]
    pub claim_checks: Vec<ClaimCheck>,
}

/// A test of one claim: the elements of `path` are whole member names.
#[derive(Clone, Deserialize)]
pub struct ClaimCheck {
    pub path: Vec<String>,
    pub op: String,
    pub value: Value,
    pub result: bool,
}

/// What a case demands of a token.
#[derive(Clone, Deserialize)]
pub struct Profile {
    /// None where the token has no issuer, as a SPIFFE JWT-SVID.
    pub issuers: Option<Vec<String>>,
    /// None where the token has no audience, as an access token of Cognito.
    pub audiences: Option<Vec<String>>,
    pub require: Vec<String>,
    pub leeway_s: u64,
    pub typ: Vec<Value>,
    pub max_lifetime_s: Option<u64>,
}

/// A case that is decided otherwise here, and why.
#[derive(Deserialize)]
pub struct Exception {
    pub id: String,
    pub reason: String,
}

impl Default for Profile {
    /// For the cases that are about signatures only.
    fn default() -> Self {
        Self {
            issuers: Some(vec!["https://idp.example.com/".to_owned()]),
            audiences: Some(vec!["orders-api".to_owned()]),
            require: Vec::new(),
            leeway_s: 60,
            typ: vec![Value::Null, json!("jwt"), json!("at+jwt")],
            max_lifetime_s: None,
        }
    }
}

impl Case {
    /// The bundle that an operator would write for this case: `/orders` is for everybody whose token is good, and
    /// `/checks/N` for those of whom claim check number N holds.
    pub fn bundle(&self) -> Value {
        let mut rules = vec![json!({ "id": "any", "effect": "permit", "target": { "paths": ["/orders"] } })];
        // A number that is not exact cannot be written into a rule, and where no rule permits the check does not hold.
        let checks = self.claim_checks.iter().enumerate().filter(|(_, check)| !check.value.is_f64());
        rules.extend(checks.map(|(number, check)| {
            let (id, target) = (format!("check-{number}"), json!({ "paths": [format!("/checks/{number}")] }));
            json!({ "id": id, "effect": "permit", "target": target, "condition": check.condition() })
        }));
        json!({ "version": 1, "revision": 1, "issuers": self.issuers(), "rules": rules })
    }

    /// The issuers of that bundle. HMAC is allowed where there is a secret, public keys where there are some.
    pub fn issuers(&self) -> Vec<Value> {
        let keys = self.jwks.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
        let (secrets, public): (Vec<Value>, Vec<Value>) =
            keys.into_iter().partition(|key| key.get("kty").is_some_and(|kty| kty == "oct"));
        let algorithms: Vec<&String> = self
            .alg_allowed
            .iter()
            .filter(|name| Algorithm::from_name(name).is_some())
            .filter(|name| if name.starts_with("HS") { !secrets.is_empty() } else { !public.is_empty() })
            .collect();
        let profile = self.profile.clone().unwrap_or_default();
        let issuer = |name: &String| {
            let optional = [
                ("required_claims", (!profile.require.is_empty()).then(|| json!(profile.require))),
                ("max_lifetime_seconds", profile.max_lifetime_s.map(|longest| json!(longest))),
                ("jwks", (!public.is_empty()).then(|| json!({ "keys": public }))),
                ("secrets", (!secrets.is_empty()).then(|| json!(secrets))),
            ];
            let required = [
                ("issuer", json!(name)),
                ("audiences", json!(profile.audiences.as_deref().unwrap_or(&["client1".to_owned()]))),
                ("algorithms", json!(algorithms)),
                ("leeway_seconds", json!(profile.leeway_s)),
                ("token_types", json!(profile.typ)),
                ("claims", Value::Object(self.claims(&profile))),
            ];
            let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let members = required.into_iter().chain(optional).map(|(name, value)| (name.to_owned(), value));
            Value::Object(Map::from_iter(members))
        };
        profile.issuers.as_deref().unwrap_or(&["spiffe://example.org".to_owned()]).iter().map(issuer).collect()
    }

    /// Where the attributes are that this token has somewhere else.
    fn claims(&self, profile: &Profile) -> Map<String, Value> {
        let audience = profile.audiences.is_none().then(|| ("audience".to_owned(), json!(["/client_id"])));
        let scopes = self.claim_checks.iter().find(|check| check.op == "has_scope");
        let scopes = scopes.map(|check| ("scopes".to_owned(), json!([check.pointer()])));
        audience.into_iter().chain(scopes).collect()
    }
}

impl ClaimCheck {
    /// The check as the condition of a rule.
    fn condition(&self) -> Value {
        let pointer = self.pointer();
        match self.op.as_str() {
            "has_scope" => json!({ "scopes": { "all": [self.value] } }),
            "in" => json!({ "claims": [{ "pointer": pointer, "one_of": self.value }] }),
            "exists" => json!({ "claims": [{ "pointer": pointer, "exists": true }] }),
            op => json!({ "claims": [{ "pointer": pointer, op: self.value }] }),
        }
    }

    fn pointer(&self) -> String {
        let escaped = self.path.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
        format!("/{}", escaped.collect::<Vec<_>>().join("/"))
    }
}
