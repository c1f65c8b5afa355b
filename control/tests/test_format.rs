//! The format of test files: the reader is strict, and the schema agrees with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{run, write};
use serde_json::{Value, json};

const EVERYTHING: &str = include_str!("test_everything.json");
const POLICY: &str = include_str!("test_policy.yaml");

/// Runs these tests of the policy.
fn test(tests: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY), ("policy_test.yaml", tests)]);
    run(folder.path(), &[&["test"], arguments].concat())
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
