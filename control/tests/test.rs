//! Tests of policies: what a case can say, and what it is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{run, write};
use serde_json::{Value, json};

const POLICY: &str = include_str!("test_policy.yaml");
const EVERYTHING: &str = include_str!("test_everything.json");

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

const FAILING: &str = "\
version: 1
cases:
  - name: passes
    request: GET /closed
    expect: { decision: deny, rule: closed }
  - name: fails, <really>
    request: GET /closed
    expect: { decision: permit, rule: all, status: 200, upstream: { x: y } }
";

#[test]
fn a_case_that_fails_says_how() {
    let expected = "\
policy_test.yaml
  ok    passes
  FAIL  fails, <really> (policy_test.yaml:6)
          decision  expected permit, was deny
          rule      expected all, was closed
          status    expected 200, was 403
          it was: deny, denied_by_rule, rule closed, status 403

1 of 6 rules decided a case; never: all, session, link, both, scope
1 of 2 cases failed
";
    assert_eq!(test(FAILING, &[]), (1, expected.to_owned(), String::new()));

    let (code, output, _) = test(FAILING, &["--output", "github"]);
    let annotation = "::error file=policy_test.yaml,line=6,title=fails%2C <really>::decision: expected permit, was deny%0Arule: expected all, was closed%0Astatus: expected 200, was 403%0Ait was: deny, denied_by_rule, rule closed, status 403\n";
    assert_eq!((code, output), (1, format!("{expected}{annotation}")));

    let (code, output, _) = test(FAILING, &["--output", "junit"]);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="portcullis" tests="2" failures="1">
  <testsuite name="policy_test.yaml" tests="2" failures="1">
    <testcase name="passes" classname="policy_test.yaml" file="policy_test.yaml" line="3"/>
    <testcase name="fails, &lt;really&gt;" classname="policy_test.yaml" file="policy_test.yaml" line="6">
      <failure message="decision: expected permit, was deny; rule: expected all, was closed; status: expected 200, was 403">it was: deny, denied_by_rule, rule closed, status 403</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert_eq!((code, output.as_str()), (1, expected));
}

/// Neither a terminal nor GitHub obeys what stands in a name.
#[test]
fn a_name_cannot_speak_as_the_command() {
    let case = r#"version: 1
cases: [{ name: "a\n::error::b\u001b[31m", request: GET /closed, expect: deny }]"#;
    let (code, output, _) = test(case, &["--output", "github"]);
    assert_eq!(code, 0);
    assert!(output.contains("  ok    a\u{fffd}::error::b\u{fffd}[31m\n"), "{output}");
}

#[test]
fn a_scope_that_is_missing_names_a_rule_but_covers_none() {
    let case = "version: 1\ncases: [{ name: a, request: GET /scope, who: { credential: session }, expect: { decision: deny, rule: scope } }]";
    let (code, output, _) = test(case, &[]);
    assert_eq!(code, 0, "{output}");
    assert!(
        output.contains("0 of 6 rules decided a case; never: all, session, link, both, closed, scope\n"),
        "{output}"
    );
}

#[test]
fn the_report_for_programs_fits_its_schema() {
    let (_, output, _) = test(FAILING, &["--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    let schema = schema("test-report");
    let complaints: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!((&report["revision"], &report["passed"], &report["failed"]), (&json!(5), &json!(1), &json!(1)));
    assert_eq!(report["rules"][4], json!({ "id": "closed", "cases": 2 }));
    assert_eq!(report["files"][0]["cases"][1]["line"], 6);
}

/// What is wrong with a test file has its line, and nothing is run.
#[test]
fn a_test_file_is_read_strictly() {
    for (case, expected) in [
        ("{ name: a, request: GET /, expect: allow }", "3:32: cases[0].expect: `allow` is not a decision"),
        ("{ name: a, request: /, expect: deny }", "3:16: cases[0].request: `/` is not a method and a path"),
        ("{ name: a, request: GET /, expect: deny, now: today }", "cases[0].now: `today` is not a time like"),
        (
            "{ name: a, request: GET /, expect: deny, who: { issuer: https://x } }",
            "cases[0].who.issuer: `https://x` is not a trusted issuer of the policy: `https://login.example.com`",
        ),
        (
            "{ name: a, request: GET /, expect: deny, who: { credential: x } }",
            "cases[0].who.credential: `x` is no credential of this type in the policy: `user`, `session`, `link`",
        ),
        (
            "{ name: a, request: GET /, expect: deny, who: { api_key: x } }",
            "cases[0].who.api_key: the policy has no API key with the id `x`",
        ),
        (
            "{ name: a, request: GET /, expect: deny, who: { token: x, claims: {} } }",
            "cases[0].who: one credential is either",
        ),
        (
            "{ name: a, request: GET /, expect: { decision: deny, reason: x } }",
            "cases[0].expect.reason: `x` is not a reason",
        ),
        (
            "{ name: a, request: GET /, expect: { decision: deny, upstream: { a: b } } }",
            "cases[0].expect.upstream: the upstream never sees",
        ),
        (
            "{ name: a, request: GET /, expect: deny }\n  - { name: a, request: GET /, expect: deny }",
            "4:7: cases[1].name: case `a` is already used at cases[0].name (policy_test.yaml:3:7)",
        ),
        ("{ name: a, request: GET /, expect: deny, expected: deny }", "3:46: cases[0]: unknown field `expected`"),
    ] {
        let (code, output, errors) = test(&format!("version: 1\ncases:\n  - {case}\n"), &[]);
        assert_eq!((code, output.as_str()), (2, ""), "{case}");
        assert!(errors.starts_with("policy_test.yaml:") && errors.contains(expected), "{errors}");
    }
}

#[test]
fn where_there_is_nothing_to_run_nothing_passes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY)]);
    let no_tests = ".: has no tests: no file `*_test.yaml` or `*.test.yaml`\n";
    assert_eq!(run(folder.path(), &["test"]), (2, String::new(), no_tests.to_owned()));
    write(folder.path(), &[("policy.yaml", "version: 1"), ("policy_test.yaml", FAILING)]);
    let (code, _, errors) = run(folder.path(), &["test"]);
    assert_eq!(code, 2);
    assert!(errors.contains(".: rules: is missing"), "{errors}");
}

fn schema(name: &str) -> Value {
    let (_, text, _) = run(std::path::Path::new("."), &["schema", name]);
    serde_json::from_str(&text).unwrap()
}

/// The schema of test files and their reader accept and refuse the same.
#[test]
fn the_schema_and_the_reader_agree() {
    let everything: Value = serde_json::from_str(EVERYTHING).unwrap();
    let schema = schema("test");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY)]);
    let read = |document: &Value| {
        write(folder.path(), &[("policy_test.json", &document.to_string())]);
        run(folder.path(), &["test"])
    };
    let (code, output, errors) = read(&everything);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(validator.is_valid(&everything), "{:?}", validator.iter_errors(&everything).next());

    let mut used = BTreeSet::new();
    for (pointer, names) in objects(&everything, "") {
        // Claims, headers and the like have members of any name.
        let is_open = ["claims", "header", "headers", "upstream", "exp"].iter().any(|name| pointer.ends_with(name));
        if is_open {
            continue;
        }
        let mut odd = everything.clone();
        odd.pointer_mut(&pointer).unwrap()["no_such_field"] = json!(1);
        assert!(!validator.is_valid(&odd), "the schema accepts an unknown field at {pointer}");
        assert_eq!(read(&odd).0, 2, "the reader accepts an unknown field at {pointer}");
        used.extend(names.iter().cloned());
        // What a case names has to be there in the policy, and of its type: no schema can say that.
        for name in names.into_iter().filter(|name| name != "api_key" && name != "peer") {
            let mut less = everything.clone();
            less.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&name);
            assert_eq!(validator.is_valid(&less), read(&less).0 != 2, "without {pointer}/{name}");
        }
    }
    let mut known = BTreeSet::new();
    collect_properties(&schema, &mut known);
    assert_eq!(known, used);
}

/// The objects of a document, each with the names of its members.
fn objects(value: &Value, pointer: &str) -> Vec<(String, Vec<String>)> {
    match value {
        Value::Object(members) => {
            let inner = members.iter().flat_map(|(name, value)| objects(value, &format!("{pointer}/{name}")));
            std::iter::once((pointer.to_owned(), members.keys().cloned().collect())).chain(inner).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, value)| objects(value, &format!("{pointer}/{index}"))).collect()
        }
        _ => Vec::new(),
    }
}

fn collect_properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            // A condition on a property declares none.
            let declares = members.get("type").is_some_and(|kind| kind == "object");
            if let Some(Value::Object(properties)) = members.get("properties").filter(|_| declares) {
                names.extend(properties.keys().cloned());
            }
            members.values().for_each(|value| collect_properties(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_properties(item, names)),
        _ => {}
    }
}
