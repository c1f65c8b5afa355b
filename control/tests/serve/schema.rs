//! What is described is what is there.

use std::collections::BTreeSet;

use host_tests::client::Request;
use serde_json::{Value, json};

use crate::endpoint::{Home, policy, sha256};

fn schema(name: &str) -> Value {
    let path = host_tests::repository().join("control/schema").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn complaints(schema: &Value, document: &Value) -> Vec<String> {
    jsonschema::validator_for(schema).unwrap().iter_errors(document).map(|error| error.to_string()).collect()
}

/// Settings with every field that there is; they need not lead anywhere.
fn everything(home: &mut Home) -> Value {
    let hash = |text: &str| json!(sha256(text));
    home.settings["tls"] = json!({ "certificate": "server.pem", "key": "server.key", "client_ca": "ca.pem" });
    home.settings["admins"][0]["fleets"] = json!(["production"]);
    let fleet = home.fleet();
    fleet["trusted_keys"] = json!([]);
    fleet["threshold"] = json!(1);
    fleet["lifetime_seconds"] = json!(3600);
    fleet["max_staleness_seconds"] = json!(86_400);
    fleet["when_stale"] = json!("deny-writes");
    fleet["first_epoch"] = json!(10);
    fleet["proxies"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "proxy": "edge-2", "certificate": "spiffe://bank.example/edge-2" }));
    fleet["issuers"] = json!([{ "issuer": "https://login.example.com", "allow_http": true, "allow_private_addresses": true, "refresh_seconds": 60 }]);
    fleet["feeds"] = json!([{ "feed": "caep", "type": "ssf", "issuer": "https://login.example.com", "audiences": ["a"], "token_sha256": hash("feed"), "retention_seconds": 86_400 }]);
    fleet["decisions"] = json!({
        "folder": "decisions", "replica": "a", "rotate_mebibytes": 1, "rotate_hours": 1, "keep_days": 1, "checkpoint_seconds": 1,
        "outputs": [
            { "output": "agent", "type": "files", "format": "ecs", "folder": "ecs" },
            { "output": "siem", "type": "syslog", "format": "cef", "address": "logs.example.com:6514", "ca": "ca.pem" },
            { "output": "otel", "type": "otlp", "format": "ocsf", "url": "https://otel.example.com/v1/logs", "token_file": "token", "ca": "ca.pem" },
        ],
    });
    home.settings.clone()
}

/// Whether the program reads the settings; what it says.
fn reads(home: &Home, settings: &Value) -> (bool, String) {
    std::fs::write(home.path().join("serve.yaml"), settings.to_string()).unwrap();
    let (code, _, errors) = crate::common::run(home.path(), &["serve"]);
    // The certificate is not there, which is found out after the settings were read.
    (code == 2 && errors.contains("server.pem"), errors)
}

#[test]
fn settings_are_read_as_they_are_described() {
    let mut home = Home::new();
    let (schema, settings) = (schema("serve.schema.json"), everything(&mut home));
    assert_eq!(complaints(&schema, &settings), Vec::<String>::new());
    let (is_good, errors) = reads(&home, &settings);
    assert!(is_good, "{errors}");
    for pointer in [
        "",
        "/tls",
        "/storage",
        "/admins/0",
        "/fleets/0",
        "/fleets/0/proxies/0",
        "/fleets/0/issuers/0",
        "/fleets/0/feeds/0",
        "/fleets/0/decisions",
        "/fleets/0/decisions/outputs/0",
        "/fleets/0/decisions/outputs/1",
        "/fleets/0/decisions/outputs/2",
    ] {
        let mut odd = settings.clone();
        odd.pointer_mut(pointer).unwrap()["no_such_field"] = json!(1);
        assert!(!complaints(&schema, &odd).is_empty(), "{pointer}");
        let (is_good, errors) = reads(&home, &odd);
        assert!(!is_good && errors.contains("no_such_field"), "{pointer}: {errors}");
        let names: Vec<String> = settings.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut less = settings.clone();
            less.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(&name);
            if name == "tls" {
                continue;
            }
            let (is_good, errors) = reads(&home, &less);
            assert_eq!(is_good, complaints(&schema, &less).is_empty(), "without {pointer}/{name}: {errors}");
        }
    }
}

#[test]
fn the_example_of_the_guide_is_read() {
    let page = std::fs::read_to_string(host_tests::repository().join("docs/control.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let settings: Value = serde_saphyr::from_str(example).unwrap();
    assert_eq!(complaints(&schema("serve.schema.json"), &settings), Vec::<String>::new());
    let home = Home::new();
    std::fs::write(home.path().join("serve.yaml"), example).unwrap();
    let (_, _, errors) = crate::common::run(home.path(), &["serve"]);
    assert!(errors.contains("server.pem"), "{errors}");
}

#[test]
fn the_starter_is_as_described() {
    let starter = include_str!("../../starter/serve.yaml");
    let hash = "0".repeat(64);
    let starter = starter.replace("ADMIN_TOKEN_SHA256", &hash).replace("PROXY_TOKEN_SHA256", &hash);
    let starter: Value =
        serde_saphyr::from_str(&starter.replace(&format!(": {hash}"), &format!(": \"{hash}\""))).unwrap();
    assert_eq!(complaints(&schema("serve.schema.json"), &starter), Vec::<String>::new());
}

#[test]
fn status_and_history_are_as_described() {
    let home = Home::new();
    let endpoint = home.start();
    for published in [false, true] {
        if published {
            endpoint.publish(&policy("a"));
            let status = json!({ "proxy": "p", "worker": "w", "epoch": 1, "last_error": { "reason": "expired", "epoch": 1, "at": 5 } });
            endpoint.send(&endpoint.poll_request(None, 0).with("portcullis-status", &status.to_string()));
        }
        for what in ["status", "history"] {
            let (code, answer, errors) = home.run(
                &endpoint,
                &[&["status", "--output", "json"][..], if what == "history" { &["--history"] } else { &[] }].concat(),
            );
            assert_eq!(code, 0, "{errors}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(
                complaints(&schema(&format!("fleet-{what}.schema.json")), &answer),
                Vec::<String>::new(),
                "{answer}"
            );
        }
    }
}

/// The routes in the code, those in the description, and what is answered.
#[test]
fn the_interface_is_as_described() {
    let description = schema("openapi.json");
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item
                .as_object()
                .unwrap()
                .keys()
                .filter(|name| ["get", "post", "put", "delete"].contains(&name.as_str()));
            methods.map(|method| (path.clone(), method.clone()))
        })
        .collect();
    let code = std::fs::read_to_string(host_tests::repository().join("control/src/serve/http/mod.rs")).unwrap();
    let routes: BTreeSet<(String, String)> = code
        .split(".route(\"")
        .skip(1)
        .map(|rest| {
            let (path, rest) = rest.split_once("\", ").unwrap();
            (path.to_owned(), rest.split('(').next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(described, routes);

    let home = Home::new();
    let endpoint = home.start();
    endpoint.publish(&policy("a"));
    for (path, method) in &described {
        let real = path
            .replace("{fleet}", "production")
            .replace("{epoch}", "1")
            .replace("{feed}", "x")
            .replace("{sha256}", &"0".repeat(64));
        let mut request = Request::get(&real);
        request.method = method.to_uppercase().into_bytes();
        let status = endpoint.send(&request).status.to_string();
        let known = description["paths"][path][method]["responses"].as_object().unwrap();
        assert!(known.contains_key(&status), "{method} {path} answers {status}, which is not described");
        request.method = b"DELETE".to_vec();
        assert_eq!(endpoint.send(&request).status, 405, "{path}");
    }
}
