//! An assertion on its whole way: the key that the command makes, the policy that the endpoint publishes, the real module in a real
//! Envoy, the service behind it, which verifies with another library and with the keys that the endpoint serves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "the other tests of the command use the rest")]
mod common;
#[path = "serve/endpoint.rs"]
#[expect(dead_code, reason = "the other tests of the endpoint use the rest")]
mod endpoint;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use host_tests::client::{Connection, Request};
use host_tests::envoy::{Backends, Control, Envoy, Plugin, Ports, WORKERS};
use host_tests::keys::KeyRing;
use host_tests::token::TokenSpec;
use serde_json::{Value, json};

use endpoint::{Endpoint, Home, header, public};

const AUDIENCE: &str = "trust.example.com";
const KEYS: &str = "/v1/fleets/production/assertion-keys";

/// A private key of this algorithm, made by the command.
fn key(home: &Home, algorithm: &str) -> Value {
    let file = format!("{algorithm}.json");
    let arguments = ["keygen", "--assertion", "--algorithm", algorithm, &file];
    let (code, printed, errors) = common::run(home.path(), &arguments);
    assert_eq!(code, 0, "{errors}");
    let key: Value = serde_json::from_str(&std::fs::read_to_string(home.path().join(file)).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), public(&key), "the public part is printed");
    key
}

fn policy(keys: &KeyRing, key: &Value, further: &Value) -> Value {
    json!({
        "version": 1,
        "issuers": [{
            "issuer": "https://idp.example.com/", "audiences": ["orders-api"], "algorithms": ["ES256"],
            "jwks": { "keys": [keys.get("es256").unwrap().jwk()] },
        }],
        "assertion": {
            "issuer": "https://gateway.example.com", "audience": AUDIENCE, "key": key, "further_keys": [public(further)],
        },
        "rules": [{ "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } }],
    })
}

/// What the service behind the proxy gets, once the proxy enforces this epoch.
fn assertions(envoy: &Envoy, keys: &KeyRing, epoch: u64) -> Vec<String> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = TokenSpec { key: "es256".to_owned(), ..TokenSpec::default() }.mint(keys, now).unwrap();
    let request = Request::get("/orders").with("authorization", &format!("Bearer {token}")).with("txn-token", "forged");
    let mut assertions = Vec::new();
    // On connections of their own, so that more than one worker is asked.
    for _ in 0..200 {
        let response = Connection::open(envoy.address("edge").unwrap()).unwrap().send(&request).unwrap();
        let seen = host_tests::upstream::seen(&response.body).map(|seen| seen.headers).unwrap_or_default();
        let tokens: Vec<_> = seen.iter().filter(|(name, _)| name == "txn-token").collect();
        let revision = |token: &str| host_tests::case::claims_of(token).unwrap()["rctx"]["revision"].clone();
        match tokens.as_slice() {
            [(_, token)] if revision(std::str::from_utf8(token).unwrap()) == epoch => {
                assertions.push(String::from_utf8(token.clone()).unwrap());
                if assertions.len() == 8 {
                    return assertions;
                }
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    panic!("epoch {epoch} is not enforced: {}", envoy.error_log().unwrap())
}

/// What the other library says of tokens, with the keys that the endpoint serves.
fn verified(endpoint: &Endpoint, tokens: &[String]) -> Vec<Value> {
    let response = endpoint.send(&Request::get(KEYS));
    assert_eq!(response.status, 200);
    assert_eq!(header(&response, "content-type"), Some("application/jwk-set+json"));
    let keys: Value = serde_json::from_slice(&response.body).unwrap();
    assert!(!keys.to_string().contains("\"d\""), "{keys}");
    let packages = std::env::var_os("JOSE_PATH")
        .expect("JOSE_PATH is not set. Run `cargo xtask test`, which installs joserfc from PyPI and sets it");
    let script = host_tests::repository().join("control/tests/assertion_verifier.py");
    let mut command = Command::new("python3");
    command.arg(script).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let question = json!({ "keys": keys, "audience": AUDIENCE, "tokens": tokens }).to_string();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same token with one character of each part replaced.
fn altered(token: &str) -> Vec<String> {
    let alter = |index: usize| {
        let mut parts: Vec<Vec<u8>> = token.split('.').map(|part| part.as_bytes().to_vec()).collect();
        let place = parts[index].len().div_euclid(2);
        let byte = &mut parts[index][place];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        String::from_utf8(parts.join(&b'.')).unwrap()
    };
    [0, 1, 2].map(alter).to_vec()
}

#[test]
fn what_the_upstream_gets_verifies_with_another_library_and_the_keys_that_are_served() {
    let home = Home::new();
    let endpoint = home.start();
    assert_eq!(endpoint.send(&Request::get(KEYS)).status, 404, "nothing was published yet");
    assert_eq!(endpoint.send(&Request::get(&KEYS.replace("production", "other"))).status, 404);
    let keys = KeyRing::generate(["es256"]).unwrap();
    let control = json!({ "cluster": "control", "authority": "control", "token": home.proxy });
    let configuration = json!({ "version": 1, "trust": home.trust(), "control": control });
    let plugins = BTreeMap::from([("edge".to_owned(), Plugin { configuration, ..Plugin::default() })]);
    let control =
        Control { cluster: "control".to_owned(), address: endpoint.address, authority: None, name_server: None };
    let backends = Backends {
        upstream: host_tests::upstream::start().unwrap(),
        authorization_servers: Vec::new(),
        control: vec![control],
    };
    let envoy = Envoy::start_with(WORKERS, &[], &plugins, &backends, Ports::Free).unwrap();
    let [first, next] = ["EdDSA", "ES256"].map(|algorithm| key(&home, algorithm));
    let mut first_minted = None;
    // The next key is published with the first, and the first stays when the next signs: what was minted before is still good.
    for (signing, further) in [(&first, &next), (&next, &first)] {
        let epoch = endpoint.publish(&policy(&keys, signing, further));
        let tokens = assertions(&envoy, &keys, epoch);
        for claims in verified(&endpoint, &tokens) {
            assert_eq!((&claims["sub"], &claims["scope"]), (&json!("user-1"), &json!("orders")), "{claims}");
        }
        assert_eq!(verified(&endpoint, &altered(&tokens[0])), vec![Value::Null; 3], "what was altered is refused");
        let first_minted = first_minted.get_or_insert_with(|| tokens[0].clone());
        assert!(verified(&endpoint, std::slice::from_ref(first_minted))[0].is_object());
    }
    // A key that is not published any more is not good any more.
    let mut last = policy(&keys, &next, &first);
    last["assertion"].as_object_mut().unwrap().remove("further_keys");
    let epoch = endpoint.publish(&last);
    let tokens = [assertions(&envoy, &keys, epoch).remove(0), first_minted.unwrap()];
    let verdicts = verified(&endpoint, &tokens);
    assert!(verdicts[0].is_object() && verdicts[1].is_null(), "{verdicts:?}");
    assert!(!endpoint.log().contains(next["d"].as_str().unwrap()), "the private key is not logged");
}
