//! Random rules.

use fastrand::Rng;
use serde_json::{Value, json};

use super::conditions::{self, Scope};
use super::{chance, pick};

const HOSTS: [&str; 7] = [
    "api.example.com",
    "*.example.com",
    "API.Example.com",
    "*.api.example.com",
    "other.example",
    "[2001:db8::1]",
    "10.0.0.1",
];
const METHODS: [&str; 4] = ["GET", "POST", "OPTIONS", "X-PURGE"];
const LITERALS: [&str; 7] = ["orders", "Orders", "users", "a b", "caf\u{e9}", "files", "v1"];
const VARIABLES: [&str; 3] = ["id", "x", "account"];
const GRPC: [&str; 3] = ["pkg.Orders/Get", "pkg.Orders/*", "pkg.orders/Get"];

/// A random rule of either effect; `first` is the first credential of the bundle.
pub fn rule(rng: &mut Rng, id: &str, first: &str) -> Value {
    let mut rule = if chance(rng, 30) { deny(rng, id, first) } else { permit(rng, id, first) };
    if chance(rng, 10) {
        rule["mode"] = Value::from("shadow");
    }
    rule
}

/// A random deny rule, which is enforced. It wants something most of the time, or nothing would ever be permitted.
pub fn deny(rng: &mut Rng, id: &str, first: &str) -> Value {
    let target = target(rng);
    let mut rule = json!({ "id": id, "effect": "deny", "target": target });
    if chance(rng, 90) {
        rule["condition"] = conditions::condition(rng, &Scope::of(&target, first));
    }
    rule
}

fn permit(rng: &mut Rng, id: &str, first: &str) -> Value {
    let target = target(rng);
    let mut rule = json!({ "id": id, "effect": "permit", "target": target });
    let scope = Scope::of(&target, first);
    match rng.u32(..100) {
        0..8 => {
            rule["public"] = Value::from(true);
            if chance(rng, 60) {
                rule["condition"] = conditions::of_request(rng, &scope);
            }
        }
        8..14 => rule["preflight"] = Value::from(true),
        14..22 => {}
        22..36 => rule["condition"] = conditions::of_scopes(rng, &scope),
        36..50 => rule["condition"] = conditions::of_authentication(rng, &scope),
        _ => rule["condition"] = conditions::condition(rng, &scope),
    }
    // Of two tokens that two rules want to be used once, `authz` remembers one only: so here it is always the same.
    let about = rule["condition"].get("credential").and_then(Value::as_str).unwrap_or(first);
    if rule.get("public").is_none() && rule.get("preflight").is_none() && about == "user" && chance(rng, 10) {
        rule["once"] = Value::from(true);
    }
    rule
}

fn target(rng: &mut Rng) -> Value {
    let mut target = json!({});
    if chance(rng, 35) {
        target["hosts"] = some_of(rng, &HOSTS);
    }
    if chance(rng, 8) {
        target["grpc"] = some_of(rng, &GRPC);
        return target;
    }
    if chance(rng, 45) {
        target["methods"] = some_of(rng, &METHODS);
    }
    if chance(rng, 85) {
        let count = rng.usize(1..=2);
        target["paths"] = (0..count).map(|_| template(rng)).collect();
    }
    target
}

fn some_of(rng: &mut Rng, from: &[&str]) -> Value {
    super::some(rng, from).into()
}

fn template(rng: &mut Rng) -> String {
    let mut variables = VARIABLES.to_vec();
    rng.shuffle(&mut variables);
    let mut template = String::new();
    for _ in 0..*pick(rng, &[0, 1, 1, 2, 2, 2, 3]) {
        match variables.pop().filter(|_| chance(rng, 50)) {
            Some(variable) => template.push_str(&format!("/{{{variable}}}")),
            None => template.push_str(&format!("/{}", pick(rng, &LITERALS))),
        }
    }
    match rng.u32(..100) {
        0..25 => template.push_str(&format!("/{{{}=**}}", variables.pop().unwrap_or("rest"))),
        25..35 => template.push('/'),
        _ if template.is_empty() => template.push('/'),
        _ => {}
    }
    template
}
