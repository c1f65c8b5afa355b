//! Explanations: why a request is permitted or denied.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{run, write};
use serde_json::{Value, json};

const POLICY: &str = include_str!("../starter/policy.yaml");
const TESTS: &str = include_str!("../starter/policy_test.yaml");

fn explain(policy: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", policy), ("policy_test.yaml", TESTS)]);
    run(folder.path(), &[&["explain"], arguments].concat())
}

#[test]
fn a_refusal_names_what_is_missing_in_the_nearest_rule() {
    let claims = r#"{ "scope": "orders.read", "email_verified": true }"#;
    let expected = "\
deny: scope_insufficient, rule orders-write, status 403 (POST api.example.com/orders)
  a rule would permit if the token had the scope

rules that are about such a request:
  orders-write  permit  does not apply:
      scope orders.write missing

nearest: orders-write: scope orders.write missing
";
    let told = explain(POLICY, &["--method", "POST", "--path", "/orders", "--claims", claims]);
    assert_eq!(told, (1, expected.to_owned(), String::new()));
}

#[test]
fn a_deny_rule_says_why_it_applies() {
    let deny = "  - { id: no-guests, effect: deny, target: {}, condition: { groups: { any: [guests] } } }\n";
    let expected = "\
deny: denied_by_rule, rule no-guests, status 403 (GET api.example.com/orders)
  a deny rule applies

rules that are about such a request:
  orders-read  permit  applies:
      scope orders.read
  no-guests    deny    applies:
      group one of guests
";
    let told = |claims: &str| explain(&format!("{POLICY}{deny}"), &["--path", "/orders", "--claims", claims]);
    assert_eq!(told(r#"{ "scope": "orders.read", "groups": ["guests"] }"#), (1, expected.to_owned(), String::new()));
    let (code, output, _) = told(r#"{ "scope": "orders.read", "groups": [1] }"#);
    assert_eq!(code, 1);
    let undecided =
        "deny    applies, because it cannot be decided:\n      group one of guests: malformed in the token\n";
    assert!(output.contains(undecided), "{output}");
}

#[test]
fn the_request_is_what_the_command_line_says() {
    let rule = "
  - id: desk
    effect: permit
    target: { hosts: [desk.example.com], methods: [PUT], paths: [/desk] }
    condition:
      headers: [{ name: x-tier, equals: gold }]
      source: { networks: [192.0.2.0/24] }
      time: { not_before: '2027-01-01T00:00:00Z' }
";
    let policy = format!("{POLICY}{rule}");
    let whole = [
        "--method",
        "PUT",
        "--path",
        "/desk",
        "--host",
        "desk.example.com",
        "--header",
        "x-tier: gold",
        "--source",
        "192.0.2.7",
        "--at",
        "2027-06-01T00:00:00Z",
        "--issuer",
        "https://login.example.com",
    ];
    let (code, output, errors) = explain(&policy, &whole);
    assert_eq!(code, 0, "{output}{errors}");
    for left_out in ["--host", "--header", "--source", "--issuer", "--method"] {
        let at = whole.iter().position(|argument| *argument == left_out).unwrap();
        let rest = [&whole[..at], &whole[at + 2..]].concat();
        assert_eq!(explain(&policy, &rest).0, 1, "without {left_out}");
    }
}

/// A case is judged as `portcullis test` judges it; a token of somebody with the keys of the policy.
#[test]
fn who_asks_is_a_case_or_a_token() {
    let (code, output, _) = explain(POLICY, &["--case", "policy_test.yaml", "an expired token is refused"]);
    assert_eq!(code, 1);
    assert!(output.starts_with("deny: token_expired, status 401"), "{output}");
    assert!(output.contains("no rule was asked"), "{output}");
    let (code, output, _) = explain(POLICY, &["--path", "/orders", "--token", "abc"]);
    assert_eq!((code, output.contains("token_malformed")), (1, true));
}

#[test]
fn what_cannot_be_judged_is_no_denial() {
    for (arguments, expected) in [
        (&["--path", "/", "--issuer", "x"][..], "who.issuer: `x` is not a trusted issuer"),
        (&["--path", "/", "--claims", "x"], "the claims are not acceptable JSON"),
        (&["--path", "/", "--header", "x"], "`x` is not a header"),
        (&["--path", "/", "--at", "noon"], "now: `noon` is not a time"),
        (&["--case", "policy_test.yaml", "x"], "policy_test.yaml: has no case `x`"),
        (&["nowhere", "--path", "/"], "nowhere: cannot be read"),
        (&[], "--path"),
    ] {
        let (code, output, errors) = explain(POLICY, arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(errors.contains(expected), "{errors}");
    }
    let opaque = explain(include_str!("test_policy.yaml"), &["--path", "/x", "--token", "abc"]);
    assert_eq!(opaque.0, 2);
    assert!(opaque.2.contains("only its authorization server knows"), "{}", opaque.2);
}

#[test]
fn the_explanation_for_programs_fits_its_schema() {
    let (_, schema, _) = run(std::path::Path::new("."), &["schema", "explanation"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (path, nearest) in [
        ("/orders", json!({ "id": "orders-read", "misses": ["its credential was not presented"] })),
        ("/healthz", Value::Null),
        ("/admin/x", Value::Null),
        ("/a//b", Value::Null),
    ] {
        let (_, output, _) = explain(POLICY, &["--path", path, "--output", "json"]);
        let explanation: Value = serde_json::from_str(&output).unwrap();
        assert!(validator.is_valid(&explanation), "{output}");
        assert_eq!(explanation["nearest"], nearest);
        assert_ne!(explanation["meaning"], "");
    }
}
