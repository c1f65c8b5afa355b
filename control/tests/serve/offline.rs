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

/// The tests of a policy travel with it, as far as proxies can run them.
#[test]
fn a_test_file_becomes_what_proxies_check() {
    let home = Home::new();
    let bank = host_tests::repository().join("examples/bank");
    let publish = |policy: &std::path::Path, tests: &std::path::Path| {
        let (policy, tests) = (policy.to_str().unwrap(), tests.to_str().unwrap());
        let key = ["--signing-key", "signing-key.json", "--name", "policy", "--epoch", "1", "--output", "signed.json"];
        common::run(home.path(), &[&["publish", policy, "--tests", tests], &key[..]].concat())
    };
    let (code, _, errors) = publish(&bank, &bank.join("bank_test.yaml"));
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("cases pass here and do not travel"), "{errors}");
    let signed: Value = serde_json::from_slice(&std::fs::read(home.path().join("signed.json")).unwrap()).unwrap();
    let documents = signed["documents"].as_array().unwrap().iter();
    let documents = documents.map(|text| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap());
    let tests = documents.into_iter().find(|document| document.get("cases").is_some()).unwrap();
    let cases = tests["cases"].as_array().unwrap();
    assert!(cases.len() > 20, "{}", cases.len());
    let late = cases.iter().find(|case| case["name"] == "a bad credential is never anonymous, not even there").unwrap();
    assert_eq!(late["principal"]["issuer"], "https://login.bank.example");
    assert_eq!(late["principal"]["claims"]["exp"], late["now"].as_u64().unwrap() - 3600);
    assert_eq!(late["expect"], serde_json::json!({ "decision": "deny", "reason": "token_expired" }));

    // What fails here fails everywhere, and what nobody can run elsewhere is no test for a proxy.
    std::fs::write(home.path().join("policy.json"), policy("a").to_string()).unwrap();
    let file = home.path().join("policy_test.yaml");
    for (case, why) in [
        ("{ name: closed, request: GET /healthz, expect: deny }", "1 cases fail"),
        ("{ name: both, request: GET /healthz, who: [{ peer: {} }], expect: permit }", "policy_test.yaml"),
    ] {
        std::fs::write(&file, format!("version: 1\ncases:\n  - {case}\n")).unwrap();
        let (code, _, errors) = publish(&home.path().join("policy.json"), &file);
        assert!(code != 0 && errors.contains(why), "{code} {errors}");
    }
}
