//! What `portcullis test` says of the cases, to people and to programs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

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
