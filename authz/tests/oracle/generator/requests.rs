//! Random requests, most of them aimed at a rule.

use std::sync::Arc;

use fastrand::Rng;
use serde_json::Value;

use super::{HEADERS, NAMES, PARAMETERS, Principals, TEXTS, chance, pick};
use crate::request::{Credential, Peer, Request};

const AUTHORITIES: [&str; 9] = [
    "api.example.com",
    "API.EXAMPLE.com:8443",
    "a.api.example.com",
    "a.b.example.com:80",
    "example.com",
    "other.example",
    "badexample.com",
    "[2001:DB8::1]:443",
    "10.0.0.1",
];
const METHODS: [&str; 5] = ["GET", "POST", "OPTIONS", "X-PURGE", "HEAD"];
const SEGMENTS: [&str; 10] = ["orders", "users", "files", "v1", "alice", "17", "caf\u{e9}", "a b", "pkg.Orders", "Get"];
const SOURCES: [&str; 8] = [
    "10.1.2.3:4711",
    "10.1.2.3",
    "192.0.2.7:1",
    "[2001:db8::5]:99",
    "2001:db8::6",
    "[::ffff:10.9.9.9]:5",
    "10.0.0.1:0",
    "unix:/run/x",
];
const FORWARDED: [&str; 8] = [
    "10.1.1.1",
    "203.0.113.9, 10.1.1.1",
    "2001:db8::7,203.0.113.9",
    "unknown",
    "203.0.113.9:8080",
    "10.1.1.1,",
    "",
    "[2001:db8::8]:1, 192.0.2.7",
];

/// A request to a bundle.
pub fn request(rng: &mut Rng, bundle: &Value, principals: &Principals) -> Request {
    let rules = bundle["rules"].as_array().unwrap();
    let aim = if rules.is_empty() || chance(rng, 10) { None } else { Some(&pick(rng, rules)["target"]) };
    let mut request = Request {
        method: method(rng, aim),
        authority: authority(rng, aim),
        target: target(rng, aim),
        headers: headers(rng),
        source: chance(rng, 90).then(|| (*pick(rng, &SOURCES)).to_owned()),
        peer: None,
        credentials: Vec::new(),
    };
    if request.method == "OPTIONS" && chance(rng, 70) {
        request.headers.push(("Origin".to_owned(), b"https://app.example".to_vec()));
    }
    if request.method == "OPTIONS" && chance(rng, 70) {
        request.headers.push(("access-control-request-method".to_owned(), b"GET".to_vec()));
    }
    identify(rng, &mut request, principals);
    request
}

/// Presents some credentials, or none.
fn identify(rng: &mut Rng, request: &mut Request, principals: &Principals) {
    let is_anonymous = chance(rng, 12);
    if !is_anonymous && chance(rng, 88) {
        let token = pick(rng, &principals.tokens);
        request.headers.push(("authorization".to_owned(), format!("Bearer {}", token.text).into_bytes()));
        request.credentials.push(("user".to_owned(), Credential::Token(Arc::clone(&token.claims))));
        request.peer.clone_from(&token.bound_to);
    }
    if !is_anonymous && chance(rng, 20) {
        let (key, entry) = pick(rng, &principals.keys);
        request.headers.push(("X-Api-Key".to_owned(), key.clone().into_bytes()));
        request.credentials.push(("key".to_owned(), Credential::ApiKey(Arc::clone(entry))));
    }
    if !is_anonymous && chance(rng, 20) {
        // This credential takes no tokens that are bound to a certificate.
        let token = pick(rng, &principals.tokens);
        if token.bound_to.is_none() {
            request.headers.push(("x-service-token".to_owned(), token.text.clone().into_bytes()));
            request.credentials.push(("service".to_owned(), Credential::Token(Arc::clone(&token.claims))));
        }
    }
    if !is_anonymous && request.peer.is_none() && chance(rng, 20) {
        request.peer = Some(pick(rng, &principals.peers).clone());
    }
    if let Some(peer) = request.peer.clone() {
        let peer: Peer = peer;
        request.credentials.push(("workload".to_owned(), Credential::Peer(peer)));
    }
}

fn method(rng: &mut Rng, aim: Option<&Value>) -> String {
    let wanted = aim.and_then(|target| target["methods"].as_array()).filter(|_| chance(rng, 85));
    match wanted {
        Some(methods) => pick(rng, methods).as_str().unwrap().to_owned(),
        None if aim.is_some_and(|target| target.get("grpc").is_some()) && chance(rng, 85) => "POST".to_owned(),
        None => (*pick(rng, &METHODS)).to_owned(),
    }
}

fn authority(rng: &mut Rng, aim: Option<&Value>) -> String {
    let wanted = aim.and_then(|target| target["hosts"].as_array()).filter(|_| chance(rng, 75));
    let host = wanted.map(|hosts| pick(rng, hosts).as_str().unwrap().replace('*', "a"));
    host.unwrap_or_else(|| (*pick(rng, &AUTHORITIES)).to_owned())
}

/// Path and query.
fn target(rng: &mut Rng, aim: Option<&Value>) -> String {
    let list = |name: &str| aim.and_then(|target| target[name].as_array());
    let mut path = match (list("paths"), list("grpc")) {
        (Some(paths), _) => {
            let template = pick(rng, paths).as_str().unwrap();
            path_of(rng, template)
        }
        (None, Some(methods)) => format!("/{}", pick(rng, methods).as_str().unwrap().replace('*', "List")),
        (None, None) => (0..rng.usize(1..=2)).map(|_| segment(rng, &SEGMENTS)).collect(),
    };
    match rng.u32(..100) {
        0..8 if path != "/" => path = path.strip_suffix('/').map_or(format!("{path}/"), str::to_owned),
        8..12 => path = format!("{}/{}", path.trim_end_matches('/'), pick(rng, &NAMES).replace(' ', "%20")),
        12..15 => path = path.to_ascii_uppercase(),
        _ => {}
    }
    path + &query(rng)
}

fn path_of(rng: &mut Rng, template: &str) -> String {
    let mut path = String::new();
    for part in template.split('/').filter(|part| !part.is_empty()) {
        if part.ends_with("=**}") {
            let count = rng.usize(..=2);
            path.extend((0..count).map(|_| segment(rng, &NAMES)));
        } else if part.starts_with('{') {
            path.push_str(&segment(rng, &NAMES));
        } else {
            path.push_str(&format!("/{}", encode(rng, part)));
        }
    }
    if template.ends_with('/') || path.is_empty() {
        path.push('/');
    }
    path
}

fn segment(rng: &mut Rng, from: &[&str]) -> String {
    let segment = *pick(rng, from);
    format!("/{}", encode(rng, segment))
}

/// Percent-encodes what has to be, and sometimes what need not.
fn encode(rng: &mut Rng, text: &str) -> String {
    let often = if chance(rng, 15) { 40 } else { 0 };
    let byte = |byte: u8| match byte {
        b' ' | 0x80.. => format!("%{byte:02X}"),
        _ if chance(rng, often) => format!("%{byte:02x}"),
        _ => char::from(byte).to_string(),
    };
    text.bytes().map(byte).collect()
}

fn query(rng: &mut Rng) -> String {
    if chance(rng, 40) {
        return String::new();
    }
    let parameter = |rng: &mut Rng| {
        let name = pick(rng, &PARAMETERS);
        let name = encode(rng, name);
        match rng.u32(..40) {
            0 => name,
            1 => format!("{name}=%FF"),
            2 => format!("{name}=%zz"),
            3 => format!("%FF={name}"),
            4 => format!("{name}=a=b"),
            5 => "&".to_owned(),
            6 => "a+b=eu+1".to_owned(),
            _ => {
                let value = pick(rng, &TEXTS);
                format!("{name}={}", encode(rng, value))
            }
        }
    };
    let count = rng.usize(..=3);
    let parameters: Vec<String> = (0..count).map(|_| parameter(rng)).collect();
    format!("?{}", parameters.join("&"))
}

fn headers(rng: &mut Rng) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::new();
    for _ in 0..rng.usize(..=4) {
        let name = *pick(rng, &HEADERS);
        let name = if chance(rng, 20) { name.to_ascii_uppercase() } else { name.to_owned() };
        let value = if chance(rng, 5) { b"eu\xff".to_vec() } else { pick(rng, &TEXTS).as_bytes().to_vec() };
        headers.push((name, value));
    }
    for _ in 0..*pick(rng, &[0, 0, 1, 1, 2]) {
        headers.push(("X-Forwarded-For".to_owned(), pick(rng, &FORWARDED).as_bytes().to_vec()));
    }
    headers
}
