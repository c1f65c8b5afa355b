//! The cases of `authz/distribution/vectors.json`: made here, compared with the file, and run from the file.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::publisher::{NOW, Publisher};
use super::{adopt, time};
use crate::distribution::{Adopted, Digest, DocumentKind, DocumentReference, RefusalReason, Trust, UnverifiedManifest};
use crate::jose::base64url;
use crate::{Algorithm, UnixTime};

const FILE: &str = include_str!("../../../distribution/vectors.json");

const ED: (Algorithm, &str) = (Algorithm::EdDsa, "ed-1");
const ES: (Algorithm, &str) = (Algorithm::Es256, "es-2");

/// A case: what came, when, after what, and what is expected.
struct Case {
    name: &'static str,
    manifest: String,
    documents: Vec<String>,
    threshold: u64,
    now: u64,
    adopted: Option<Adopted>,
    expect: &'static str,
}

fn case(name: &'static str, manifest: String, expect: &'static str) -> Case {
    let documents = Publisher::default().documents();
    Case { name, manifest, documents, threshold: 1, now: NOW, adopted: None, expect }
}

/// The good manifest, changed as JSON.
fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut manifest: Value = serde_json::from_str(&Publisher::default().manifest(42)).unwrap();
    change(&mut manifest);
    manifest.to_string()
}

/// The good payload, changed as JSON and signed.
fn with_payload(change: impl FnOnce(&mut Value)) -> String {
    let publisher = Publisher::default();
    let mut payload: Value = serde_json::from_str(&publisher.payload(42).to_json()).unwrap();
    change(&mut payload);
    signed_raw(&json!({ "alg": "EdDSA", "kid": "ed-1", "typ": "portcullis-manifest+jws" }), &payload)
}

/// Signed with the first key, under this header.
fn signed_raw(header: &Value, payload: &Value) -> String {
    let (protected, payload) = (base64url::encode(header.to_string()), base64url::encode(payload.to_string()));
    let signature = Publisher::default().sign(Algorithm::EdDsa, format!("{protected}.{payload}").as_bytes());
    let signature = base64url::encode(signature);
    json!({ "payload": payload, "signatures": [{ "protected": protected, "signature": signature }] }).to_string()
}

fn with_header(header: &Value) -> String {
    let payload = serde_json::from_str(&Publisher::default().payload(42).to_json()).unwrap();
    signed_raw(header, &payload)
}

/// A manifest whose policy or keys are changed.
fn with_documents(name: &'static str, change: impl FnOnce(&mut Publisher), expect: &'static str) -> Case {
    let mut publisher = Publisher::default();
    change(&mut publisher);
    Case { documents: publisher.documents(), ..case(name, publisher.manifest(42), expect) }
}

/// A manifest with a document of its own.
fn with_document(name: &'static str, kind: DocumentKind, document: &Value, expect: &'static str) -> Case {
    let publisher = Publisher::default();
    let mut payload = publisher.payload(42);
    payload.documents.push(DocumentReference::of(kind, document.to_string().as_bytes()));
    let documents = [publisher.documents(), vec![document.to_string()]].concat();
    Case { documents, ..case(name, publisher.signed(&payload, &[ED]), expect) }
}

fn adopted(epoch: u64) -> Option<Adopted> {
    let publisher = Publisher::default();
    let manifest = UnverifiedManifest::parse(publisher.manifest(epoch).as_bytes()).unwrap();
    Some(manifest.verify(&publisher.trust(1)).unwrap().as_adopted())
}

fn manifests() -> Vec<Case> {
    let good = Publisher::default();
    let signed = |signers: &[(Algorithm, &str)]| good.signed(&good.payload(42), signers);
    let first_signature = |manifest: &mut Value, value: Value| manifest["signatures"][0]["signature"] = value;
    let typed = |alg: &str, kid: Value| json!({ "alg": alg, "kid": kid, "typ": "portcullis-manifest+jws" });
    let mut unnamed = typed("EdDSA", json!(""));
    unnamed.as_object_mut().unwrap().remove("kid");
    vec![
        case("signed with EdDSA", signed(&[ED]), "adopted"),
        case("signed with ES256", signed(&[ES]), "adopted"),
        Case { threshold: 2, ..case("signed by two of two", signed(&[ED, ES]), "adopted") },
        case(
            "a signature by a stranger does not count",
            {
                let mut manifest: Value = serde_json::from_str(&signed(&[ED])).unwrap();
                let forged: Value = serde_json::from_str(&good.forged(42, "stranger")).unwrap();
                manifest["signatures"].as_array_mut().unwrap().insert(0, forged["signatures"][0].clone());
                manifest.to_string()
            },
            "adopted",
        ),
        Case { threshold: 2, ..case("signed by one of two", signed(&[ED]), "threshold_not_met") },
        Case { threshold: 2, ..case("signed by one of two, twice", signed(&[ED, ED]), "threshold_not_met") },
        case("not JSON", "<html>Bad Gateway</html>".to_owned(), "malformed"),
        case(
            "a member that is not known",
            changed(|manifest| manifest["header"] = json!({ "kid": "ed-1" })),
            "malformed",
        ),
        case("an empty object", "{}".to_owned(), "malformed"),
        case("a payload with dots", changed(|manifest| manifest["payload"] = json!("e30.e30")), "malformed"),
        case("a field of the payload that is not known", with_payload(|payload| payload["x"] = json!(1)), "malformed"),
        case("a newer version", with_payload(|payload| payload["version"] = json!(2)), "malformed"),
        case("no policy", with_payload(|payload| payload["documents"] = json!([])), "malformed"),
        case("two policies", with_payload(|payload| payload["documents"][1]["type"] = json!("policy")), "malformed"),
        case(
            "a type of document that is not known",
            with_payload(|payload| payload["documents"][1]["type"] = json!("code")),
            "malformed",
        ),
        case(
            "another behaviour when stale",
            with_payload(|payload| payload["when_stale"] = json!("permit")),
            "malformed",
        ),
        case(
            "no expiry",
            with_payload(|payload| drop(payload.as_object_mut().unwrap().remove("expires_at"))),
            "malformed",
        ),
        case("another type of JWS", with_header(&json!({ "alg": "EdDSA", "kid": "ed-1", "typ": "JWT" })), "malformed"),
        case(
            "a critical extension",
            with_header(&json!({ "alg": "EdDSA", "kid": "ed-1", "typ": "portcullis-manifest+jws", "crit": ["x"] })),
            "malformed",
        ),
        case(
            "a key in the header",
            with_header(&json!({ "alg": "EdDSA", "kid": "ed-1", "typ": "portcullis-manifest+jws", "jwk": {} })),
            "malformed",
        ),
        case(
            "a document that is too large",
            with_payload(|payload| payload["documents"][0]["bytes"] = json!(8_388_609)),
            "too_large",
        ),
        case("no signatures", changed(|manifest| manifest["signatures"] = json!([])), "signature_missing"),
        case(
            "signatures removed",
            changed(|manifest| drop(manifest.as_object_mut().unwrap().remove("signatures"))),
            "signature_missing",
        ),
        case("an empty signature", changed(|manifest| first_signature(manifest, json!(""))), "signature_missing"),
        case(
            "an empty header",
            changed(|manifest| manifest["signatures"][0]["protected"] = json!("")),
            "signature_missing",
        ),
        case("signed by a stranger in the name of a trusted key", good.forged(42, "ed-1"), "signature_invalid"),
        case(
            "a good signature and one in the name of another trusted key",
            {
                let mut manifest: Value = serde_json::from_str(&signed(&[ED])).unwrap();
                let forged: Value = serde_json::from_str(&good.forged(42, "ed-3")).unwrap();
                manifest["signatures"].as_array_mut().unwrap().push(forged["signatures"][0].clone());
                manifest.to_string()
            },
            "signature_invalid",
        ),
        case(
            "a truncated signature",
            changed(|manifest| {
                let mut signature = manifest["signatures"][0]["signature"].as_str().unwrap().to_owned();
                signature.truncate(84);
                first_signature(manifest, json!(signature));
            }),
            "signature_invalid",
        ),
        case("no algorithm", with_header(&typed("none", json!("ed-1"))), "signature_invalid"),
        case("the algorithm of another key", with_header(&typed("ES256", json!("ed-1"))), "signature_invalid"),
        case(
            "a payload that was not signed",
            changed(|manifest| {
                manifest["payload"] = json!(base64url::encode(good.payload(43).to_json()));
            }),
            "signature_invalid",
        ),
        case("signed by a stranger", good.forged(42, "stranger"), "signer_unknown"),
        case("signed by nobody in particular", with_header(&unnamed), "signer_unknown"),
        case("for another fleet", Publisher { fleet: "staging", ..good.clone() }.manifest(42), "fleet_mismatch"),
        case("another bundle", Publisher { name: "shop", ..good.clone() }.manifest(42), "name_mismatch"),
        Case { now: NOW + 3600, ..case("on the second of its expiry", signed(&[ED]), "expired") },
        Case { now: NOW + 3599, ..case("a second before its expiry", signed(&[ED]), "adopted") },
        Case { now: NOW - 301, ..case("issued too far in the future", signed(&[ED]), "not_yet_valid") },
        Case { now: NOW - 300, ..case("issued by a clock that is ahead", signed(&[ED]), "adopted") },
        Case { adopted: adopted(41), ..case("after a smaller epoch", signed(&[ED]), "adopted") },
        Case { adopted: adopted(42), now: NOW + 7200, ..case("the one that was adopted", signed(&[ED]), "unchanged") },
        Case { adopted: adopted(43), ..case("replayed after a larger epoch", signed(&[ED]), "rolled_back") },
        Case {
            adopted: adopted(42),
            ..case(
                "the same epoch with other content",
                Publisher { issued_at: NOW - 1, ..good.clone() }.manifest(42),
                "epoch_reused",
            )
        },
    ]
}

fn documents() -> Vec<Case> {
    let good = Publisher::default();
    let stranger = json!({ "version": 1, "issuers": { "https://nobody.example.com": { "keys": [] } } });
    let api_keys = json!({ "version": 1, "api_keys": { "salt": "c2FsdC1vZi1zaXh0ZWVuLWI", "keys": [] } });
    let revoked = json!({ "version": 1, "entries": [{ "issuer": "https://idp.example.com", "token_id": "t", "until": 1_900_000_000 }] });
    let test = |path: &str, principal: Value, decision: &str| {
        let mut case = json!({
            "name": "a case", "now": NOW, "request": { "host": "api.example.com", "path": path }, "expect": { "decision": decision },
        });
        if !principal.is_null() {
            case["principal"] = principal;
        }
        json!({ "version": 1, "cases": [case] })
    };
    let reader = json!({
        "issuer": "https://idp.example.com",
        "claims": { "sub": "u", "aud": "https://api.example.com", "exp": NOW + 60, "scope": "orders.read" },
    });
    vec![
        Case {
            documents: vec![good.documents()[0].clone()],
            ..case("a document is not there", good.manifest(42), "document_missing")
        },
        Case {
            documents: vec![good.documents()[0].clone(), good.documents()[1].replace("k1", "k2")],
            ..case("a document was altered", good.manifest(42), "document_mismatch")
        },
        Case {
            documents: [good.documents(), vec!["{}".to_owned()]].concat(),
            ..case("a document that is not listed", good.manifest(42), "document_mismatch")
        },
        with_documents(
            "a rule that names an unknown issuer",
            |p| p.policy["rules"][1]["condition"]["issuers"] = json!(["https://x"]),
            "bundle_invalid",
        ),
        with_documents(
            "a rule with an unknown field",
            |p| p.policy["rules"][1]["conditions"] = json!({}),
            "bundle_invalid",
        ),
        with_documents(
            "a regular expression that is none",
            |p| p.policy["rules"][1]["condition"]["claims"] = json!([{ "pointer": "/sub", "regex": "(" }]),
            "bundle_invalid",
        ),
        with_documents("a policy with a revision", |p| p.policy["revision"] = json!(42), "bundle_invalid"),
        with_documents("a policy that is a list", |p| p.policy = json!([]), "bundle_invalid"),
        with_documents(
            "a private key",
            |p| p.keys["issuers"]["https://idp.example.com"]["keys"][0]["d"] = json!("AA"),
            "bundle_invalid",
        ),
        with_documents(
            "a key twice",
            |p| {
                let keys = p.keys["issuers"]["https://idp.example.com"]["keys"].as_array_mut().unwrap();
                keys.push(keys[0].clone());
            },
            "bundle_invalid",
        ),
        with_documents(
            "a secret among public keys",
            |p| p.keys["issuers"]["https://idp.example.com"]["keys"] = json!([{ "kty": "oct", "k": "AA" }]),
            "bundle_invalid",
        ),
        with_documents(
            "an empty key set locks the issuer out",
            |p| p.keys["issuers"]["https://idp.example.com"]["keys"] = json!([]),
            "adopted",
        ),
        with_documents("keys for an issuer that is not in the policy", |p| p.keys = stranger, "bundle_invalid"),
        with_documents(
            "keys for an issuer that has its own",
            |p| {
                p.policy["issuers"][0].as_object_mut().unwrap().remove("keys_from");
                p.policy["issuers"][0]["jwks"] = json!({ "keys": [] });
            },
            "bundle_invalid",
        ),
        with_documents("a newer version of the keys", |p| p.keys["version"] = json!(2), "bundle_invalid"),
        with_document("revocations", DocumentKind::Revocations, &revoked, "adopted"),
        with_document(
            "revocations of an issuer that the policy does not name any more",
            DocumentKind::Revocations,
            &json!({ "version": 1, "entries": [{ "issuer": "https://x", "token_id": "t", "until": 1 }] }),
            "adopted",
        ),
        with_document("API keys", DocumentKind::Credentials, &api_keys, "adopted"),
        with_document("tests that pass", DocumentKind::Tests, &test("/healthz", Value::Null, "permit"), "adopted"),
        with_document(
            "tests of a principal that pass",
            DocumentKind::Tests,
            &test("/orders", reader.clone(), "permit"),
            "adopted",
        ),
        with_document("tests that fail", DocumentKind::Tests, &test("/orders", Value::Null, "permit"), "tests_failed"),
        with_document(
            "tests of a principal that fail",
            DocumentKind::Tests,
            &test("/orders", reader, "deny"),
            "tests_failed",
        ),
        with_document(
            "tests with an unknown field",
            DocumentKind::Tests,
            &json!({ "version": 1, "case": [] }),
            "bundle_invalid",
        ),
    ]
}

impl Case {
    fn to_json(&self) -> Value {
        let mut case = json!({
            "name": self.name, "threshold": self.threshold, "now": self.now, "manifest": self.manifest,
            "documents": self.documents, "expect": self.expect,
        });
        if let Some(adopted) = &self.adopted {
            case["adopted"] = json!({ "epoch": adopted.epoch, "payload_sha256": adopted.payload.to_string() });
        }
        case
    }
}

fn generated() -> String {
    let trust = Publisher::default().trust_json(1);
    let cases: Vec<Value> = manifests().iter().chain(&documents()).map(Case::to_json).collect();
    let text = json!({ "version": 1, "trust": trust, "cases": cases });
    format!("{}\n", serde_json::to_string_pretty(&text).unwrap())
}

/// `UPDATE_VECTORS=1 cargo test --package authz vectors` writes the file again.
#[test]
fn the_file_is_what_this_code_makes() {
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/distribution/vectors.json"), generated()).unwrap();
        return;
    }
    assert!(generated() == FILE, "authz/distribution/vectors.json is not what the tests make");
}

#[test]
fn every_case_of_the_file_ends_as_it_says() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let mut seen = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let mut trust = file["trust"].clone();
        trust["threshold"] = case["threshold"].clone();
        let trust = Trust::parse(trust.to_string().as_bytes()).unwrap();
        let documents: Vec<String> = serde_json::from_value(case["documents"].clone()).unwrap();
        let adopted = case.get("adopted").map(|adopted| Adopted {
            epoch: adopted["epoch"].as_u64().unwrap(),
            payload: Digest::from_hex(adopted["payload_sha256"].as_str().unwrap()).unwrap(),
        });
        let manifest = case["manifest"].as_str().unwrap();
        let result = adopt(&trust, manifest.as_bytes(), &documents, adopted.as_ref(), case["now"].as_u64().unwrap());
        let outcome = match &result {
            Ok(Some(_)) => "adopted",
            Ok(None) => "unchanged",
            Err(refused) => refused.reason().code(),
        };
        assert_eq!(outcome, case["expect"].as_str().unwrap(), "{}: {:?}", case["name"], result.err());
        seen.push(outcome.to_owned());
    }
    // Those that come from the way to the proxy have no case here.
    let of_the_way = [RefusalReason::Unreachable, RefusalReason::Unauthorized, RefusalReason::Timeout];
    for reason in RefusalReason::ALL.iter().filter(|reason| !of_the_way.contains(reason)) {
        assert!(seen.iter().any(|code| code == reason.code()), "no case is refused as {}", reason.code());
        assert_eq!(RefusalReason::from_code(reason.code()), Some(*reason));
    }
    assert_eq!(time(NOW), UnixTime::from_seconds(NOW));
}
