//! What `portcullis test` says of the cases, to people and to programs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{run, write};
use serde_json::{Value, json};

const POLICY: &str = include_str!("test_policy.yaml");

/// Runs these tests of the policy.
fn test(tests: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY), ("policy_test.yaml", tests)]);
    run(folder.path(), &[&["test"], arguments].concat())
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

1 of 7 rules decided a case; never: all, session, link, both, scope, watched
0 of 7 conditions were seen both ways; never true: all: its credential was presented, session: its credential was presented, link: its credential was presented and 4 more
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
        output.contains("0 of 7 rules decided a case; never: all, session, link, both, closed, scope, watched\n"),
        "{output}"
    );
}

#[test]
fn the_report_for_programs_fits_its_schema() {
    let (_, output, _) = test(FAILING, &["--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    let (_, schema, _) = run(std::path::Path::new("."), &["schema", "test-report"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let complaints: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!((&report["revision"], &report["passed"], &report["failed"]), (&json!(5), &json!(1), &json!(1)));
    assert_eq!(report["rules"][4], json!({ "id": "closed", "shadow": false, "cases": 2, "conditions": [] }));
    assert_eq!(report["files"][0]["cases"][1]["line"], 6);
}

/// A part of a condition is seen by itself, whatever the others come to; not where its credential is missing, and not in a
/// request that never gets as far as the rules.
#[test]
fn each_part_of_a_condition_is_counted() {
    let policy = "
version: 1
revision: 1
issuers: [{ issuer: https://login.example.com, audiences: [api], algorithms: [ES256], jwks: { keys: [] } }]
rules:
  - id: own
    effect: permit
    target: { paths: [\"/users/{id}\"] }
    condition:
      scopes: { all: [read] }
      any: [{ claims: [{ pointer: /sub, equals: { capture: id } }] }, { not: { source: { networks: [10.0.0.0/8] } } }]
";
    let tests = "
version: 1
source: 10.1.1.1
cases:
  - { name: own, request: GET /users/a, who: { claims: { sub: a, scope: read } }, expect: permit }
  - { name: no scope, request: GET /users/a, who: { claims: { sub: a } }, expect: deny }
  - { name: others from outside, request: { path: /users/b, source: 192.0.2.1 }, who: { claims: { scope: read } }, expect: permit }
  - { name: nobody, request: GET /users/a, expect: deny }
  - { name: elsewhere, request: GET /, who: {}, expect: deny }
  - { name: a bad token, request: GET /users/a, who: { claims: { exp: 1 } }, expect: { decision: deny, reason: token_expired } }
";
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", policy), ("policy_test.yaml", tests)]);
    let (code, output, errors) = run(folder.path(), &["test", "--output", "json"]);
    assert_eq!(code, 0, "{output}{errors}");
    let report: Value = serde_json::from_str(&output).unwrap();
    let part = |condition: &str, held: usize, not_held: usize| json!({ "condition": condition, "held": held, "not_held": not_held });
    let parts = json!([
        part("scope read", 2, 1),
        part("claim /sub is {id} of the path", 2, 1),
        part("client address in 10.0.0.0/8", 3, 1),
    ]);
    assert_eq!(report["rules"][0]["conditions"], parts);
    assert!(run(folder.path(), &["test"]).1.contains("\n3 of 3 conditions were seen both ways\n"));
}

/// A rule in shadow decides nothing; it is counted where it would have.
#[test]
fn a_rule_in_shadow_is_tested_by_what_it_would_have_decided() {
    let case = |source: &str| {
        format!("version: 1\nsource: {source}\ncases: [{{ name: a, request: GET /orders, who: {{}}, expect: permit }}]")
    };
    let watched = |source: &str| {
        let (_, output, _) = test(&case(source), &["--output", "json"]);
        let report: Value = serde_json::from_str(&output).unwrap();
        (report["files"][0]["cases"][0]["shadow"].clone(), report["rules"][6].clone())
    };
    let part = |held: usize, not_held: usize| json!([{ "condition": "client address in 192.0.2.1/32", "held": held, "not_held": not_held }]);
    let rule = |cases: usize, part| json!({ "id": "watched", "shadow": true, "cases": cases, "conditions": part });
    let denied = json!({ "decision": "deny", "reason": "denied_by_rule", "rule": "watched" });
    assert_eq!(watched("192.0.2.1"), (denied, rule(1, part(1, 0))));
    let permitted = json!({ "decision": "permit", "reason": "permitted_by_rule", "rule": "all" });
    assert_eq!(watched("192.0.2.2"), (permitted, rule(0, part(0, 1))));
}

/// A plugin configuration is tested as the policy that it has; its candidate, whose issuers sign for both, is compared.
#[test]
fn what_a_candidate_would_change_is_said() {
    let bundle = |rule: Value| {
        let issuer = json!({ "issuer": "https://login.example.com", "audiences": ["api"], "algorithms": ["ES256"], "jwks": { "keys": [] } });
        json!({ "version": 1, "revision": 7, "issuers": [issuer], "rules": [rule] })
    };
    let rule = json!({ "id": "a", "effect": "permit", "target": { "paths": ["/a", "/b"] } });
    let mut stricter = rule.clone();
    stricter["condition"] = json!({ "scopes": { "all": ["b"] } });
    let plugin = json!({ "version": 1, "bundle": bundle(rule), "candidate": bundle(stricter) });
    let tests = "
version: 1
cases:
  - { name: with the scope, request: GET /a, who: { claims: { scope: b } }, expect: permit }
  - { name: without it, request: GET /b, who: {}, expect: permit }
";
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("plugin.json", &plugin.to_string()), ("plugin_test.yaml", tests)]);
    let (code, output, errors) = run(folder.path(), &["test", "plugin.json"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(output.contains("\nthe candidate would decide 1 cases otherwise; they are: without it\n"), "{output}");
    let (_, output, _) = run(folder.path(), &["test", "plugin.json", "--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    let candidate = json!({ "decision": "deny", "reason": "scope_insufficient", "rule": "a" });
    assert_eq!(report["files"][0]["cases"][1]["candidate"], candidate);

    let (code, output, errors) = run(folder.path(), &["explain", "plugin.json", "--path", "/b", "--claims", "{}"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(output.contains("\n  under the candidate: deny: scope_insufficient, rule a\n"), "{output}");
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
