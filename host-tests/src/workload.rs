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
