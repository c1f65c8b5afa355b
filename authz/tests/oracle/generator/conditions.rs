//! Random conditions.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::tests::{claim_test, number_test, region_test, text_test};
use super::{
    AUDIENCE, CLASSES, CLIENTS, GROUPS, HEADERS, LOGIN, METHODS_OF_AUTHENTICATION, NAMES, PARAMETERS, PARTNER, ROLES,
    SCOPES, TENANTS, chance, pick, some,
};

const NETWORKS: [&str; 6] = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0", "::/0", "203.0.113.0/24"];
const KINDS: [&str; 4] = ["user", "user", "service", "key"];

const FIELDS_OF_TOKEN: [&str; 14] = [
    "issuers",
    "subjects",
    "clients",
    "tenants",
    "audiences",
    "scopes",
    "roles",
    "groups",
    "claims",
    "claims",
    "claims",
    "authentication",
    "proof_of_possession",
    "actors",
];

/// What conditions can speak of in a rule.
pub struct Scope {
    /// The variables that every path of the target has.
    pub variables: Vec<String>,
    /// The credential that the condition is about.
    credential: String,
    /// How many levels of conditions may follow.
    depth: u32,
}

impl Scope {
    pub fn of(target: &Value, first: &str) -> Self {
        let paths: Vec<Vec<String>> = target["paths"].as_array().into_iter().flatten().map(variables).collect();
        let in_all = |variable: &&String| paths.iter().all(|path| path.contains(variable));
        let variables = paths.first().into_iter().flatten().filter(in_all).cloned().collect();
        Self { variables, credential: first.to_owned(), depth: 2 }
    }

    fn about(&self, credential: &str) -> Self {
        Self { variables: self.variables.clone(), credential: credential.to_owned(), depth: self.depth }
    }

    fn below(&self) -> Self {
        Self { depth: self.depth - 1, ..self.about(&self.credential) }
    }
}

fn variables(template: &Value) -> Vec<String> {
    let parts = template.as_str().unwrap().split('/');
    let names = parts.filter_map(|part| part.strip_prefix('{')?.split(['}', '=']).next());
    names.map(str::to_owned).collect()
}

/// One to three fields of any kind.
pub fn condition(rng: &mut Rng, scope: &Scope) -> Value {
    let mut condition = Map::new();
    let named = chance(rng, 20).then(|| if chance(rng, 15) { "workload" } else { pick(rng, &KINDS) });
    let about = named.map_or_else(|| scope.about(&scope.credential), |name| scope.about(name));
    if let Some(name) = named {
        condition.insert("credential".to_owned(), Value::from(name));
    }
    for _ in 0..*pick(rng, &[1, 1, 1, 2, 2, 3]) {
        let (name, wanted) = match rng.u32(..20) {
            0 => ("attributes", json!([attribute_test(rng, scope, &["level", "verified", "risk"])])),
            1..=13 => field_of_credential(rng, &about),
            _ => field_of_request(rng, scope),
        };
        condition.insert(name.to_owned(), wanted);
    }
    if scope.depth > 0 && chance(rng, 30) {
        nest(rng, scope, &mut condition, condition_below);
    }
    Value::Object(condition)
}

fn condition_below(rng: &mut Rng, scope: &Scope) -> Value {
    condition(rng, scope)
}

/// Only what a public rule may ask.
pub fn of_request(rng: &mut Rng, scope: &Scope) -> Value {
    let (name, wanted) = field_of_request(rng, scope);
    let mut condition = Map::from_iter([(name.to_owned(), wanted)]);
    if scope.depth > 0 && chance(rng, 30) {
        nest(rng, scope, &mut condition, of_request);
    }
    Value::Object(condition)
}

/// Mostly a matter of scopes, so that often nothing else is missing.
pub fn of_scopes(rng: &mut Rng, scope: &Scope) -> Value {
    let demand = json!({ "scopes": demand(rng, &SCOPES) });
    match rng.u32(..10) {
        0 => json!({ "any": [demand, condition(rng, &scope.below())] }),
        1 => json!({ "all": [demand, condition(rng, &scope.below())] }),
        2 => json!({ "not": { "not": demand } }),
        _ => demand,
    }
}

/// Mostly a matter of authentication.
pub fn of_authentication(rng: &mut Rng, scope: &Scope) -> Value {
    let demand = json!({ "authentication": authentication(rng) });
    match rng.u32(..10) {
        0 => json!({ "any": [demand, condition(rng, &scope.below())] }),
        1 => json!({ "all": [demand, condition(rng, &scope.below())] }),
        2 => json!({ "authentication": authentication(rng), "scopes": { "any": ["read"] } }),
        _ => demand,
    }
}

fn nest(rng: &mut Rng, scope: &Scope, condition: &mut Map<String, Value>, inner: fn(&mut Rng, &Scope) -> Value) {
    let below = scope.below();
    let count = rng.usize(1..=3);
    let (name, wanted) = match rng.u32(..3) {
        0 => ("all", (0..count).map(|_| inner(rng, &below)).collect()),
        1 => ("any", (0..count).map(|_| inner(rng, &below)).collect()),
        _ => ("not", inner(rng, &below)),
    };
    if chance(rng, 50) {
        condition.retain(|name, _| name == "credential");
    }
    condition.insert(name.to_owned(), wanted);
}

fn field_of_credential(rng: &mut Rng, scope: &Scope) -> (&'static str, Value) {
    let is_token = matches!(&*scope.credential, "user" | "service");
    // Mostly what such a credential has.
    let fields: &[&'static str] = match &*scope.credential {
        "workload" if chance(rng, 80) => &["subjects", "tenants", "claims"],
        "key" if chance(rng, 80) => &["subjects", "clients", "scopes", "roles", "groups"],
        _ => &FIELDS_OF_TOKEN,
    };
    let name = *pick(rng, fields);
    let wanted = match name {
        "issuers" => Value::from(some(rng, &[LOGIN, PARTNER, "https://partner.example/t1/v2"])),
        "subjects" => {
            Value::from(some(rng, if is_token { &NAMES } else { &["alice", "bob", "spiffe://t1/alice", "CN=alice"] }))
        }
        "clients" => Value::from(some(rng, &CLIENTS)),
        "tenants" => Value::from(some(rng, &TENANTS)),
        "audiences" => Value::from(some(rng, &[AUDIENCE, "other", "eu"])),
        "scopes" => demand(rng, &SCOPES),
        "roles" => demand(rng, &ROLES),
        "groups" => demand(rng, &GROUPS),
        "claims" => (0..*pick(rng, &[1, 1, 2])).map(|_| claim_test(rng, scope)).collect(),
        "authentication" => authentication(rng),
        "proof_of_possession" => Value::from(rng.bool()),
        _ => Value::from(some(rng, &NAMES)),
    };
    (name, wanted)
}

/// What the bundle declares: two attributes of the user and two that a hop writes.
pub fn attributes() -> Value {
    json!([
        { "name": "level", "type": "number", "claim": "/level", "credential": "user" },
        { "name": "verified", "type": "boolean", "claim": "/verified" },
        { "name": "region", "type": "string", "header": "x-region", "by": [{ "uri_san": "spiffe://example.org/ingress" }, { "network": "10.0.0.0/8" }] },
        { "name": "risk", "type": "number", "header": "X-Level", "by": [{ "network": "0.0.0.0/0" }] },
    ])
}

fn attribute_test(rng: &mut Rng, scope: &Scope, names: &[&str]) -> Value {
    let name = *pick(rng, names);
    let mut test = match name {
        _ if chance(rng, 15) => json!({ "exists": rng.bool() }),
        "verified" => json!({ "equals": rng.bool() }),
        "region" => region_test(rng, scope),
        _ => number_test(rng),
    };
    test["name"] = Value::from(name);
    test
}

fn field_of_request(rng: &mut Rng, scope: &Scope) -> (&'static str, Value) {
    match rng.u32(..4) {
        3 => ("attributes", json!([attribute_test(rng, scope, &["region", "risk"])])),
        0 => {
            let mut source = json!({ "networks": some(rng, &NETWORKS) });
            if chance(rng, 60) {
                source["trusted_hops"] = Value::from(rng.u32(..=2));
            }
            ("source", source)
        }
        1 => {
            let mut test = text_test(rng, scope);
            test["name"] = Value::from(*pick(rng, &HEADERS));
            if chance(rng, 20) {
                let hops = [
                    json!({ "uri_san": "spiffe://example.org/ingress" }),
                    json!({ "network": "10.0.0.0/8" }),
                    json!({ "dns_san": "web.example.com", "network": "10.0.0.0/8" }),
                ];
                test["by"] = (0..rng.usize(1..=2)).map(|_| pick(rng, &hops).clone()).collect();
            }
            ("headers", json!([test]))
        }
        _ => {
            let mut test = text_test(rng, scope);
            test["name"] = Value::from(*pick(rng, &PARAMETERS));
            ("query", json!([test]))
        }
    }
}

fn authentication(rng: &mut Rng) -> Value {
    let mut wanted = json!({});
    let only = rng.usize(..6);
    if only == 0 || only > 3 {
        wanted["acr"] = Value::from(some(rng, &CLASSES));
    }
    if only == 1 || only == 4 {
        wanted["amr"] = demand(rng, &METHODS_OF_AUTHENTICATION);
    }
    if matches!(only, 2 | 3 | 5) {
        wanted["max_age_seconds"] = json!(pick(rng, &[0, 60, 300]));
    }
    wanted
}

fn demand(rng: &mut Rng, of: &[&str]) -> Value {
    match rng.u32(..5) {
        0 | 1 => json!({ "all": some(rng, of) }),
        2 | 3 => json!({ "any": some(rng, of) }),
        _ => json!({ "all": some(rng, of), "any": some(rng, of) }),
    }
}
