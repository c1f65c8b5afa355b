//! The files of `kong-config/`: each is read as Kong and nginx read it, and what they say to the filter is what it takes.

#![expect(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use host_tests::strict_host::{Personality, Setup, SharedData, StrictHost};
use serde_json::{Value, json};

/// The plugins of Kong 3.8 and 3.9, open source and Enterprise: a filter must not have the name of one.
const PLUGINS: &str = include_str!("kong-plugins.txt");

fn read(name: &str) -> String {
    let path = host_tests::repository().join("kong-config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap()
}

fn meta() -> Value {
    serde_json::from_str(&read("portcullis.meta.json")).unwrap()
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft4::new(&meta()["config_schema"]).unwrap()
}

/// What Kong accepts has to start in its host.
fn starts(configuration: &Value) {
    let setup = Setup { personality: Personality::Wasmx, shared_data: Some(SharedData::default()), ..Setup::default() };
    StrictHost::start_in(configuration.to_string().as_bytes(), &setup).unwrap_or_else(|error| panic!("{error}"));
}

fn is_taken(configuration: &Value) {
    let complaints: Vec<_> = validator().iter_errors(configuration).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    starts(configuration);
}

#[test]
fn the_schema_for_kong_is_up_to_date_and_draft_04() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["schema", "kong"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), read("portcullis.meta.json"), "portcullis schema kong");
    let schema = &meta()["config_schema"];
    assert!(jsonschema::draft4::meta::is_valid(schema));
    let mut keywords = BTreeSet::new();
    collect_keywords(schema, &mut keywords);
    for later in ["const", "if", "then", "$defs", "$id", "contains", "dependentRequired", "propertyNames"] {
        assert!(!keywords.contains(later), "draft-04 does not know `{later}`");
    }
}

fn collect_keywords(schema: &Value, keywords: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            keywords.extend(members.keys().cloned());
            for (keyword, value) in members {
                match (keyword.as_str(), value) {
                    ("properties" | "patternProperties" | "definitions", Value::Object(parts)) => {
                        parts.values().for_each(|part| collect_keywords(part, keywords));
                    }
                    ("enum" | "required" | "dependencies", _) => {}
                    (_, value) => collect_keywords(value, keywords),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keywords(item, keywords)),
        _ => {}
    }
}

#[test]
fn the_schema_for_kong_takes_what_the_parser_takes() {
    let text = std::fs::read_to_string(host_tests::repository().join("control/tests/everything.json")).unwrap();
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let everything = json!({ "version": 1, "bundle": bundle });
    let complaints: Vec<_> = validator().iter_errors(&everything).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    for (pointer, value) in [
        ("/version", json!(2)),
        ("/bundle/version", json!("1")),
        ("/bundle/rules/0/effect", json!("allow")),
        ("/bundle/rules/0/effects", json!("deny")),
        ("/bundle/issuers/0/algorithms", json!(["none"])),
        ("/trust", json!({})),
        ("/bundel", json!({})),
    ] {
        let mut wrong = everything.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert!(!validator().is_valid(&wrong), "{pointer}");
    }
    is_taken(&host_tests::envoy::example_plugin_configuration().unwrap());
}

/// The chains of a declarative configuration, and those of what they belong to.
fn chains(configuration: &Value) -> Vec<(String, Value)> {
    let mut chains = Vec::new();
    for service in configuration["services"].as_array().unwrap() {
        let routes = service["routes"].as_array().into_iter().flatten();
        for owner in std::iter::once(service).chain(routes) {
            let own: Vec<&Value> = owner["filter_chains"].as_array().into_iter().flatten().collect();
            assert!(own.len() <= 1, "Kong wants one chain of a route or service at most: {}", owner["name"]);
            chains.extend(own.into_iter().map(|chain| (owner["name"].to_string(), chain.clone())));
        }
        let both = !service["filter_chains"].is_null()
            && service["routes"].as_array().into_iter().flatten().any(|route| !route["filter_chains"].is_null());
        assert!(!both, "the chains of {} and its routes would both run", service["name"]);
    }
    chains
}

#[test]
fn declarative_configurations_are_those_that_kong_and_the_filter_take() {
    for name in ["kong.yml", "deck.yaml"] {
        let configuration = yaml(name);
        assert_eq!(configuration["_format_version"], "3.0");
        let chains = chains(&configuration);
        assert_eq!(chains.len(), 2, "one on a service, one on a route");
        for (owner, chain) in chains {
            assert!(chain["route"].is_null() && chain["service"].is_null(), "{owner}: it is nested");
            for filter in chain["filters"].as_array().unwrap() {
                assert_eq!(filter["name"], "portcullis");
                is_taken(&filter["config"]);
            }
        }
    }
    let kong = yaml("kong.yml");
    let inline = &kong["services"][0]["filter_chains"][0]["filters"][0]["config"];
    assert_eq!(*inline, host_tests::envoy::example_plugin_configuration().unwrap(), "the rules of envoy.yaml");
    let route = &kong["services"][0]["routes"][0];
    assert_eq!((&route["strip_path"], &route["preserve_host"]), (&json!(false), &json!(true)));
    let mut deck = yaml("deck.yaml");
    let tags = deck["_info"]["select_tags"].clone();
    assert_eq!(deck["services"][0]["filter_chains"][0]["tags"], tags);
    remove_tags(&mut deck);
    assert_eq!(deck["services"], kong["services"], "one scene");
}

fn remove_tags(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.remove("tags");
        members.values_mut().for_each(remove_tags);
    }
    value.as_array_mut().into_iter().flatten().for_each(remove_tags);
}

#[test]
fn the_chain_of_the_walk_through_is_one() {
    let chain: Value = serde_json::from_str(&read("filter-chain.json")).unwrap();
    assert!(chain["service"].is_object() != chain["route"].is_object(), "exactly one of them");
    is_taken(&chain["filters"][0]["config"]);
}

/// `key = value` of kong.conf.
fn settings() -> BTreeMap<String, String> {
    let text = read("kong.conf");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(" = ").unwrap()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn kong_conf_and_docker_compose_say_the_same() {
    let settings = settings();
    assert_eq!((settings["wasm"].as_str(), settings["wasm_filters"].as_str()), ("on", "user"));
    assert!(settings["nginx_wasm_shm_kv"].ends_with("eviction=none"), "what was used once must not be forgotten");
    assert!(settings.keys().all(|key| !key.contains("isolation")), "an instance for each request is not supported");
    let compose = yaml("docker-compose.yml");
    let kong = &compose["services"]["kong"];
    for (key, value) in &settings {
        assert_eq!(kong["environment"][format!("KONG_{}", key.to_uppercase())], json!(value), "{key}");
    }
    let folder = &settings["wasm_filters_path"];
    for file in ["portcullis.wasm", "portcullis.meta.json", "kong.yml"] {
        let target = format!(":{folder}/{file}:ro");
        let is_mounted = |volume: &Value| volume.as_str().is_some_and(|volume| volume.ends_with(&target));
        let volume = kong["volumes"].as_array().unwrap().iter().find(|volume| is_mounted(volume)).unwrap();
        let source = volume.as_str().unwrap().split(':').next().unwrap();
        assert!(host_tests::repository().join("kong-config").join(source).is_file(), "{source}");
    }
}

#[test]
fn the_filter_has_no_name_of_a_plugin() {
    let plugins: BTreeSet<&str> = PLUGINS.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(plugins.len() > 40 && plugins.contains("jwt") && plugins.contains("opa"));
    assert!(!plugins.contains("portcullis"), "Kong does not start with it");
}

#[test]
fn nginx_conf_has_a_configuration_that_the_filter_takes() {
    let text = read("nginx.conf");
    for line in ["proxy_wasm_request_headers_in_access on;", "tls_verify_cert on;", "tls_verify_host on;"] {
        assert!(text.contains(line), "{line}");
    }
    assert!(!text.contains("isolation"), "an instance for each request is not supported");
    // A path behind the upstream would be sent in place of the one that was judged.
    let passes: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("proxy_pass http://")).collect();
    assert!(!passes.is_empty() && passes.iter().all(|pass| !pass.contains('/')), "{passes:?}");
    let configuration = text.lines().find_map(|line| line.trim().strip_prefix("proxy_wasm portcullis '")).unwrap();
    starts(&serde_json::from_str(configuration.strip_suffix("';").unwrap()).unwrap());
}

/// The README names every file of the folder.
#[test]
fn the_readme_names_every_file() {
    let readme = read("README.md");
    for entry in std::fs::read_dir(host_tests::repository().join("kong-config")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || readme.contains(&format!("`{name}`")), "{name}");
    }
}
