//! The documentation is true: its examples are read by the code, its tables are complete, the files it names are there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use authz::{Bundle, PluginConfiguration, Reason};
use host_tests::repository;

fn pages() -> Vec<(PathBuf, String)> {
    let folders =
        ["", "docs", "envoy-config", "examples/bank", "kong-config", "host-tests", "authz/conformance", "monitoring"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(repository().join(folder)).unwrap());
    let paths = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The fenced blocks of a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_example_bundle_is_good() {
    let mut read = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "json")
            .into_iter()
            .filter(|block| block.contains("\"version\"") && !block.contains("\"decision\""))
        {
            let errors = match ["\"bundle\"", "\"trust\""].iter().any(|frame| block.contains(frame)) {
                true => PluginConfiguration::parse(block.as_bytes()).err(),
                false => Bundle::parse(block.as_bytes()).err(),
            };
            assert!(errors.is_none(), "{}: {}", path.display(), errors.unwrap());
            read += 1;
        }
    }
    assert!(read >= 2, "only {read} examples were found");
}

#[test]
fn every_example_policy_is_good() {
    let mut read = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "yaml").into_iter().filter(|block| block.contains("\nrules:")) {
            let folder = tempfile::tempdir().unwrap();
            common::write(folder.path(), &[("policy.yaml", block)]);
            let (code, _, errors) = common::run(folder.path(), &["check", "policy.yaml"]);
            assert_eq!(code, 0, "{}: {errors}", path.display());
            read += 1;
        }
    }
    assert!(read >= 1, "only {read} examples were found");
}

/// Each of its snippets is a part of one policy, so that none has to repeat the issuers.
#[test]
fn the_snippets_for_those_who_migrate_are_one_good_policy() {
    let page = page("docs/migrating.md");
    let blocks = blocks(&page, "yaml");
    let folder = tempfile::tempdir().unwrap();
    for (index, block) in blocks.iter().enumerate() {
        common::write(folder.path(), &[(&format!("{index}.yaml"), block)]);
    }
    let (code, output, errors) = common::run(folder.path(), &["check", "."]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(blocks.len() >= 5, "only {} snippets were found", blocks.len());
}

/// Each of its expressions is the condition of a rule.
#[test]
fn every_example_expression_is_good() {
    let page = page("docs/expressions.md");
    let expressions = blocks(&page, "cel");
    assert!(expressions.len() >= 5, "only {} expressions were found", expressions.len());
    let rules: Vec<_> = expressions
        .iter()
        .enumerate()
        .map(|(index, expression)| {
            let target = serde_json::json!({ "paths": ["/orders/{id}"] });
            let condition = serde_json::json!({ "expression": expression });
            serde_json::json!({ "id": format!("r{index}"), "effect": "permit", "target": target, "condition": condition })
        })
        .collect();
    let bundle = serde_json::json!({ "version": 1, "revision": 1, "issuers": [], "rules": rules });
    Bundle::parse(bundle.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn every_example_test_passes() {
    let (policy, testing) = (page("docs/policy.md"), page("docs/testing.md"));
    let policy = blocks(&policy, "yaml").into_iter().find(|block| block.contains("\nrules:")).unwrap();
    let tests: Vec<&str> = blocks(&testing, "yaml").into_iter().filter(|block| block.contains("\ncases:")).collect();
    assert_eq!(tests.len(), 1);
    for test in tests {
        assert_passes(policy, test);
    }
}

fn assert_passes(policy: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    common::write(folder.path(), &[("policy.yaml", policy), ("policy_test.yaml", test)]);
    let (code, output, errors) = common::run(folder.path(), &["test"]);
    assert_eq!(code, 0, "{output}{errors}");
}

/// What `--help` shows of a test file.
#[test]
fn the_test_file_in_the_help_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_, help, _) = common::run(folder.path(), &["test", "--help"]);
    let (_, rest) = help.split_once("policy_test.yaml:\n").unwrap();
    let (example, _) = rest.split_once("\n\n").unwrap();
    let policy = page("docs/policy.md");
    let example: String = example.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap())).collect();
    let policy = blocks(&policy, "yaml").into_iter().find(|block| block.contains("\nrules:")).unwrap();
    assert_passes(policy, &example);
}

#[test]
fn the_example_case_is_a_case() {
    let readme = page("host-tests/README.md");
    let example = blocks(&readme, "toml").concat();
    assert_eq!(host_tests::case::parse(&example).unwrap().cases.len(), 1);
}

#[test]
fn every_reason_is_explained_with_its_status() {
    let table = page("docs/reasons.md");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let start = format!("| `{}` | {} | ", reason.code(), reason.status());
        assert!(rows.iter().any(|row| row.starts_with(&start)), "no row `{start}`");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for (path, page) in pages() {
        for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            let exists =
                file.is_empty() || target.starts_with("https://") || path.parent().unwrap().join(file).exists();
            assert!(exists, "{} links to {target}", path.display());
        }
    }
}

#[test]
fn the_journey_names_functions_that_are_there() {
    let page = page("docs/journey.md");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.contains(".rs` `")).map(|line| line.split('`').collect()).collect();
    assert_eq!(rows.len(), 11);
    let mut files: Vec<&str> = Vec::new();
    for row in rows {
        let (file, function) = (row.get(1).unwrap(), row.get(3).unwrap());
        let name = function.rsplit("::").next().unwrap();
        let source = fs::read_to_string(repository().join(Path::new(file))).unwrap();
        assert!(source.contains(&format!("fn {name}(")), "{file} has no function {name}");
        assert!(!files.contains(file), "{file} is opened twice");
        files.push(file);
    }
}
