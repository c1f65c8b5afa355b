//! Lint: what is planted is found, and what is good is not accused.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{run, write};
use serde_json::{Value, json};

const SEEDED: &str = include_str!("lint_policy.yaml");

fn lint(policy: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", policy)]);
    run(folder.path(), &[&["lint", "policy.yaml"], arguments].concat())
}

/// What is found in a policy with these rules: codes and places.
fn found(rules: &Value) -> Vec<(String, String)> {
    let policy = json!({ "version": 1, "revision": 1, "issuers": [], "rules": rules });
    let (_, output, errors) = lint(&policy.to_string(), &["--output", "json"]);
    assert_eq!(errors, "");
    let report: Value = serde_json::from_str(&output).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    report["findings"].as_array().unwrap().iter().map(|one| (text(one, "code"), text(one, "path"))).collect()
}

fn codes(rules: &Value) -> Vec<String> {
    found(rules).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn every_planted_fault_is_found_once_where_it_stands() {
    let planted = SEEDED.lines().zip(1..).skip(1).filter_map(|(line, number)| {
        let (_, code) = line.rsplit_once("# ")?;
        Some((number, code))
    });
    let (code, output, errors) = lint(SEEDED, &[]);
    assert_eq!((code, errors.as_str()), (1, ""));
    let mut found: Vec<(usize, &str)> = Vec::new();
    for line in output.lines() {
        let (place, rest) = line.split_once(": ").unwrap();
        found.push((place.split(':').nth(1).unwrap().parse().unwrap(), rest.split(": ").nth(1).unwrap()));
    }
    found.sort_unstable();
    assert_eq!(found, planted.collect::<Vec<_>>(), "{output}");
}

#[test]
fn a_finding_has_its_place_and_a_remedy() {
    let (_, output, _) = lint(SEEDED, &[]);
    let first = "policy.yaml:11:5: rules[1]: never-decides: `admin` can never decide, because the deny rule `no-admin` covers its whole target and has no condition; remove it, or narrow `no-admin`";
    assert_eq!(output.lines().next(), Some(first));
    assert!(output.contains("rules[10].condition.any[0].claims[1]: impossible-condition: "), "{output}");
    let claim = "`/oid` is not documented by the preset `okta`, but by `entra-v1`, `entra-v2`; ";
    assert!(output.contains(claim), "{output}");
}

#[test]
fn what_is_good_is_not_accused() {
    let good = (0, String::new(), String::new());
    for policy in [include_str!("../starter/policy.yaml"), include_str!("test_policy.yaml")] {
        assert_eq!(lint(policy, &[]), good);
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["init"]).0, 0);
    assert_eq!(run(folder.path(), &["lint"]), good);
}

#[test]
fn a_policy_that_is_not_good_has_no_findings() {
    let (code, output, errors) = lint("version: 1", &[]);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(errors.contains("rules: is missing"), "{errors}");
}

#[test]
fn the_outputs_for_programs() {
    let (_, schema, _) = run(std::path::Path::new("."), &["schema", "lint-report"]);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let (code, output, _) = lint(SEEDED, &["--output", "json"]);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report), "{output}");
    assert_eq!((code, &report["findings"][0]["line"]), (1, &json!(11)));

    let (_, output, _) = lint(SEEDED, &["--output", "github"]);
    let annotation =
        "::warning file=policy.yaml,line=11,col=5,title=never-decides::rules[1]: `admin` can never decide, ";
    assert!(output.contains(annotation), "{output}");

    // What is documented, what the schema has, and what is found are the same kinds.
    let docs = std::fs::read_to_string(host_tests::repository().join("docs/lint.md")).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned));
    let mut found: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(json!(found), schema["properties"]["findings"]["items"]["properties"]["code"]["enum"]);
    assert_eq!(found, rows.collect::<Vec<_>>());
}

#[test]
fn a_plugin_configuration_is_looked_into() {
    let rule = json!({ "id": "a", "effect": "permit", "target": {} });
    let bundle = json!({ "version": 1, "revision": 1, "issuers": [], "rules": [rule] });
    let (_, output, _) = lint(&json!({ "version": 1, "bundle": bundle }).to_string(), &[]);
    assert!(output.contains(": bundle.rules[0].target: over-broad: "), "{output}");
}

/// Both ways: under an unconditional deny rule, and under a permit rule with the same condition.
#[test]
fn a_target_covers_what_it_is_about_and_no_more() {
    let covered = |effect: &str, own: &Value, other: &Value| {
        let condition = json!({ "scopes": { "all": ["a"] } });
        let mut rules = json!([
            { "id": "own", "effect": effect, "target": own },
            { "id": "other", "effect": "permit", "target": other, "condition": condition },
        ]);
        if effect == "permit" {
            rules[0]["condition"] = condition;
        }
        // The other way round counts for itself.
        found(&rules).iter().any(|(_, place)| place == "rules[1]")
    };
    let path = |path: &str| json!({ "paths": [path] });
    for (own, other, by_permit, by_deny) in [
        (path("/a"), path("/a"), true, true),
        (path("/{x}"), path("/a"), true, true),
        (path("/{x=**}"), path("/"), true, true),
        (path("/{x=**}"), path("/a/{b}/"), true, true),
        (path("/a/{x=**}"), path("/a"), true, true),
        (path("/a/{x=**}"), path("/a/b/{y=**}"), true, true),
        (path("/a"), path("/a/"), false, true),
        (path("/A"), path("/a"), false, true),
        (path("/a"), path("/{x}"), false, false),
        (path("/a/{x=**}"), path("/ab"), false, false),
        (path("/a/{x}"), path("/a/{x=**}"), false, false),
        (path("/{x}"), path("/a/b"), false, false),
        (path("/{x}"), path("/"), false, false),
        (json!({ "hosts": ["*.Example.com"] }), json!({ "hosts": ["a.example.com", "*.b.example.com"] }), true, true),
        (json!({ "hosts": ["*.example.com"] }), json!({ "hosts": ["example.com"] }), false, false),
        (json!({ "methods": ["GET"] }), json!({ "methods": ["GET", "POST"] }), false, false),
        (json!({ "methods": ["GET", "POST"] }), json!({ "grpc": ["a.B/C"] }), true, true),
        (json!({ "grpc": ["a.B/*"] }), json!({ "grpc": ["a.B/C"] }), true, true),
        (json!({ "grpc": ["a.B/*"] }), path("/a.B/C"), false, false),
    ] {
        assert_eq!(covered("permit", &own, &other), by_permit, "permit {own} {other}");
        assert_eq!(covered("deny", &own, &other), by_deny, "deny {own} {other}");
    }
}

#[test]
fn a_rule_that_adds_something_is_not_redundant() {
    let wide = json!({ "id": "wide", "effect": "permit", "target": { "paths": ["/{x}"] } });
    for (narrow, expected) in [
        (json!({}), &["redundant"][..]),
        (json!({ "obligations": { "audit": true } }), &[]),
        (json!({ "once": true }), &[]),
        (json!({ "mode": "shadow" }), &[]),
        (json!({ "public": true }), &[]),
        (json!({ "preflight": true }), &[]),
        (json!({ "condition": { "scopes": { "all": ["a"] } } }), &["redundant"]),
    ] {
        let mut rule = json!({ "id": "narrow", "effect": "permit", "target": { "paths": ["/a"] } });
        rule.as_object_mut().unwrap().extend(narrow.as_object().unwrap().clone());
        assert_eq!(codes(&json!([wide, rule])), expected, "{rule}");
    }
    // The same words about another segment.
    let own = json!({ "claims": [{ "pointer": "/sub", "equals": { "capture": "id" } }] });
    let rule =
        |id: &str, path: &str| json!({ "id": id, "effect": "permit", "target": { "paths": [path] }, "condition": own });
    assert!(codes(&json!([rule("a", "/{id}/{other}"), rule("b", "/{other}/{id}")])).is_empty());
}

#[test]
fn tests_of_a_claim_that_exclude_each_other() {
    for (one, other, expected) in [
        (json!({ "equals": "a" }), json!({ "equals": "b" }), true),
        (json!({ "equals": 1 }), json!({ "equals": 1.0 }), false),
        (json!({ "one_of": ["a", "b"] }), json!({ "one_of": ["b", "c"] }), false),
        (json!({ "equals": "a" }), json!({ "equals": { "request": "method" } }), false),
        (json!({ "at_least": 10 }), json!({ "at_most": 5 }), true),
        (json!({ "at_most": 5 }), json!({ "at_least": 5 }), false),
        (json!({ "less_than": 5 }), json!({ "at_least": 5 }), true),
        (json!({ "more_than": 9_007_199_254_740_992_u64 }), json!({ "at_most": 9_007_199_254_740_993_u64 }), false),
        (json!({ "equals": 7 }), json!({ "at_most": 5 }), true),
        (json!({ "equals": "a" }), json!({ "prefix": "b" }), false),
        (json!({ "contains_all": ["a", "b"] }), json!({ "subset_of": ["a"] }), true),
        (json!({ "contains": "a" }), json!({ "subset_of": ["a", "b"] }), false),
        (json!({ "contains_any": ["a", "b"] }), json!({ "subset_of": ["b"] }), false),
        (json!({ "contains": "a" }), json!({ "contains": "b" }), false),
    ] {
        for (mut first, mut second) in [(one.clone(), other.clone()), (other.clone(), one.clone())] {
            first["pointer"] = json!("/x");
            second["pointer"] = json!("/x");
            let condition = json!({ "claims": [first, second] });
            let rule = json!({ "id": "a", "effect": "permit", "target": { "paths": ["/a"] }, "condition": condition });
            assert_eq!(!codes(&json!([rule])).is_empty(), expected, "{condition}");
        }
    }
}
