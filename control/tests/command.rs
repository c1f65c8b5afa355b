//! The command as a user runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn portcullis(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .output()
        .unwrap()
}

fn shown(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_good_bundle_is_described() {
    let good = "everything.json: good: revision 3, 5 issuers, 4 rules\n";
    assert_eq!(shown(&portcullis(&["check", "everything.json"])), (0, good.to_owned(), String::new()));
}

#[test]
fn a_bad_bundle_is_refused_with_every_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    std::fs::write(
        &file,
        r#"{ "version": 1, "bundle": { "version": 1, "revision": "x", "issuers": [], "rules": [{}] } }"#,
    )
    .unwrap();
    let name = file.to_str().unwrap();
    let errors = [
        "1:43: bundle.revision: expected a whole number, found a string",
        "1:85: bundle.rules[0].id: is missing",
        "1:85: bundle.rules[0].effect: is missing",
        "1:85: bundle.rules[0].target: is missing",
    ];
    let expected: String = errors.iter().map(|error| format!("{name}:{error}\n")).collect();
    assert_eq!(shown(&portcullis(&["check", name])), (1, String::new(), expected));
}

#[test]
fn findings_are_for_programs_too() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, r#"{ "version": 1, "revision": 1, "issuers": [], "rules": [{}] }"#).unwrap();
    let name = bad.to_str().unwrap();
    let (code, output, errors) = shown(&portcullis(&["check", "everything.json", name, "--output", "json"]));
    assert_eq!((code, errors.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&output).unwrap();
    let schema: Value = serde_json::from_str(&shown(&portcullis(&["schema", "check-report"])).1).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report), "{output}");
    let good = json!([{ "policy": "everything.json", "revision": 3, "issuers": 5, "rules": 4 }]);
    let finding = json!({ "file": name, "line": 1, "column": 57, "path": "rules[0].id", "message": "is missing" });
    assert_eq!((&report["good"], &report["findings"][0]), (&good, &finding));

    let (code, output, errors) = shown(&portcullis(&["check", name, "--output", "github"]));
    assert_eq!(code, 1);
    assert!(errors.contains("1:57: rules[0].id: is missing\n"), "{errors}");
    assert!(output.contains(&format!("::error file={name},line=1,col=57::rules[0].id: is missing\n")), "{output}");
}

#[test]
fn a_file_that_is_not_there_is_no_refusal() {
    let (code, _, errors) = shown(&portcullis(&["check", "everything.json", "nowhere.json"]));
    assert_eq!(code, 2);
    assert!(errors.starts_with("nowhere.json: cannot be read"), "{errors}");
}

#[test]
fn every_schema_is_printed() {
    for (format, folder) in [
        ("bundle", "authz"),
        ("plugin-configuration", "authz"),
        ("decision-record", "authz"),
        ("audit-checkpoint", "control"),
        ("audit-verification", "control"),
        ("audit-report", "control"),
        ("check-report", "control"),
        ("test", "control"),
        ("test-report", "control"),
        ("explanation", "control"),
        ("lint-report", "control"),
    ] {
        let schema = host_tests::repository().join(folder).join("schema").join(format).with_extension("schema.json");
        assert_eq!(shown(&portcullis(&["schema", format])).1, std::fs::read_to_string(schema).unwrap());
    }
}

#[test]
fn shells_and_man_know_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, completions, _) = shown(&portcullis(&["completions", shell]));
        assert_eq!(code, 0, "{shell}");
        assert!(completions.contains("plugin-configuration"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(portcullis(&["man", folder.path().to_str().unwrap()]).status.code(), Some(0));
    for page in [
        "portcullis.1",
        "portcullis-check.1",
        "portcullis-test.1",
        "portcullis-build.1",
        "portcullis-explain.1",
        "portcullis-lint.1",
        "portcullis-fmt.1",
        "portcullis-audit-verify.1",
    ] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
    assert_eq!(portcullis(&["man", "nowhere"]).status.code(), Some(2));
}
