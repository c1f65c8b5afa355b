//! Every refusal, from bytes; the same cases are data for other implementers (`authz/distribution/vectors.json`).

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{Algorithm, Authorizer, Effect, Reason, RequestHead, Step, UnixTime};
use publisher::{NOW, Publisher};

mod publisher;
mod vectors;

fn time(seconds: u64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

/// What becomes of a manifest and documents, from first to last.
fn adopt(
    trust: &Trust,
    manifest: &[u8],
    documents: &[String],
    adopted: Option<&Adopted>,
    now: u64,
) -> Result<Option<(Adopted, Authorizer)>, Refused> {
    let manifest = UnverifiedManifest::parse(manifest)?.verify(trust)?;
    let Admission::New(mut activation) = manifest.admit(adopted, adopted, time(now))? else { return Ok(None) };
    for document in documents {
        activation.supply(Digest::of(document.as_bytes()), document.clone().into_bytes())?;
    }
    activation.activate().map(Some)
}

/// Tenants of one provider may have rules of their own, and its keys are theirs all the same.
#[test]
fn keys_are_those_of_every_entry_of_their_issuer() {
    let mut publisher = Publisher::default();
    let name = "https://idp.example.com/{tenant}";
    let mut one = publisher.policy["issuers"][0].clone();
    one["issuer"] = name.into();
    let mut other = one.clone();
    (one["tenants"], other["tenants"]) = (["a"].as_slice().into(), ["b"].as_slice().into());
    // What it begins with is not what is good once keys were pushed.
    other["jwks"] = json!({ "keys": [] });
    publisher.policy["issuers"] = vec![one, other].into();
    let keys = publisher.keys["issuers"]["https://idp.example.com"].take();
    publisher.keys["issuers"] = json!({ name: keys });
    let (_, authorizer) =
        adopt(&publisher.trust(1), publisher.manifest(42).as_bytes(), &publisher.documents(), None, NOW)
            .unwrap()
            .unwrap();
    let counts: Vec<usize> = authorizer.key_counts().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 1]);
}

fn decide(authorizer: &Authorizer, method: &str, now: u64) -> (Effect, Reason) {
    let head = RequestHead {
        method: Some(method.as_bytes()),
        authority: Some(b"api.example.com"),
        path: Some(b"/healthz"),
        ..RequestHead::default()
    };
    match authorizer.authorize(&head, time(now)) {
        Step::Decided(authorization) => (authorization.decision().effect(), authorization.decision().reason()),
        Step::Introspect(_) => panic!("nobody is asked"),
    }
}

/// Whatever is done to a manifest on its way, it is refused: cut off at every place, or with one bit flipped in every byte.
#[test]
fn nothing_but_what_was_signed_is_adopted() {
    let publisher = Publisher::default();
    let (trust, good) = (publisher.trust(1), publisher.manifest(42));
    assert!(adopt(&trust, good.as_bytes(), &publisher.documents(), None, NOW).is_ok());
    for length in 0..good.len() {
        assert!(
            adopt(&trust, &good.as_bytes()[..length], &publisher.documents(), None, NOW).is_err(),
            "{length} bytes"
        );
    }
    for place in 0..good.len() {
        let mut flipped = good.clone().into_bytes();
        flipped[place] ^= 1 << (place % 8);
        assert!(adopt(&trust, &flipped, &publisher.documents(), None, NOW).is_err(), "byte {place} flipped");
    }
}

#[test]
fn a_document_is_taken_by_its_exact_bytes() {
    let publisher = Publisher::default();
    let manifest = UnverifiedManifest::parse(publisher.manifest(42).as_bytes()).unwrap();
    let Ok(Admission::New(mut activation)) = manifest.verify(&publisher.trust(1)).unwrap().admit(None, None, time(NOW))
    else {
        panic!("it is new");
    };
    for document in publisher.documents() {
        let digest = Digest::of(document.as_bytes());
        for place in 0..document.len() {
            let mut flipped = document.clone().into_bytes();
            flipped[place] ^= 0x20;
            let refused = activation.supply(digest, flipped).unwrap_err();
            assert_eq!(refused.reason(), RefusalReason::DocumentMismatch);
            let refused = activation.supply(digest, document.as_bytes()[..place].to_vec()).unwrap_err();
            assert_eq!(refused.reason(), RefusalReason::DocumentMismatch);
        }
    }
    assert_eq!(activation.missing().len(), 2);
    assert_eq!(activation.activate().unwrap_err().reason(), RefusalReason::DocumentMissing);
}

#[test]
fn a_bundle_is_fresh_then_stale_then_closed() {
    for (when_stale, method, stale) in [
        (WhenStale::Serve, "GET", Reason::PermittedByRule),
        (WhenStale::Serve, "POST", Reason::PermittedByRule),
        (WhenStale::DenyWrites, "GET", Reason::PermittedByRule),
        (WhenStale::DenyWrites, "HEAD", Reason::PermittedByRule),
        (WhenStale::DenyWrites, "OPTIONS", Reason::PermittedByRule),
        (WhenStale::DenyWrites, "POST", Reason::BundleStale),
        (WhenStale::DenyWrites, "PROPFIND", Reason::BundleStale),
        (WhenStale::Deny, "GET", Reason::BundleStale),
    ] {
        let publisher = Publisher { when_stale, ..Publisher::default() };
        let manifest = publisher.manifest(42);
        let (_, authorizer) =
            adopt(&publisher.trust(1), manifest.as_bytes(), &publisher.documents(), None, NOW).unwrap().unwrap();
        // Clocks may be anywhere; only the age of the bundle follows them.
        for (now, expected) in [
            (0, Reason::PermittedByRule),
            (NOW, Reason::PermittedByRule),
            (NOW + 3599, Reason::PermittedByRule),
            (NOW + 3600, stale),
            (NOW + 3600 + 86_399, stale),
            (NOW + 3600 + 86_400, Reason::BundleStale),
            (u64::MAX / 1000, Reason::BundleStale),
        ] {
            assert_eq!(decide(&authorizer, method, now).1, expected, "{when_stale:?} {method} at {now}");
        }
        assert!(authorizer.is_serving(time(NOW)));
        assert_eq!(authorizer.is_serving(time(NOW + 3600)), when_stale != WhenStale::Deny);
        assert!(!authorizer.is_serving(time(NOW + 90_000)));
    }
}

#[test]
fn what_was_adopted_is_taken_up_again_whatever_the_time_and_nothing_older_is() {
    let publisher = Publisher::default();
    let manifest = |epoch| {
        let text = publisher.manifest(epoch);
        UnverifiedManifest::parse(text.as_bytes()).unwrap().verify(&publisher.trust(1)).unwrap()
    };
    let floor = manifest(42).as_adopted();
    assert!(manifest(42).resume(Some(&floor)).is_ok());
    assert!(manifest(43).resume(Some(&floor)).is_ok());
    assert_eq!(manifest(41).resume(Some(&floor)).unwrap_err().reason(), RefusalReason::RolledBack);
    let other = Publisher { when_stale: WhenStale::Deny, ..Publisher::default() };
    let text = other.manifest(42);
    let other = UnverifiedManifest::parse(text.as_bytes()).unwrap().verify(&publisher.trust(1)).unwrap();
    assert_eq!(other.resume(Some(&floor)).unwrap_err().reason(), RefusalReason::EpochReused);
    // A worker that could not follow fetches what another has adopted, and nothing else of that age.
    let late = time(NOW + 7200);
    assert!(matches!(manifest(42).admit(None, Some(&floor), late), Ok(Admission::New(_))));
    assert_eq!(manifest(42).admit(None, None, late).unwrap_err().reason(), RefusalReason::Expired);
    assert_eq!(manifest(43).admit(None, Some(&floor), late).unwrap_err().reason(), RefusalReason::Expired);
    let behind = manifest(41).as_adopted();
    assert!(matches!(manifest(42).admit(Some(&behind), Some(&floor), late), Ok(Admission::New(_))));
    assert_eq!(manifest(41).admit(None, Some(&floor), late).unwrap_err().reason(), RefusalReason::RolledBack);
}

#[test]
fn trust_that_cannot_be_met_or_is_met_by_one_for_two_is_refused() {
    let publisher = Publisher::default();
    let good = publisher.trust_json(1);
    let with = |pointer: &str, value: Value| {
        let mut trust = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match trust.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(value),
            parent => parent[name] = value,
        }
        Trust::parse(trust.to_string().as_bytes()).err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    assert_eq!(with("/threshold", json!(2)), "");
    let too_many =
        "threshold: is more than there are keys, or than a manifest has signatures: nothing would be adopted";
    assert_eq!(with("/threshold", json!(4)), too_many);
    assert_eq!(with("/threshold", json!(0)), "threshold: 0 is not between 1 and 18446744073709551615");
    assert_eq!(with("/keys", json!([])), "keys: must not be empty; leave the field out if it is not wanted");
    assert_eq!(with("/fleet", json!("a/b")), "fleet: `a/b` is not a name: at most 64 letters, digits and `-_.`");
    let mut again = good["keys"][0].clone();
    again["kid"] = json!("other-name");
    assert!(with("/keys/-", again.clone()).contains("is already used at keys[0]"));
    again["x"] = json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(with("/keys/-", again.clone()), "");
    again["d"] = json!("AA");
    assert!(with("/keys/-", again).contains("is a private key"));
    let unnamed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(with("/keys/-", unnamed), "keys[3].kid: is missing\nkeys[3].alg: is missing");
    let rsa = json!({ "kty": "RSA", "kid": "r", "alg": "RS256", "n": "AQ", "e": "AQAB" });
    assert!(with("/keys/-", rsa).contains("is no key for signatures by EdDSA"));
}

#[test]
fn a_token_with_an_unknown_key_of_an_issuer_whose_keys_are_pushed_is_told_once() {
    let publisher = Publisher::default();
    let manifest = publisher.manifest(42);
    let (_, authorizer) =
        adopt(&publisher.trust(1), manifest.as_bytes(), &publisher.documents(), None, NOW).unwrap().unwrap();
    let ask = |issuer: &str, kid: &str| {
        let part = |value: Value| crate::jose::base64url::encode(value.to_string());
        let token = format!(
            "Bearer {}.{}.{}",
            part(json!({ "alg": "ES256", "kid": kid })),
            part(json!({ "iss": issuer })),
            crate::jose::base64url::encode([1; 64])
        );
        let head = RequestHead {
            method: Some(b"GET"),
            authority: Some(b"api.example.com"),
            path: Some(b"/orders"),
            headers: vec![(b"authorization", token.as_bytes())],
            ..RequestHead::default()
        };
        match authorizer.authorize(&head, time(NOW)) {
            Step::Decided(authorization) => authorization.decision().reason(),
            Step::Introspect(_) => panic!("nobody is asked"),
        }
    };
    assert_eq!(ask("https://idp.example.com", "next"), Reason::KeyUnknown);
    assert_eq!(ask("https://idp.example.com", "another"), Reason::KeyUnknown);
    assert_eq!(ask("https://nobody.example.com", "next"), Reason::IssuerUnknown);
    let unknown = authorizer.take_unknown_keys();
    let first = crate::UnknownKey { issuer: "https://idp.example.com".to_owned(), key_id: "next".to_owned() };
    assert_eq!((unknown, authorizer.take_unknown_keys()), (vec![first], Vec::new()));
}

#[test]
fn a_signature_can_be_added_by_somebody_else_later() {
    let publisher = Publisher::default();
    let trust = publisher.trust(2);
    let one = publisher.manifest(42);
    let two = UnverifiedManifest::parse(one.as_bytes()).unwrap();
    let two = two.signed_by(Algorithm::Es256, "es-2", |message| publisher.sign(Algorithm::Es256, message)).to_json();
    let reason = |text: &str| adopt(&trust, text.as_bytes(), &publisher.documents(), None, NOW).map(|_| ());
    assert_eq!(reason(&one).unwrap_err().reason(), RefusalReason::ThresholdNotMet);
    assert_eq!(reason(&two), Ok(()));
}
