//! Tests of policies: what a case can say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{run, write};
use serde_json::{Value, json};

const POLICY: &str = include_str!("test_policy.yaml");

/// Runs these tests of the policy.
fn test(tests: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY), ("policy_test.yaml", tests)]);
    run(folder.path(), &[&["test"], arguments].concat())
}

fn assert_pass(cases: &str) {
    let (code, output, errors) = test(&format!("version: 1\ncases:\n{cases}"), &[]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[test]
fn the_starter_policy_passes_its_tests_and_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (code, output, _) = run(folder.path(), &["init", "policy"]);
    assert_eq!((code, output.lines().last()), (0, Some("Next: portcullis test policy")));
    let (code, output, errors) = run(folder.path(), &["test", "policy"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(output.contains("4 of 4 rules decided a case\n"), "{output}");
    assert_eq!(run(folder.path(), &["check", "policy"]).0, 0);

    fs::remove_file(folder.path().join("policy/policy.yaml")).unwrap();
    let (code, output, errors) = run(folder.path(), &["init", "policy"]);
    let expected = "policy: policy_test.yaml is there already and is not overwritten; name another folder\n";
    assert_eq!((code, output.as_str(), errors.as_str()), (2, "", expected));
    assert!(!folder.path().join("policy/policy.yaml").exists());
}

#[test]
fn every_way_to_present_a_credential() {
    assert_pass(
        "
  - { name: a token of the first issuer, request: GET /x, who: {}, expect: { decision: permit, upstream: { x-portcullis-issuer: https://login.example.com } } }
  - { name: a token of another issuer, request: GET /x, who: { issuer: https://other.example.com }, expect: permit }
  - { name: a tenant, request: GET /x, who: { issuer: https://tenants.example.com/t-2 }, expect: { decision: permit, upstream: { x-portcullis-tenant: t-2 } } }
  - { name: a cookie, request: GET /session, who: { credential: session }, expect: { decision: permit, rule: session } }
  - { name: a parameter, request: GET /link?a=b, who: { credential: link }, expect: { decision: permit, upstream: { ':path': '/link?a=b' } } }
  - { name: an issuer that is only asked, request: GET /x, who: { issuer: https://as.example.com, claims: { sub: bob } }, expect: { decision: permit, upstream: { x-portcullis-subject: bob } } }
  - { name: an opaque token, request: GET /x, who: { opaque: true }, expect: permit }
  - { name: an opaque token that is not active, request: GET /x, who: { opaque: true, claims: { active: false } }, expect: { decision: deny, reason: token_inactive } }
  - { name: an opaque token that nobody knows, request: GET /x, who: { token: abc }, expect: { decision: deny, reason: introspection_failed, status: 503 } }
  - { name: two at once, request: GET /x, who: [{ api_key: k-1 }, { peer: { uri_san: spiffe://example.org/payments } }], expect: { decision: permit, rule: both } }
  - { name: an API key alone, request: GET /x, who: { api_key: k-1 }, expect: { decision: deny, reason: credential_missing } }
  - { name: a wrong key, request: { path: /x, headers: { x-api-key: pk_1.guessed } }, expect: { decision: deny, reason: api_key_invalid } }
",
    );
}

#[test]
fn a_token_is_bad_in_the_way_that_a_case_says() {
    assert_pass(
        "
  - { name: expired, request: GET /x, who: { claims: { exp: { now: -61 } } }, expect: { decision: deny, reason: token_expired } }
  - { name: not expired yet, request: GET /x, who: { claims: { exp: { now: -59 } } }, expect: permit }
  - { name: for somebody else, request: GET /x, who: { claims: { aud: you } }, expect: { decision: deny, reason: audience_mismatch } }
  - { name: without an end, request: GET /x, who: { without: [exp] }, expect: { decision: deny, reason: claims_malformed } }
  - { name: of another type, request: GET /x, who: { header: { typ: dpop+jwt } }, expect: { decision: deny, reason: type_mismatch } }
  - { name: no issuer speaks for another, request: GET /x, who: { claims: { iss: https://other.example.com } }, expect: { decision: deny, reason: signature_invalid } }
  - { name: no issuer at all, request: GET /x, who: { claims: { iss: https://evil.example.com } }, expect: { decision: deny, reason: issuer_unknown } }
  - { name: later, now: 2027-01-01T00:00:00Z, request: GET /x, who: { claims: { exp: 1767268900 } }, expect: { decision: deny, reason: token_expired } }
  - { name: at noon on the first of January, request: GET /x, who: { claims: { exp: 1767268741, iat: 1767268740 } }, expect: permit }
  - { name: and not a second longer, request: GET /x, who: { claims: { exp: 1767268740 } }, expect: { decision: deny, reason: token_expired } }
",
    );
}

/// A token of every kind of provider is good unless a case says otherwise.
#[test]
fn every_preset_makes_good_tokens() {
    let presets = fs::read_to_string(host_tests::repository().join("authz/presets.json")).unwrap();
    let presets: Value = serde_json::from_str(&presets).unwrap();
    let names: Vec<&String> = presets.as_object().unwrap().keys().collect();
    let issuer =
        |name: &str| if name == "spiffe" { "spiffe://example.org".to_owned() } else { format!("https://{name}") };
    let issuers: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut value =
                json!({ "issuer": issuer(name), "preset": name, "audiences": ["api"], "jwks": { "keys": [] } });
            if presets[name.as_str()]["own"].get("required_header").is_some() {
                value["required_header"] = json!([{ "pointer": "/signer", "equals": "arn" }]);
            }
            value
        })
        .collect();
    let rules = json!([{ "id": "all", "effect": "permit", "target": {} }]);
    let policy = json!({ "version": 1, "revision": 1, "issuers": issuers, "rules": rules });
    let case = |name: &&String| json!({ "name": name, "request": "GET /", "who": { "issuer": issuer(name) }, "expect": "permit" });
    let tests = json!({ "version": 1, "cases": names.iter().map(case).collect::<Vec<_>>() });
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.json", &policy.to_string()), ("policy_test.json", &tests.to_string())]);
    let (code, output, errors) = run(folder.path(), &["test"]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[test]
fn what_is_on_record_besides_the_decision() {
    let cases = "
  - { name: marks, request: GET /orders, who: {}, expect: { decision: permit, audit: true, rate_limit: orders, shadow: deny } }
  - name: what a rule in shadow would do, and why
    request: GET /orders
    who: {}
    expect: { decision: permit, shadow: { decision: deny, reason: denied_by_rule, rule: watched } }
  - { name: from elsewhere, request: { path: /orders, source: 192.0.2.2 }, who: {}, expect: { decision: permit, shadow: permit } }
  - { name: no marks and no shadow, request: GET /session, who: { credential: session }, expect: { decision: permit, audit: false, rate_limit: null, shadow: null } }
";
    let (code, output, errors) = test(&format!("version: 1\nsource: 192.0.2.1\ncases:\n{cases}"), &[]);
    assert_eq!(code, 0, "{output}{errors}");

    let wrong = "
  - { name: a, request: GET /session, who: { credential: session }, expect: { decision: permit, audit: true, rate_limit: x, shadow: deny } }
  - { name: b, request: GET /orders, who: {}, expect: { decision: permit, shadow: null } }
";
    let (code, output, _) = test(&format!("version: 1\nsource: 192.0.2.1\ncases:\n{wrong}"), &[]);
    assert_eq!(code, 1);
    for expected in [
        "audit            expected true, was false\n",
        "rate_limit       expected x, was none\n",
        "shadow decision  expected deny, was none\n",
        "shadow  expected none, was deny\n",
    ] {
        assert!(output.contains(expected), "{output}");
    }
}
