//! Policies in YAML, in one file and in several: what is read, and where what is wrong stands.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::fs;

use common::{run, write};

/// A good policy, to which tests add what is to be seen.
const GOOD: &str = "version: 1\nrevision: 3\nissuers: []\n";

/// What `check` says about one file with this text.
fn check(text: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", text)]);
    let (code, output, errors) = run(folder.path(), &["check", "policy.yaml"]);
    (code, output + &errors)
}

#[test]
fn a_policy_in_yaml_is_what_it_would_be_in_json() {
    let repository = host_tests::repository();
    let everything = fs::read_to_string(repository.join("control/tests/everything.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&everything).unwrap();
    let yaml = serde_saphyr::to_string(&value).unwrap();
    assert_eq!(check(&yaml), (0, "policy.yaml: good: revision 3, 5 issuers, 4 rules\n".to_owned()));
}

#[test]
fn every_error_has_its_line_and_column() {
    let text = "\
version: 1
revision: x
issuers: []
rules:
  - id: a
    effect: permit
    target:
      paths:
        - /orders/{id}/{id}
      method: [GET]
  - id: a
    target: {}
";
    let expected = "\
policy.yaml:2:1: revision: expected a whole number, found a string
policy.yaml:10:7: rules[0].target: unknown field `method`; known here are `hosts`, `methods`, `paths`, `grpc`
policy.yaml:9:11: rules[0].target.paths[0]: `/orders/{id}/{id}`: the variable `id` stands twice
policy.yaml:11:5: rules[1].id: rule id `a` is already used at rules[0].id (policy.yaml:5:5)
policy.yaml:11:5: rules[1].effect: is missing
";
    let (code, output) = check(text);
    assert_eq!(code, 1);
    let mut sorted: Vec<&str> = output.lines().collect();
    let mut wanted: Vec<&str> = expected.lines().collect();
    sorted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
}

/// What two readers of YAML could understand differently is refused, with the remedy.
#[test]
fn yaml_is_read_strictly() {
    for (rest, expected) in [
        ("rules: []\nrules: []", "5:1: rules: `rules` stands twice, first at policy.yaml:4:1; remove one of the two"),
        ("rules: [{ id: a, id: b }]", "4:18: rules[0].id: `id` stands twice, first at policy.yaml:4:11"),
        ("rules: 0123", "4:8: rules: `0123` is a number to some readers of YAML and not to others; quote it"),
        ("rules: 0x1F", "4:8: rules: `0x1F` is a number to some"),
        ("rules: +1", "4:8: rules: `+1` is a number to some"),
        ("rules: .5", "4:8: rules: `.5` is a number to some"),
        ("rules: .inf", "4:8: rules: `.inf` is a number to some"),
        ("rules: 18446744073709551616", "4:8: rules: `18446744073709551616` is too large to be read exactly"),
        ("rules: !!set {}", "the tag `!!set` is not read; remove it, and quote what is text"),
        ("rules: []\n<<: {}", "5:1: <<: merge keys are no part of YAML 1.2; write the fields out"),
        ("rules: &a [*a]", "4:12: rules[0]: this alias stands within what it stands for"),
        ("rules: *nobody", "4:8: rules: not acceptable YAML:"),
        ("rules: []\n---\nrules: []", "5:1: document: a second document starts here; a file has one"),
        ("rules: [", "not acceptable YAML:"),
        ("[a]: 1", "4:1: document: a name is a word or a text"),
        ("\trules: []", "not acceptable YAML:"),
    ] {
        let (code, output) = check(&format!("{GOOD}{rest}\n"));
        assert_eq!(code, 1, "{rest}: {output}");
        assert!(output.starts_with("policy.yaml:") && output.contains(expected), "{rest}: {output}");
    }
}

/// Norway's country code, a time of day, a version, an address: text.
#[test]
fn words_that_were_something_else_in_yaml_1_1_are_text() {
    for word in ["no", "NO", "off", "y", "12:30", "1_000", "2026-01-01", "10.0.0.1", "1.2.3", "-", "e5", "0o"] {
        let word = if word == "-" { "'-'" } else { word };
        let rules = format!(
            "rules: [{{ id: a, effect: permit, target: {{}}, condition: {{ subjects: [\"x\"], clients: [{word}] }} }}]"
        );
        assert_eq!(check(&format!("{GOOD}{rules}\n")).0, 0, "{word}");
    }
}

#[test]
fn neither_depth_nor_aliases_can_exhaust_the_reader() {
    let nested = format!("{}{}", "[".repeat(33), "]".repeat(33));
    assert!(check(&format!("{GOOD}rules: {nested}")).1.contains("is nested too deeply; at most 32 levels are read"));

    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert!(check(&laughs).1.contains("too many values; at most 500000 are read, with every alias counted in full"));

    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..9 {
        writeln!(chain, "a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]", level - 1).unwrap();
    }
    assert!(check(&chain).1.contains("is nested too deeply"));
}

#[test]
fn an_anchor_saves_repetition() {
    let rules = "rules:\n  - { id: a, effect: permit, target: &orders { paths: [/orders] } }\n  - { id: b, effect: deny, target: *orders }";
    assert_eq!(check(&format!("{GOOD}{rules}\n")).0, 0);
}

/// The files of the tests of this page, as a folder.
fn folder(files: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let (code, output, errors) = run(folder.path(), &["check", "."]);
    (code, output + &errors)
}

const PERMIT_A: &str = "rules:\n  - { id: a, effect: permit, target: {} }\n";

#[test]
fn the_files_of_a_folder_are_one_policy() {
    let files = [
        ("policy.yaml", GOOD),
        ("rules/a.yaml", PERMIT_A),
        ("rules/b.json", r#"{ "rules": [{ "id": "b", "effect": "permit", "target": {} }] }"#),
        ("rules/a_test.yaml", "this is a test: and no policy"),
        ("rules/a.test.yaml", "neither is this"),
        ("rules/readme.md", "nor this"),
        (".hidden/x.yaml", "nobody looks here"),
    ];
    assert_eq!(folder(&files), (0, ".: good: revision 3, 0 issuers, 2 rules\n".to_owned()));
}

#[test]
fn errors_name_the_file_in_which_they_stand() {
    let files = [
        ("a.yaml", GOOD),
        ("b/c.yaml", PERMIT_A),
        ("b/d.yml", "\nrules:\n  - { id: a, effect: permit, target: {} }\n  - { id: e, effect: allow, target: {} }\n"),
    ];
    let expected = "\
b/d.yml:3:7: rules[1].id: rule id `a` is already used at rules[0].id (b/c.yaml:2:7)
b/d.yml:4:14: rules[2].effect: `allow` is not an effect; write `permit` or `deny`
";
    assert_eq!(folder(&files), (1, expected.to_owned()));
}

#[test]
fn a_field_that_is_no_list_stands_in_one_file() {
    let files = [("a.yaml", GOOD), ("b.yaml", "revision: 4\nrules: []\n"), ("c.yaml", "- rules\n")];
    let expected = "\
b.yaml:1:1: revision: is already set at a.yaml:2:1; only lists may stand in several files
c.yaml:1:1: document: a part of a policy is an object of fields, such as `rules`
";
    assert_eq!(folder(&files), (1, expected.to_owned()));
}

#[test]
fn what_is_missing_in_every_file_is_missing_in_the_folder() {
    assert_eq!(folder(&[("a.yaml", GOOD)]), (1, ".: rules: is missing\n".to_owned()));
    let (code, output) = folder(&[("a_test.yaml", "")]);
    assert_eq!((code, output.as_str()), (2, ".: has no policy: no *.yaml, *.yml or *.json that is no test\n"));
}

/// What YAML allows beyond JSON is refused in a file of JSON, and what JSON allows is read as JSON means it.
#[test]
fn json_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let tabs = "{\n\t\"version\": 1,\n\t\"revision\": 1,\n\t\"issuers\": [],\n\t\"rules\": [\n\t\t{}\n\t]\n}";
    let surrogates = r#"{ "version": 1, "revision": 1, "issuers": [], "rules": [], "identity_headers": { "subject": "\ud83d\ude00\/" } }"#;
    write(
        folder.path(),
        &[
            ("tabs.json", tabs),
            ("surrogates.json", surrogates),
            ("twice.json", r#"{"a":1,"\u0061":1}"#),
            ("comma.json", "{\n  \"a\": 1,\n}"),
            ("yaml.json", "version: 1"),
        ],
    );
    for (file, expected) in [
        ("tabs.json", "tabs.json:6:3: rules[0].id: is missing\n"),
        ("surrogates.json", "surrogates.json:1:82: identity_headers.subject: `\u{1f600}/` is not a header name"),
        ("twice.json", "twice.json:1:8: a: `a` stands twice, first at twice.json:1:2"),
        ("comma.json", "comma.json:3:1: document: not acceptable JSON: key must be a string\n"),
        ("yaml.json", "yaml.json:1:1: document: not acceptable JSON: expected value\n"),
    ] {
        let (code, _, errors) = run(folder.path(), &["check", file]);
        assert_eq!(code, 1, "{file}");
        assert!(errors.starts_with(expected), "{errors}");
    }
}

#[test]
fn nothing_is_read_that_is_not_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), b"version: \xff").unwrap();
    let (code, _, errors) = run(folder.path(), &["check", "policy.yaml"]);
    assert_eq!((code, errors.as_str()), (1, "policy.yaml: document: is not UTF-8\n"));
}
