//! Policies become bundles.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{run, write};

const POLICY: &[(&str, &str)] = &[
    ("policy/policy.yaml", "version: 1\nrevision: 3\nissuers: []\n"),
    (
        "policy/rules.yaml",
        "rules:\n  # Everybody may ask whether we live.\n  - { id: health, effect: permit, target: {} }\n",
    ),
];

const BUNDLE: &str =
    r#"{"version":1,"revision":3,"issuers":[],"rules":[{"id":"health","effect":"permit","target":{}}]}"#;

#[test]
fn a_folder_becomes_one_bundle_in_the_order_in_which_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), POLICY);
    assert_eq!(run(folder.path(), &["build", "policy"]), (0, format!("{BUNDLE}\n"), String::new()));

    let other = BUNDLE.replace(":3,", ":42,");
    assert_eq!(run(folder.path(), &["build", "policy", "--revision", "42"]).1, format!("{other}\n"));

    let (code, output, _) = run(&folder.path().join("policy"), &["build", "--plugin-configuration"]);
    assert_eq!((code, output), (0, format!("{{\"version\":1,\"bundle\":{BUNDLE}}}\n")));
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), POLICY);
    let bundle = folder.path().join("bundle.json");
    assert_eq!(run(folder.path(), &["build", "policy", "--output", "bundle.json"]), (0, String::new(), String::new()));
    assert_eq!(fs::read_to_string(&bundle).unwrap(), format!("{BUNDLE}\n"));

    write(folder.path(), &[("policy/rules.yaml", "rules: [{}]\n")]);
    let (code, output, errors) = run(folder.path(), &["build", "policy", "--output", "bundle.json"]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.starts_with("policy/rules.yaml:1:9: rules[0].id: is missing\n"), "{errors}");
    assert_eq!(fs::read_to_string(&bundle).unwrap(), format!("{BUNDLE}\n"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_policy_may_leave_its_revision_to_the_build() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("policy.yaml", "version: 1\nissuers: []\nrules: []\n")]);
    assert_eq!(run(folder.path(), &["build", "policy.yaml"]).2, "policy.yaml:1:1: revision: is missing\n");
    assert_eq!(run(folder.path(), &["build", "policy.yaml", "--revision", "1"]).0, 0);
}

#[test]
fn what_cannot_be_read_or_written_is_no_refusal() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), POLICY);
    assert_eq!(run(folder.path(), &["build", "nowhere"]).0, 2);
    let (code, _, errors) = run(folder.path(), &["build", "policy", "--output", "nowhere/bundle.json"]);
    assert_eq!(code, 2);
    assert!(errors.starts_with("nowhere/bundle.json: cannot be written"), "{errors}");
}
