//! The examples are good policies, their tests pass, and nothing in them is left untested.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "examples are read and not written")]
mod common;

use std::fs;

use host_tests::repository;
use serde_json::Value;

/// The least number of cases that an example is worth showing with.
const CASES: usize = 40;

#[test]
fn every_example_is_checked_built_and_tested() {
    let folders = fs::read_dir(repository().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    for folder in folders {
        let (code, output, errors) = common::run(&folder, &["check", "."]);
        assert_eq!(code, 0, "{}: {output}{errors}", folder.display());

        let (code, plugin, errors) = common::run(&folder, &["build", "--plugin-configuration"]);
        assert_eq!(code, 0, "{}: {errors}", folder.display());
        authz::PluginConfiguration::parse(plugin.as_bytes()).unwrap();

        let (code, report, errors) = common::run(&folder, &["test", "--output", "json"]);
        assert_eq!(code, 0, "{}: {report}{errors}", folder.display());
        let report: Value = serde_json::from_str(&report).unwrap();
        assert!(cases(&report) >= CASES, "{}: only {} cases", folder.display(), cases(&report));
        assert_eq!(untested(&report), Vec::<String>::new(), "{}: what no case tests", folder.display());
    }
}

fn cases(report: &Value) -> usize {
    list(report, "/files").iter().map(|file| list(file, "/cases").len()).sum()
}

/// The rules that decided no case, and the parts of conditions that were not seen both ways.
fn untested(report: &Value) -> Vec<String> {
    let never = |value: &Value, field: &str| value.get(field) == Some(&0.into());
    let mut untested = Vec::new();
    for rule in list(report, "/rules") {
        let id = text(rule, "/id");
        untested.extend(never(rule, "cases").then(|| id.to_owned()));
        let parts = list(rule, "/conditions").iter().filter(|part| never(part, "held") || never(part, "not_held"));
        untested.extend(parts.map(|part| format!("{id}: {}", text(part, "/condition"))));
    }
    untested
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).unwrap()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}
