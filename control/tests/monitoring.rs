//! The dashboard and the alarms in `monitoring/`: Prometheus reads them, they do what they say, and they know only metrics that there are.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_tests::repository;
use serde_json::Value;

fn folder() -> PathBuf {
    repository().join("monitoring")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(folder().join(name))).unwrap()
}

/// What Prometheus's own tool says.
#[expect(clippy::expect_used, reason = "the message says what to do")]
fn promtool(arguments: &[&str]) {
    let root = std::env::var("PROMTOOL_PATH")
        .expect("PROMTOOL_PATH is not set. Run `cargo xtask test`, which unpacks Debian's package and sets it");
    let output = Command::new(root).args(arguments).current_dir(folder()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", said(&output.stdout), said(&output.stderr));
}

fn dashboard() -> Value {
    serde_json::from_str(&read(folder().join("dashboard.json"))).unwrap()
}

/// All queries of the dashboard, as Grafana would send them.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$instance", ".*"))
        .collect()
}

/// The rules of the alarms.
fn alarms() -> Vec<Value> {
    let groups = yaml("alerts.yaml")["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn prometheus_reads_the_alarms_and_they_are_raised_when_they_should_be() {
    promtool(&["check", "config", "scrape.yaml"]);
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["test", "rules", "alerts_test.yaml"]);
    // Each is in the tests twice: when it is raised, and when not.
    let tests = yaml("alerts_test.yaml")["tests"].as_array().unwrap().clone();
    for alarm in alarms() {
        let is_raised: BTreeSet<bool> = tests
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
            .filter(|test| test["alertname"] == alarm["alert"])
            .map(|test| test["exp_alerts"].is_array())
            .collect();
        assert_eq!(is_raised.len(), 2, "{}", alarm["alert"]);
    }
}

#[test]
fn prometheus_reads_every_query_of_the_dashboard() {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(number, query)| serde_json::json!({ "record": format!("query_{number}"), "expr": query }))
        .collect();
    assert!(rules.len() > 30, "only {} queries were found", rules.len());
    let rules = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    // JSON is YAML.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), rules.to_string()).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[test]
fn the_dashboard_is_one() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "a panel's id is its own");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|variable| variable["name"] == "datasource" && variable["type"] == "datasource"));
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
    }
}

/// What metrics are called in the tables of a page: the first cell of each row, with what is left out of a name as `.` or `..`.
fn documented(page: &str) -> Vec<String> {
    let text = read(page);
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').step_by(2));
    names.map(str::to_owned).collect()
}

/// Whether a metric is documented under this name: without labels, and without what `scrape.yaml` makes labels of.
fn is(name: &str, documented: &str) -> bool {
    let plain = documented.split('{').next().unwrap();
    let end = plain.find(|letter: char| letter.is_ascii_uppercase()).unwrap_or(plain.len());
    let plain = plain.split_at(end).0.trim_end_matches('.');
    match plain.trim_start_matches('.') {
        "" => false,
        rest if plain.starts_with('.') => name.ends_with(&format!("_{}", rest.trim_start_matches('_'))),
        _ => {
            let plain = plain.replace('.', "_");
            name == plain || name == format!("portcullis_{plain}")
        }
    }
}

#[test]
fn every_metric_is_documented() {
    let expressions = alarms().into_iter().map(|alarm| alarm["expr"].as_str().unwrap().to_owned()).chain(queries());
    let mut names = BTreeSet::new();
    for expression in expressions {
        let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        names.extend(words.filter(|word| word.starts_with("portcullis_")).map(str::to_owned));
    }
    assert!(names.len() > 25, "{names:?}");
    let (proxy, control) = (documented("docs/operations.md"), documented("docs/control.md"));
    for name in names {
        let known = if name.starts_with("portcullis_control_") { &control } else { &proxy };
        assert!(known.iter().any(|documented| is(&name, documented)), "{name} is not documented");
    }
    assert!(!proxy.iter().any(|documented| is("portcullis_records_found", documented)), "something is not");
}
