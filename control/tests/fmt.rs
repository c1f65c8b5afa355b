//! Formatting: sources look alike, and say what they said.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{run, write};
use host_tests::repository;

const UNTIDY: &str = "\
# About this file.
version:   1
rules:
-   id: 'a'   # why
    target: {paths: [\"/a/{b}\"] , methods: [ GET ]}


    # Not finished.
    obligations: {headers: [{name: x-one, value: a-long-value-that-fills-the-line}, {name: x-two, value: another-long-value}]}
";

const TIDY: &str = "\
# About this file.
version: 1
rules:
  - id: \"a\" # why
    target: { paths: [\"/a/{b}\"], methods: [GET] }

    # Not finished.
    obligations: {
      headers: [{ name: x-one, value: a-long-value-that-fills-the-line }, { name: x-two, value: another-long-value }],
    }
";

#[test]
fn policies_and_tests_are_formatted_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let json = "{ \"version\":1 }";
    let files = [("p/a.yaml", UNTIDY), ("p/b/c_test.yml", UNTIDY), ("p/tidy.yaml", TIDY), ("p/d.json", json)];
    write(folder.path(), &files);
    let check = "\
p/a.yaml:2: is not formatted
  - version:   1
  + version: 1
p/b/c_test.yml:2: is not formatted
  - version:   1
  + version: 1
";
    assert_eq!(run(folder.path(), &["fmt", "--check", "p"]), (1, check.to_owned(), String::new()));
    assert_eq!(fs::read_to_string(folder.path().join("p/a.yaml")).unwrap(), UNTIDY);

    assert_eq!(run(folder.path(), &["fmt", "p"]), (0, "p/a.yaml\np/b/c_test.yml\n".to_owned(), String::new()));
    for (file, expected) in [("p/a.yaml", TIDY), ("p/b/c_test.yml", TIDY), ("p/tidy.yaml", TIDY), ("p/d.json", json)] {
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), expected, "{file}");
    }
    assert_eq!(run(folder.path(), &["fmt", "--check", "p"]), (0, String::new(), String::new()));
}

/// Standard input is printed.
fn piped(text: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let mut child = command.args(["fmt", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn standard_input_is_printed() {
    assert_eq!(piped(UNTIDY), TIDY);
    assert_eq!(piped("{\"version\":  1}"), "{\"version\":  1}");
}

/// What is easily lost.
#[test]
fn what_is_said_stays() {
    for (text, expected) in [
        ("a: &x {b: 1}\nc: *x\n", "a: &x { b: 1 }\nc: *x\n"),
        ("a: |\n   one  \n     two\n\n# last\n", "a: |\n  one  \n    two\n\n# last\n"),
        ("a: >-\n     one\n     two\n", "a: >-\n  one\n  two\n"),
        ("a: 'it''s'\n", "a: 'it''s'\n"),
        ("a: 'a \"word\"'\n", "a: 'a \"word\"'\n"),
        ("a: '\\d'\n", "a: '\\d'\n"),
        ("a: 'no'\nb: \"01\"\n", "a: \"no\"\nb: \"01\"\n"),
        ("\u{feff}a:   1\r\nb: [x]\r\n", "a: 1\nb: [x]\n"),
        ("a: # here\n  b\n", "a: # here\n  b\n"),
        ("a: {\n  # inside\n  b: 1}\n", "a: {\n  # inside\n  b: 1,\n}\n"),
    ] {
        assert_eq!(piped(text), expected, "{text}");
        assert_eq!(piped(expected), expected);
    }
}

/// Nothing is written, not even what is good.
#[test]
fn what_cannot_be_read_is_not_formatted() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("a: {}{}\n", "[".repeat(30_000), "]".repeat(30_000));
    // The last would lose an empty line.
    for bad in ["a: 1\na: 2\n", "a: !!str 1\n", "a: [\n", &deep, "a:   1\nb: |+\n  one\n\n  # no comment\n\n"] {
        write(folder.path(), &[("p/a.yaml", UNTIDY), ("p/b.yaml", bad)]);
        let (code, output, errors) = run(folder.path(), &["fmt", "p"]);
        assert_eq!((code, output.as_str()), (2, ""), "{errors}");
        assert!(errors.starts_with("p/b.yaml:"), "{errors}");
        assert_eq!(fs::read_to_string(folder.path().join("p/a.yaml")).unwrap(), UNTIDY);
    }
    assert_eq!(run(folder.path(), &["fmt", "nowhere"]).0, 2);
}

#[test]
fn the_policies_that_people_start_from_are_formatted() {
    let (code, output, errors) = run(&repository(), &["fmt", "--check", "examples", "control/starter"]);
    assert_eq!((code, output.as_str(), errors.as_str()), (0, "", ""));
}

/// Secrets in a policy stay secret, and a link stays a link.
#[cfg(unix)]
#[test]
fn who_may_read_a_file_stays_as_it_is() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.yaml", UNTIDY)]);
    let (file, link) = (folder.path().join("a.yaml"), folder.path().join("link.yaml"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(Path::new("a.yaml"), &link).unwrap();
    assert_eq!(run(folder.path(), &["fmt", "link.yaml"]).0, 0);
    assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(file).unwrap(), TIDY);
}
