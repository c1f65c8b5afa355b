//! Random policies and requests, from a vocabulary so small that they meet.

mod conditions;
mod principals;
mod requests;
mod rules;
mod tests;

use fastrand::Rng;
use serde_json::{Value, json};

pub use principals::{Principals, sign};
pub use requests::request;
pub use rules::{deny, rule};

pub const LOGIN: &str = "https://login.example.com";
pub const PARTNER: &str = "https://partner.example/{tenant}/v2";
pub const TENANTS: [&str; 2] = ["t1", "t2"];
pub const AUDIENCE: &str = "https://api.example.com";

pub const NAMES: [&str; 5] = ["alice", "bob", "Alice", "17", "a b"];
pub const SCOPES: [&str; 3] = ["read", "write", "admin"];
pub const ROLES: [&str; 3] = ["editor", "owner", "read"];
pub const GROUPS: [&str; 3] = ["staff", "ops", "eu"];
pub const CLIENTS: [&str; 3] = ["web", "cli", "key-1"];
pub const CLASSES: [&str; 3] = ["silver", "gold", "0"];
pub const METHODS_OF_AUTHENTICATION: [&str; 3] = ["pwd", "otp", "hwk"];
pub const HEADERS: [&str; 3] = ["x-region", "x-level", "x-flag"];
pub const PARAMETERS: [&str; 3] = ["page", "Page", "a b"];
pub const TEXTS: [&str; 12] =
    ["eu", "us", "EU", "eu-1", "17", "17.0", "1e1", "+1", "017", "9007199254740993", "", "caf\u{e9}"];

/// A bundle with random rules, ready to be parsed.
pub fn bundle(rng: &mut Rng, principals: &Principals) -> Value {
    let mut credentials = vec![
        json!({ "name": "user", "type": "jwt", "from": [{ "header": "authorization", "scheme": "Bearer" }], "certificate_bound": true }),
        json!({ "name": "key", "type": "api_key", "from": [{ "header": "x-api-key" }] }),
        json!({ "name": "workload", "type": "peer" }),
        json!({ "name": "service", "type": "jwt", "from": [{ "header": "x-service-token" }] }),
    ];
    // Mostly it is the user whom rules are about.
    if chance(rng, 20) {
        rng.shuffle(&mut credentials);
    }
    let most = *pick(rng, &[2, 4, 8, 16, 40]);
    let count = if chance(rng, 5) { 0 } else { rng.usize(1..=most) };
    let first = credentials[0]["name"].as_str().unwrap().to_owned();
    let rules: Vec<Value> = (0..count).map(|number| rule(rng, &format!("r{number}"), &first)).collect();
    let mut bundle = json!({
        "version": 1,
        "revision": 1,
        "issuers": principals.issuers(),
        "credentials": credentials,
        "api_keys": principals.api_keys(),
        "attributes": conditions::attributes(),
        "rules": rules,
    });
    // What cannot be told to the upstream denies, which would hide much if all were told always.
    if chance(rng, 80) {
        bundle["identity_headers"] = json!({ "subject": "x-user" });
    }
    bundle
}

pub fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

pub fn pick<'p, T>(rng: &mut Rng, from: &'p [T]) -> &'p T {
    &from[rng.usize(..from.len())]
}

/// One or two values, each once.
pub fn some(rng: &mut Rng, from: &[&str]) -> Vec<String> {
    let count = rng.usize(1..=2);
    let mut chosen: Vec<String> = (0..count).map(|_| (*pick(rng, from)).to_owned()).collect();
    chosen.dedup();
    chosen
}
