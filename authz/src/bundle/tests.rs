//! What is refused, where, and with which words. Each case changes one good bundle.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::{Bundle, PluginConfiguration};

mod assertion;
mod rules;

fn good() -> Value {
    json!({
        "version": 1,
        "revision": 7,
        "issuers": [{
            "issuer": "https://idp.example.com/", "audiences": ["api"], "algorithms": ["ES256"],
            "jwks": { "keys": [key("k1")] },
        }],
        "rules": [
            { "id": "a", "effect": "permit", "target": { "paths": ["/a/{id}"] }, "condition": { "issuers": ["https://idp.example.com/"] } },
            { "id": "b", "effect": "deny", "target": {} },
        ],
    })
}

/// The public key of RFC 7515 appendix A.3.
fn key(kid: &str) -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

/// The good bundle with `value` at `pointer`; `null` removes what is there.
fn changed(pointer: &str, value: Value) -> String {
    let mut bundle = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match bundle.pointer_mut(parent).unwrap() {
        Value::Object(members) if value.is_null() => drop(members.remove(name)),
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer} leads into {other}"),
    }
    bundle.to_string()
}

fn errors(bundle: &str) -> String {
    Bundle::parse(bundle.as_bytes()).err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn the_good_bundle_is_good() {
    assert_eq!(errors(&good().to_string()), "");
    // A host may hand numbers on as floating point.
    assert_eq!(errors(&changed("/revision", json!(7.0))), "");
    assert_eq!(errors(&changed("/issuers/0/jwks/keys", json!([]))), "", "an empty key set locks an issuer out");
}

#[test]
fn what_is_wrong_with_the_frame_is_named() {
    for (pointer, value, expected) in [
        ("/version", json!(2), "version: version 2 is not known to this program, which reads version 1"),
        ("/version", json!(null), "version: is missing"),
        ("/revision", json!("7"), "revision: expected a whole number, found a string"),
        ("/revision", json!(7.5), "revision: expected a whole number, found a number"),
        (
            "/revocations",
            json!([{ "issuer": "https://idp.example.com", "subject": "s", "until": 1 }]),
            "revocations[0].issuer: `https://idp.example.com` is not a trusted issuer of this bundle; add it to `issuers` or correct the name",
        ),
        (
            "/revocations",
            json!([{ "issuer": "https://idp.example.com/", "until": 1 }]),
            "revocations[0]: revokes everything of the issuer for ever; say `issued_before`, or what it is about",
        ),
        (
            "/resource_metadata",
            json!("http://x.example"),
            "resource_metadata: `http://x.example` is not an `https` URL without fragment",
        ),
        ("/rules", json!({}), "rules: expected a list, found an object"),
        (
            "/rulez",
            json!([]),
            "document: unknown field `rulez`; known here are `version`, `revision`, `issuers`, `credentials`, `api_keys`, `revocations`, `plain_in_paths`, `attributes`, `rules`, `identity_headers`, `assertion`, `resource_metadata`, `decision_log`",
        ),
        (
            "/identity_headers",
            json!({ "subject": "x user" }),
            "identity_headers.subject: `x user` is not a header name (RFC 9110 section 5.1)",
        ),
        (
            "/identity_headers",
            json!({ "subject": "Host" }),
            "identity_headers.subject: `host` has a meaning of its own; choose another name, for example one that starts with `x-portcullis-`",
        ),
        (
            "/identity_headers",
            json!({ "subject": "x-a", "issuer": "X_A" }),
            "identity_headers.issuer: header `x-a` is already used at identity_headers.subject",
        ),
    ] {
        assert_eq!(errors(&changed(pointer, value)), expected);
    }
}

#[test]
fn what_is_wrong_with_an_issuer_is_named() {
    for (pointer, value, expected) in [
        ("/issuers/0/audiences", json!(null), "issuers[0].audiences: is missing"),
        (
            "/issuers/0/audiences",
            json!([]),
            "issuers[0].audiences: must not be empty; leave the field out if it is not wanted",
        ),
        ("/issuers/0/audiences", json!("api"), "issuers[0].audiences: expected a list, found a string"),
        (
            "/issuers/0/algorithms",
            json!(["none"]),
            "issuers[0].algorithms[0]: `none` is not supported; supported are HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, PS256, PS384, PS512, EdDSA",
        ),
        (
            "/issuers/0/algorithms",
            json!(["ES256", "HS256"]),
            "issuers[0].algorithms: HS256, HS384 and HS512 need a key in `secrets`",
        ),
        (
            "/issuers/0/algorithms",
            json!(["RS256"]),
            "issuers[0].algorithms: none of the issuer's keys can verify a signature with one of these",
        ),
        ("/issuers/0/jwks", json!(null), "issuers[0].jwks: is missing"),
        ("/issuers/0/jwks", json!([]), "issuers[0].jwks: expected an object, found a list"),
        ("/issuers/0/leeway_seconds", json!(900), "issuers[0].leeway_seconds: 900 is not between 0 and 300"),
        (
            "/issuers/0/claims",
            json!({ "roles": ["realm_access.roles"] }),
            "issuers[0].claims.roles[0]: `realm_access.roles` is not a JSON Pointer (RFC 6901); write `/realm_access.roles`",
        ),
        (
            "/issuers/0/claims",
            json!({ "roles": ["/a~b"] }),
            "issuers[0].claims.roles[0]: `/a~b` is not a JSON Pointer (RFC 6901): `~` must be written `~0`, `/` within a name `~1`",
        ),
        (
            "/issuers/-",
            good()["issuers"][0].clone(),
            "issuers[1].issuer: issuer `https://idp.example.com/` is already used at issuers[0].issuer",
        ),
    ] {
        assert_eq!(errors(&changed(pointer, value)), expected);
    }
}

#[test]
fn keys_that_could_do_harm_are_refused() {
    let with = |member: &str, value: Value| {
        let mut key = key("k1");
        key[member] = value;
        key
    };
    let rsa = |bytes: usize, exponent: &str| {
        use base64::Engine as _;
        json!({ "kty": "RSA", "e": exponent, "n": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(vec![0xff; bytes]) })
    };
    for (key, expected) in [
        (
            with("d", json!("AA")),
            "is a private key (it has `d`): it must never leave its issuer; replace it there and publish only the public part",
        ),
        (
            json!({ "kty": "oct", "k": "AA" }),
            "is a secret, which has no place among public keys; put it into `secrets` if its issuer signs with HMAC",
        ),
        (with("x", json!("AA")), "its coordinates must have 32 bytes each"),
        (
            with("y", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
            "is not a sound public key: the point is not on its curve, or the numbers are out of range",
        ),
        (rsa(128, "AQAB"), "its modulus has 1024 bits; 2048 to 4096 are accepted"),
        (rsa(256, "Aw"), "its exponent is not 65537 (`AQAB`), the only one that is accepted"),
        (rsa(1024, "AQAB"), "its modulus has 8192 bits; 2048 to 4096 are accepted"),
    ] {
        let issuer = json!({
            "issuer": "https://idp.example.com/", "audiences": ["api"], "algorithms": ["ES256", "RS256"], "jwks": { "keys": [key] },
        });
        assert_eq!(errors(&changed("/issuers/0", issuer)), format!("issuers[0].jwks.keys[0]: {expected}"));
    }
    for (key, expected) in [
        (with("alg", json!("ES384")), "issuers[0].jwks.keys[0].alg: `ES384` does not fit this key's type or curve"),
        (
            with("x", json!("f83O+3D2")),
            "issuers[0].jwks.keys[0].x: is not base64url without padding (RFC 7515 section 2)",
        ),
        (with("kid", json!(1)), "issuers[0].jwks.keys[0].kid: expected a string, found a number"),
        (
            with("use", json!("enc")),
            "issuers[0].algorithms: none of the issuer's keys can verify a signature with one of these",
        ),
    ] {
        assert_eq!(errors(&changed("/issuers/0/jwks/keys/0", key)), expected);
    }
    let twice = "issuers[0].jwks.keys[1]: key `k1` for ES256 is already used at issuers[0].jwks.keys[0]";
    assert_eq!(errors(&changed("/issuers/0/jwks/keys/-", key("k1"))), twice);
    assert_eq!(errors(&changed("/issuers/0/jwks/keys/-", key("k2"))), "");
}

/// A provider may publish keys for other purposes, made in whatever way: its bundle must not be refused for them.
#[test]
fn keys_that_are_not_for_us_are_skipped() {
    for other in [
        json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "Aw" }),
        json!({ "kty": "RSA", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "EC", "crv": "P-256", "use": "enc", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "key_ops": ["sign"], "x": "AA", "y": "AA", "kid": "k".repeat(600) }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
    ] {
        assert_eq!(errors(&changed("/issuers/0/jwks/keys/-", other.clone())), "", "{other}");
    }
}

#[test]
fn secrets_must_be_long_and_wanted() {
    let issuer = |algorithms: Value, secret: Value| json!({ "issuer": "https://idp.example.com/", "audiences": ["api"], "algorithms": algorithms, "secrets": [secret] });
    let secret = |length: usize| json!({ "kty": "oct", "k": "A".repeat(length) });
    for (algorithms, secret, expected) in [
        (json!(["HS256"]), secret(43), ""),
        (json!(["HS256", "HS512"]), secret(43), ""),
        (
            json!(["HS256"]),
            secret(40),
            "issuers[0].secrets[0]: a secret of 30 bytes is too short, at least 32 are needed (RFC 7518 section 3.2)",
        ),
        (
            json!(["HS256"]),
            key("k"),
            "issuers[0].secrets[0].kty: only keys of the type `oct` are secrets; public keys belong into `jwks`",
        ),
    ] {
        assert_eq!(errors(&changed("/issuers/0", issuer(algorithms, secret))), expected);
    }
}

#[test]
fn all_errors_are_reported_at_once_and_a_flood_of_them_is_counted() {
    let bundle = json!({ "version": 1, "revision": 1, "issuers": [1, 2], "rules": [{}, "x"] });
    assert_eq!(errors(&bundle.to_string()).lines().count(), 6, "{}", errors(&bundle.to_string()));

    let many: Vec<_> = (0..1000).collect();
    let flood = errors(&changed("/rules", json!(many)));
    assert_eq!(flood.lines().count(), 101);
    assert!(flood.ends_with("... and 900 more"), "{flood}");
}

#[test]
fn a_document_that_is_no_acceptable_json_is_refused_whole() {
    let flood = errors(&changed("/rules/0/target", json!({ "paths": [format!("/{}*", "a".repeat(1_000_000))] })));
    assert!(flood.len() < 600, "an error quotes at most a line of what was written, not {} bytes", flood.len());

    let prefix = "document: not acceptable JSON:";
    for text in ["", "{", "[1]x", r#"{"version":1,"version":1}"#, &"[".repeat(100_000)] {
        assert!(errors(text).starts_with(prefix), "{}", errors(text));
    }
    assert_eq!(errors(&" ".repeat(9_000_000)), "document: has 9000000 bytes, at most 8388608 are read");
}

#[test]
fn the_plugin_configuration_locates_errors_within_its_bundle() {
    let errors = |text: &str| {
        PluginConfiguration::parse(text.as_bytes()).err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    let configuration = |bundle: Value| json!({ "version": 1, "bundle": bundle }).to_string();
    assert_eq!(errors(&configuration(good())), "");
    let bundle: Value = serde_json::from_str(&changed("/rules/1/id", json!("a"))).unwrap();
    assert_eq!(errors(&configuration(bundle)), "bundle.rules[1].id: rule id `a` is already used at bundle.rules[0].id");
    assert_eq!(errors(r#"{ "version": 1 }"#), "bundle: is missing");
}

#[test]
fn a_bundle_is_either_inline_or_pushed_by_whom_the_configuration_trusts() {
    let errors = |change: &dyn Fn(&mut Value)| {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let mut configuration = json!({
            "version": 1,
            "trust": { "fleet": "production", "name": "bank", "keys": [key] },
            "control": { "cluster": "control", "authority": "control.example.com", "token": "t" },
        });
        change(&mut configuration);
        let parsed = PluginConfiguration::parse(configuration.to_string().as_bytes());
        parsed.err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    let remove = |value: &mut Value, name: &str| drop(value.as_object_mut().unwrap().remove(name));
    assert_eq!(errors(&|_| {}), "");
    assert_eq!(errors(&|value| value["management"] = json!({ "path": "/portcullis" })), "");
    assert_eq!(errors(&|value| value["shared_data"] = json!(false)), "");
    let both = errors(&|value| value["bundle"] = good());
    assert_eq!(both, "bundle: stands beside `trust`: a bundle is either inline or pushed");
    let untrusted = errors(&|value| remove(value, "trust"));
    assert_eq!(untrusted, "control: is about a bundle that is pushed: add `trust`, or remove it\nbundle: is missing");
    assert!(errors(&|value| remove(value, "control")).starts_with("trust: needs a way in"));
    assert_eq!(errors(&|value| remove(&mut value["control"], "cluster")), "control.cluster: is missing");
    assert_eq!(
        errors(&|value| value["control"]["token"] = json!("a b")),
        "control.token: must be visible ASCII without spaces: it stands in a header"
    );
    assert_eq!(
        errors(&|value| value["management"] = json!({ "path": "/" })),
        "management.path: `/` is not a path such as `/portcullis`"
    );
    assert_eq!(
        errors(&|value| value["signed_bundle"] = json!({ "manifest": {}, "documents": [] })),
        "signed_bundle.manifest.payload: is missing"
    );
}
