//! Signed bundles without an endpoint.

use authz::UnixTime;
use authz::distribution::{Admission, SignedBundle, Trust};
use serde_json::Value;

use crate::common;
use crate::endpoint::{Home, policy};

fn now() -> UnixTime {
    UnixTime::from_seconds(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs())
}

#[test]
fn a_signed_bundle_goes_through_the_gate() {
    let home = Home::new();
    std::fs::write(home.path().join("policy.json"), policy("a").to_string()).unwrap();
    let publish = [
        "publish",
        "policy.json",
        "--signing-key",
        "signing-key.json",
        "--name",
        "policy",
        "--epoch",
        "42",
        "--output",
        "signed.json",
    ];
    let (code, _, errors) = common::run(home.path(), &publish);
    assert_eq!(code, 0, "{errors}");
    let text = std::fs::read(home.path().join("signed.json")).unwrap();
    let trust = Trust::parse(home.trust().to_string().as_bytes()).unwrap();
    let admission = SignedBundle::parse(&text).unwrap().admit(&trust, None, None, now()).unwrap();
    let Admission::New(mut activation) = admission else { panic!("nothing was adopted before") };
    let (adopted, _) = activation.activate().unwrap();
    assert_eq!(adopted.epoch, 42);
}

#[test]
fn both_algorithms_make_keys_that_verify() {
    let home = Home::new();
    std::fs::write(home.path().join("policy.json"), policy("a").to_string()).unwrap();
    for algorithm in ["EdDSA", "ES256"] {
        let key = format!("{algorithm}.json");
        let (code, public, errors) = common::run(home.path(), &["keygen", &key, "--algorithm", algorithm]);
        assert_eq!(code, 0, "{errors}");
        let public: Value = serde_json::from_str(&public).unwrap();
        assert_eq!((public["alg"].as_str(), public.get("d")), (Some(algorithm), None));
        // That it verifies is checked by the command, with the code of the proxies.
        let (code, _, errors) = common::run(
            home.path(),
            &["publish", "policy.json", "--signing-key", &key, "--name", "policy", "--epoch", "1"],
        );
        assert_eq!(code, 0, "{errors}");
    }
    // What is there already is not overwritten.
    let (code, _, errors) = common::run(home.path(), &["keygen", "EdDSA.json"]);
    assert_eq!(code, 2, "{errors}");
    let (code, token, hash) = common::run(home.path(), &["keygen", "--token"]);
    assert_eq!(code, 0);
    assert!(hash.contains(&crate::endpoint::sha256(token.trim())), "{hash}");
}
