//! What is refused of `assertion`.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{changed, errors, good, key};

/// The private key of RFC 7515 appendix A.3.
fn private() -> Value {
    let mut key = key("k1");
    key["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    key
}

fn assertion() -> Value {
    json!({ "issuer": "https://gateway.example.com", "audience": "example.com", "key": private() })
}

#[test]
fn what_is_wrong_with_an_assertion_is_named() {
    assert_eq!(errors(&changed("/assertion", assertion())), "");
    for (pointer, value, expected) in [
        ("/issuer", json!(null), "assertion.issuer: is missing"),
        ("/audience", json!([]), "assertion.audience: expected a string, found a list"),
        ("/lifetime_seconds", json!(301), "assertion.lifetime_seconds: 301 is not between 1 and 300"),
        (
            "/header",
            json!("Authorization"),
            "assertion.header: `authorization` has a meaning of its own; choose another name, for example one that starts with `x-portcullis-`",
        ),
        (
            "/header",
            json!("X-Portcullis_Subject"),
            "assertion: its header `x-portcullis_subject` is that of something else too",
        ),
        (
            "/claims",
            json!([{ "name": "a", "claim": "b" }]),
            "assertion.claims[0].claim: `b` is not a JSON Pointer (RFC 6901); write `/b`",
        ),
        (
            "/claims",
            json!([{ "name": "a", "claim": "/b" }, { "name": "a", "claim": "/c" }]),
            "assertion.claims[1].name: claim `a` is already used at assertion.claims[0].name",
        ),
        ("/key", json!(null), "assertion.key: is missing"),
        (
            "/key",
            key("k1"),
            "assertion.key: is a public key (it has no `d`); the private one signs, and `further_keys` has those that only verify",
        ),
        (
            "/key/kty",
            json!("RSA"),
            "assertion.key: signs with none of `EdDSA` (Ed25519) and `ES256` (P-256); `portcullis keygen --assertion` makes a key",
        ),
        (
            "/key/crv",
            json!("P-384"),
            "assertion.key: signs with none of `EdDSA` (Ed25519) and `ES256` (P-256); `portcullis keygen --assertion` makes a key",
        ),
        (
            "/key/d",
            json!("AAAA"),
            "assertion.key.d: is not the private part of a sound key: 32 bytes in base64url without padding",
        ),
        (
            "/key/d",
            json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "assertion.key.d: is not the private part of a sound key: 32 bytes in base64url without padding",
        ),
        (
            "/key/d",
            json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LM"),
            "assertion.key: its public part does not belong to its private part",
        ),
        ("/key/y", json!(null), "assertion.key: its public part does not belong to its private part"),
        ("/key/alg", json!("EdDSA"), "assertion.key.alg: does not fit this key, which signs with `ES256`"),
        ("/key/use", json!("enc"), "assertion.key.use: must be `sig`: it is for signing"),
        ("/key/key_ops", json!(["verify"]), "assertion.key.key_ops: must have `sign`"),
        ("/key/kid", json!(""), "assertion.key.kid: must not be empty"),
        (
            "/further_keys",
            json!([private()]),
            "assertion.further_keys[0]: is a private key (it has `d`): it must never leave its issuer; replace it there and publish only the public part",
        ),
        ("/further_keys", json!([key("k1")]), "assertion.further_keys[0]: key `k1` is already used at assertion.key"),
        (
            "/further_keys",
            json!([{ "kty": "RSA", "kid": "k2" }]),
            "assertion.further_keys[0]: is no key for verifying `EdDSA` (Ed25519) or `ES256` (P-256)",
        ),
    ] {
        let mut assertion = assertion();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let members = assertion.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.to_owned(), value)
        };
        assert_eq!(errors(&changed("/assertion", assertion)), expected);
    }
}

#[test]
fn a_subject_is_one_person() {
    let expected = "assertion: several may vouch for a subject here (issuers, API keys, certificates), and two of them for different \
                    people of one name: add `\"qualified_subject\": true`";
    let mut bundle = good();
    bundle["assertion"] = assertion();
    let mut tenants = bundle.clone();
    tenants["issuers"][0]["tenants"] = json!(["a", "b"]);
    tenants["issuers"][0]["issuer"] = json!("https://idp.example.com/{tenant}");
    tenants["rules"][0]["condition"] = json!({ "issuers": ["https://idp.example.com/{tenant}"] });
    let mut peers = bundle.clone();
    let bearer = json!({ "name": "token", "type": "jwt", "from": [{ "header": "authorization", "scheme": "Bearer" }] });
    peers["credentials"] = json!([bearer, { "name": "workload", "type": "peer" }]);
    for mut several in [tenants, peers] {
        assert_eq!(errors(&several.to_string()), expected);
        several["assertion"]["qualified_subject"] = json!(true);
        assert_eq!(errors(&several.to_string()), "");
    }
}
