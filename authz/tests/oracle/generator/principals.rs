//! Who can ask: tokens, API keys and certificates, made once.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{
    AUDIENCE, CLASSES, GROUPS, LOGIN, METHODS_OF_AUTHENTICATION, NAMES, PARTNER, ROLES, SCOPES, TENANTS, chance, pick,
};
use crate::evaluator::NOW;
use crate::request::Peer;

const SECRET: [u8; 32] = [7; 32];
const SALT: [u8; 16] = [9; 16];
const TOKENS: usize = 400;

pub struct Principals {
    pub tokens: Vec<Token>,
    /// Each the key and its entry in the bundle.
    pub keys: Vec<(String, Arc<Value>)>,
    pub peers: Vec<Peer>,
}

pub struct Token {
    pub claims: Arc<Value>,
    pub text: String,
    /// The certificate that it is bound to.
    pub bound_to: Option<Peer>,
}

impl Principals {
    pub fn new(rng: &mut Rng) -> Self {
        let peers: Vec<Peer> = [
            (Some("spiffe://example.org/ingress"), None, None),
            (Some("spiffe://t1/alice"), Some("web.example.com"), None),
            (None, Some("web.example.com"), Some("CN=web")),
            (None, None, Some("CN=alice")),
            (Some("https://example.org/x"), None, None),
        ]
        .into_iter()
        .enumerate()
        .map(|(number, (uri_san, dns_san, subject_name))| peer(number, uri_san, dns_san, subject_name))
        .collect();
        let keys = [
            json!({ "scopes": ["read"], "owner": "alice" }),
            json!({ "scopes": ["read", "write"], "roles": ["editor"], "owner": "bob" }),
            json!({ "groups": ["staff", "ops"], "owner": "carol" }),
        ];
        let keys = keys.into_iter().enumerate().map(|(number, entry)| api_key(number, entry)).collect();
        let tokens = (0..TOKENS).map(|_| token(rng, &peers)).collect();
        Self { tokens, keys, peers }
    }

    pub fn issuers(&self) -> Value {
        let secrets = json!([{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET), "alg": "HS256" }]);
        json!([
            { "issuer": LOGIN, "audiences": [AUDIENCE], "algorithms": ["HS256"], "secrets": secrets },
            { "issuer": PARTNER, "tenants": TENANTS, "audiences": [AUDIENCE], "algorithms": ["HS256"], "secrets": secrets },
        ])
    }

    pub fn api_keys(&self) -> Value {
        let entries: Vec<&Value> = self.keys.iter().map(|(_, entry)| &**entry).collect();
        json!({ "salt": URL_SAFE_NO_PAD.encode(SALT), "keys": entries })
    }
}

fn peer(number: usize, uri_san: Option<&str>, dns_san: Option<&str>, subject_name: Option<&str>) -> Peer {
    let hash = hmac_sha256::Hash::hash(&number.to_be_bytes());
    let name = |name: Option<&str>| name.map(str::to_owned);
    Peer {
        uri_san: name(uri_san),
        dns_san: name(dns_san),
        subject_name: name(subject_name),
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        thumbprint: URL_SAFE_NO_PAD.encode(hash),
    }
}

fn api_key(number: usize, mut entry: Value) -> (String, Arc<Value>) {
    let key = format!("key-{number}.{number}");
    entry["id"] = Value::from(format!("key-{number}"));
    entry["prefix"] = entry["id"].clone();
    entry["hmac_sha256"] = Value::from(URL_SAFE_NO_PAD.encode(hmac_sha256::HMAC::mac(key.as_bytes(), SALT)));
    (key, Arc::new(entry))
}

fn token(rng: &mut Rng, peers: &[Peer]) -> Token {
    let mut claims = claims(rng);
    let bound_to = if chance(rng, 15) { Some(pick(rng, peers).clone()) } else { None };
    if let Some(peer) = &bound_to {
        claims.insert("cnf".to_owned(), json!({ "x5t#S256": peer.thumbprint }));
    }
    let claims = Value::Object(claims);
    Token { text: sign(&claims), claims: Arc::new(claims), bound_to }
}

/// The token with these claims.
pub fn sign(claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256::HMAC::mac(signed.as_bytes(), SECRET));
    format!("{signed}.{signature}")
}

/// Claims that are there or not, null, of the right type or of a wrong one.
fn claims(rng: &mut Rng) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut set = |rng: &mut Rng, name: &str, percent: u32, values: &[Value]| {
        if chance(rng, percent) {
            claims.insert(name.to_owned(), pick(rng, values).clone());
        }
    };
    let (subject, other) = (*pick(rng, &NAMES), *pick(rng, &NAMES));
    let scopes = |rng: &mut Rng| Value::from(subset(rng, &SCOPES));
    let spaced = |rng: &mut Rng| Value::from(subset(rng, &SCOPES).join(" "));
    set(rng, "sub", 90, &[json!(subject)]);
    set(rng, "jti", 80, &[json!("token-1"), json!("token-2"), json!("token-3")]);
    set(rng, "aud", 100, &[json!(AUDIENCE), json!([AUDIENCE, "other"]), json!(["eu", AUDIENCE])]);
    set(rng, "exp", 100, &[json!(NOW + 100_000)]);
    set(rng, "client_id", 60, &[json!("web"), json!("cli"), json!("web"), json!(17), Value::Null, json!(["web"])]);
    set(rng, "azp", 40, &[json!("web"), json!("cli"), json!("cli"), json!(true)]);
    let scope = [spaced(rng), spaced(rng), scopes(rng), json!(17), Value::Null, json!([1, "read"]), json!("")];
    set(rng, "scope", 80, &scope);
    let scp = [scopes(rng), spaced(rng), json!({ "read": true })];
    set(rng, "scp", 20, &scp);
    for (name, values) in [("roles", &ROLES), ("groups", &GROUPS), ("amr", &METHODS_OF_AUTHENTICATION)] {
        let list = Value::from(subset(rng, values));
        let values =
            [list.clone(), list, json!(pick(rng, values)), json!("a b"), json!({}), json!(["eu", null]), Value::Null];
        set(rng, name, 80, &values);
    }
    set(rng, "acr", 80, &[json!(CLASSES[0]), json!(CLASSES[1]), json!(CLASSES[2]), json!(0), json!(["gold"])]);
    let ages = [0, 1, 60, 61, 120, 299, 300, 301, 4000].map(|age| json!(NOW - age));
    set(rng, "auth_time", 80, &ages);
    if chance(rng, 10) {
        set(
            rng,
            "auth_time",
            100,
            &[json!("now"), json!(-5), json!(1_799_999_939.5), json!(NOW + 30), Value::Null, json!(NOW + 4000)],
        );
    }
    let actors = [
        json!({ "sub": subject }),
        json!({ "sub": "bob" }),
        json!({ "sub": "alice", "act": { "sub": other } }),
        json!({ "sub": "alice", "act": { "sub": "bob", "act": { "sub": "alice" } } }),
        json!({ "sub": "alice", "act": null }),
        json!({ "sub": "alice", "act": "bob" }),
        json!({ "sub": 17 }),
        chain_of_actors(8),
        chain_of_actors(9),
        json!({ "iss": "x" }),
        json!("bob"),
        Value::Null,
    ];
    set(rng, "act", 50, &actors);
    let numbers = [
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-3),
        json!(-0.0),
        json!(17),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!("1"),
        json!(true),
        Value::Null,
        json!([1]),
    ];
    set(rng, "level", 90, &numbers);
    set(rng, "verified", 80, &[json!(true), json!(false), json!("true"), json!(1), Value::Null, json!({})]);
    set(
        rng,
        "name",
        80,
        &[
            json!("eu-1"),
            json!("EU"),
            json!(""),
            json!("eu"),
            json!("caf\u{e9}"),
            json!("eu\n"),
            json!(17),
            json!(["eu"]),
        ],
    );
    let address = [
        json!({ "country": "eu" }),
        json!({ "country": null }),
        json!({ "country": ["eu"] }),
        json!({}),
        json!("eu"),
        Value::Null,
    ];
    set(rng, "address", 80, &address);
    let lists = [
        json!([]),
        json!(["eu"]),
        json!(["eu", "us", 1]),
        json!([1, 1.5, true]),
        json!([["eu"], "us"]),
        json!([null, "eu"]),
        json!([{ "eu": 1 }]),
        json!("eu"),
        json!({ "0": "eu" }),
        Value::Null,
        json!(["us"]),
        json!(["eu", "us"]),
    ];
    set(rng, "list", 90, &lists);
    set(rng, "https://example.com/list", 50, &lists);
    let details = [
        json!([{ "type": "order", "actions": ["read", "write"], "limit": 20, "of": subject }]),
        json!([{ "type": "order", "actions": "read", "limit": "20" }, { "type": "order", "actions": ["read"], "of": "17" }]),
        json!([{ "type": "order" }, { "type": "user", "actions": ["read"], "limit": 5, "of": other }]),
        json!(["order", { "type": "order", "limit": 10.0 }]),
        json!([["type", "order"], null]),
        json!([{ "type": 1 }]),
        json!({ "type": "order" }),
        json!([]),
    ];
    set(rng, "details", 80, &details);
    let (issuer, tenant) = if chance(rng, 30) {
        let tenant = *pick(rng, &TENANTS);
        (PARTNER.replace("{tenant}", tenant), vec![json!(tenant)])
    } else {
        (LOGIN.to_owned(), vec![json!("t1"), json!("t2"), json!("t1"), json!(3)])
    };
    set(rng, "iss", 100, &[json!(issuer)]);
    set(rng, "tid", 70, &tenant);
    claims
}

fn chain_of_actors(length: u32) -> Value {
    (1..length).fold(json!({ "sub": "alice" }), |act, _| json!({ "sub": "alice", "act": act }))
}

fn subset(rng: &mut Rng, of: &[&str]) -> Vec<String> {
    of.iter().filter(|_| chance(rng, 55)).map(|value| (*value).to_owned()).collect()
}
