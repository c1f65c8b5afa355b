//! The schemas of what is distributed, and the code that reads it, say the same of the published vectors.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use authz::distribution::{ManifestPayload, UnverifiedManifest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonschema::Validator;
use serde_json::{Value, json};

fn read(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(host_tests::repository().join(path)).unwrap()).unwrap()
}

/// A part of a schema of `authz/schema`.
fn part(schema: &str, definition: &str) -> Validator {
    let schemas = ["bundle", "manifest", "documents", "plugin-configuration"]
        .map(|name| read(&format!("authz/schema/{name}.schema.json")));
    let id = format!("urn:portcullis:schema:{schema}:1");
    let mut registry = jsonschema::Registry::new();
    for schema in schemas {
        let id = schema["$id"].as_str().unwrap().to_owned();
        registry = registry.add(id, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let reference = json!({ "$ref": format!("{id}{definition}") });
    jsonschema::options().with_registry(&registry).build(&reference).unwrap()
}

#[test]
fn manifests_and_payloads_are_judged_alike() {
    let (manifest, payload) = (part("manifest", ""), part("manifest", "#/$defs/payload"));
    let mut judged = [0, 0];
    for case in read("authz/distribution/vectors.json")["cases"].as_array().unwrap() {
        let (name, text) = (&case["name"], case["manifest"].as_str().unwrap());
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let parsed = UnverifiedManifest::parse(text.as_bytes());
        if case["expect"] == "adopted" {
            assert!(manifest.is_valid(&value), "{name}");
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(value["payload"].as_str().unwrap_or_default()) else { continue };
        if parsed.is_ok() {
            let valid = ManifestPayload::parse(&bytes).is_ok();
            assert_eq!(payload.is_valid(&serde_json::from_slice(&bytes).unwrap()), valid, "{name}");
            judged[usize::from(valid)] += 1;
        }
    }
    assert!(judged[0] >= 5 && judged[1] >= 20, "{judged:?}");
}

/// A configuration that uses every way in, changed in many ways, is judged alike.
#[test]
fn plugin_configurations_are_judged_alike() {
    let schema = part("plugin-configuration", "");
    let vectors = read("authz/distribution/vectors.json");
    let case = &vectors["cases"][0];
    let manifest: Value = serde_json::from_str(case["manifest"].as_str().unwrap()).unwrap();
    let everything = json!({
        "version": 1,
        "trust": vectors["trust"],
        "control": { "cluster": "control", "authority": "control.example.com", "token": "t", "proxy": "edge-1", "wait_seconds": 25 },
        "signed_bundle": { "manifest": manifest, "documents": case["documents"] },
        "management": { "path": "/portcullis" },
        "shared_data": true,
    });
    let bundle = json!({ "version": 1, "revision": 1, "issuers": [], "rules": [] });
    let mut judged = [0, 0];
    let mut judge = |configuration: &Value| {
        let parsed = authz::PluginConfiguration::parse(configuration.to_string().as_bytes());
        assert_eq!(schema.is_valid(configuration), parsed.is_ok(), "{configuration}: {:?}", parsed.err());
        judged[usize::from(parsed.is_ok())] += 1;
    };
    judge(&everything);
    judge(&json!({ "version": 1, "bundle": bundle }));
    judge(&json!({ "version": 1 }));
    judge(&json!({ "version": 1, "trust": vectors["trust"] }));
    judge(&json!({ "version": 1, "trust": vectors["trust"], "shared_data": true }));
    judge(&json!({ "version": 1, "trust": vectors["trust"], "shared_data": false }));
    for pointer in ["/trust", "/control", "/signed_bundle", "/management", ""] {
        let object = everything.pointer(pointer).unwrap().as_object().unwrap();
        for name in object.keys() {
            let mut less = everything.clone();
            less.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name);
            judge(&less);
            let mut odd = everything.clone();
            odd.pointer_mut(pointer).unwrap()[name] = json!([]);
            // An empty list of documents is one; they may be there already.
            if name != "documents" {
                judge(&odd);
            }
        }
        let mut more = everything.clone();
        more.pointer_mut(pointer).unwrap()["no_such_field"] = json!(1);
        judge(&more);
    }
    let mut both = everything.clone();
    both["bundle"] = bundle;
    judge(&both);
    assert!(judged[0] >= 20 && judged[1] >= 8, "{judged:?}");
}

#[test]
fn the_documents_of_what_is_adopted_fit() {
    let documents = part("documents", "");
    let mut fitting = 0;
    for case in read("authz/distribution/vectors.json")["cases"].as_array().unwrap() {
        if case["expect"] != "adopted" {
            continue;
        }
        for document in case["documents"].as_array().unwrap().iter().skip(1) {
            let document: Value = serde_json::from_str(document.as_str().unwrap()).unwrap();
            assert!(documents.is_valid(&document), "{}: {document}", case["name"]);
            fitting += 1;
        }
    }
    assert!(fitting >= 5, "only {fitting} documents");
    for odd in [
        json!({}),
        json!({ "version": 1 }),
        json!({ "version": 2, "entries": [] }),
        json!({ "version": 1, "cases": [{}] }),
    ] {
        assert!(!documents.is_valid(&odd), "{odd}");
    }
}
