//! What decisions are measured with: rules and tokens as services and common providers have them.

use serde_json::{Map, Value, json};

/// A rule about a claim, for the paths of one service.
pub fn claim_rule(number: usize, effect: &str) -> Value {
    json!({
        "id": format!("rule-{number}"),
        "effect": effect,
        "target": { "methods": ["GET"], "paths": [format!("/service-{number}/items/{{id}}")] },
        "condition": { "claims": [{ "pointer": "/team", "equals": "shop" }] },
    })
}

/// A plugin configuration with a policy that trusts these keys and has so many [`claim_rule`]s and a public one; `more` are further members of
/// its bundle.
pub fn plugin(keys: &[Value], rules: usize, effect: &str, more: &Value) -> Value {
    let issuer = json!({
        "issuer": "https://idp.example.com/",
        "audiences": ["orders-api"],
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "jwks": { "keys": keys },
    });
    let public = json!({ "id": "public", "effect": "permit", "public": true, "target": { "paths": ["/public/{id}"] } });
    let rules: Vec<Value> = (0..rules).map(|number| claim_rule(number, effect)).chain([public]).collect();
    let mut bundle = json!({ "version": 1, "revision": 1, "issuers": [issuer], "rules": rules });
    if let (Some(bundle), Some(more)) = (bundle.as_object_mut(), more.as_object()) {
        bundle.extend(more.clone());
    }
    json!({ "version": 1, "bundle": bundle })
}

/// The claims of a user, besides those that every token has: about 700 bytes of token with an RSA signature.
pub fn claims(user: usize) -> Map<String, Value> {
    let claims = json!({
        "sub": format!("user-{user}"), "jti": format!("{user:032}"), "exp": { "now": 86_400 }, "client_id": "shop-frontend",
        "scope": "openid profile orders.read orders.write", "team": "shop", "email_verified": true,
        "realm_access": { "roles": ["customer", "reader"] },
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}
