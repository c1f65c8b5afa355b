//! The published schemas and the parser say the same.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use authz::{Bundle, Problem, Reason};
use serde_json::{Value, json};

fn schema(name: &str) -> Value {
    let path = host_tests::repository().join("authz/schema").join(name).with_extension("schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A bundle that uses every field of the format.
fn everything() -> Value {
    let text = std::fs::read_to_string(host_tests::repository().join("control/tests/everything.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_valid(schema: &Value, document: &Value) -> bool {
    jsonschema::validator_for(schema).unwrap().is_valid(document)
}

fn parse(document: &Value) -> Result<Bundle, authz::BundleErrors> {
    Bundle::parse(document.to_string().as_bytes())
}

#[test]
fn a_bundle_that_uses_everything_is_accepted_by_both() {
    let (schema, bundle) = (schema("bundle"), everything());
    let complaints: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&bundle).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    parse(&bundle).unwrap_or_else(|errors| panic!("{errors}"));

    let mut used = BTreeSet::new();
    collect_names(&bundle, &mut used);
    let mut known = BTreeSet::new();
    collect_properties(&schema, &mut known);
    assert!(known.is_subset(&used), "not used in everything.json: {:?}", known.difference(&used).collect::<Vec<_>>());
}

/// In every object of the format, a field that does not exist is refused by both, and the fields that the parser then
/// names are those of the schema.
#[test]
fn both_know_the_same_fields_everywhere() {
    let (schema, bundle) = (schema("bundle"), everything());
    let mut checked = 0;
    for pointer in objects(&bundle, "") {
        // RFC 7517 section 4: other members of a key are ignored; RFC 9728 section 2: metadata has members of any name.
        if ["/jwks", "/secrets", "/resource_metadata", "/assertion/key", "/further_keys"]
            .iter()
            .any(|open| pointer.contains(open))
        {
            continue;
        }
        let mut odd = bundle.clone();
        odd.pointer_mut(&pointer).unwrap()["no_such_field"] = json!(1);
        assert!(!is_valid(&schema, &odd), "the schema accepts an unknown field at {pointer}");
        let errors = parse(&odd).err().unwrap_or_else(|| panic!("the parser accepts an unknown field at {pointer}"));
        let known = errors.iter().find_map(|error| match error.problem() {
            Problem::UnknownField { known, .. } => {
                Some(known.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>())
            }
            _ => None,
        });
        assert_eq!(known, Some(properties_at(&schema, &pointer)), "at {pointer}");
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} objects were checked");
}

/// A field that must be there is missed by both.
#[test]
fn both_require_the_same_fields() {
    let (schema, bundle) = (schema("bundle"), everything());
    for pointer in objects(&bundle, "") {
        let names: Vec<String> = bundle.pointer(&pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut less = bundle.clone();
            less.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&name);
            // What cannot be said in a schema: which members each type of key needs, which secrets an algorithm needs, and
            // that what a rule names must be there.
            let elsewhere = [
                "attributes",
                "jwks",
                "secrets",
                "algorithms",
                "credentials",
                "tenants",
                "paths",
                "from",
                "pseudonym_key",
            ]
            .contains(&name.as_str());
            // Nor that several may vouch for a subject.
            let elsewhere = elsewhere || ["qualified_subject", "y"].contains(&name.as_str());
            if elsewhere || pointer.contains("/jwks") || pointer.contains("/secrets") {
                continue;
            }
            assert_eq!(is_valid(&schema, &less), parse(&less).is_ok(), "without {pointer}/{name}");
        }
    }
}

/// Every preset is known to the schema, and makes an issuer out of a name, an audience and keys.
#[test]
fn every_preset_is_complete() {
    let text = std::fs::read_to_string(host_tests::repository().join("authz/presets.json")).unwrap();
    let presets: Value = serde_json::from_str(&text).unwrap();
    let schema = schema("bundle");
    let names: Vec<&String> = presets.as_object().unwrap().keys().collect();
    assert_eq!(json!(names), schema["$defs"]["issuer"]["properties"]["preset"]["enum"]);
    for name in names {
        let mut issuer = json!({
            "issuer": "https://idp.example.com", "preset": name, "audiences": ["api"], "jwks": { "keys": [] },
        });
        for (own, _) in presets[name]["own"].as_object().into_iter().flatten() {
            let bundle = json!({ "version": 1, "revision": 1, "rules": [], "issuers": [issuer] });
            assert!(parse(&bundle).unwrap_err().to_string().contains(&format!("needs a `{own}` of yours")), "{name}");
            issuer[own] = json!([{ "pointer": "/signer", "equals": "arn:aws:elasticloadbalancing:x" }]);
        }
        let bundle = json!({ "version": 1, "revision": 1, "rules": [], "issuers": [issuer] });
        assert!(is_valid(&schema, &bundle), "{name}");
        parse(&bundle).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    }
}

#[test]
fn the_plugin_configuration_of_envoy_yaml_is_accepted_by_both() {
    let configuration = host_tests::envoy::example_plugin_configuration().unwrap();
    authz::PluginConfiguration::parse(configuration.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(is_valid(&schema("bundle"), &configuration["bundle"]));
    let frame = schema("plugin-configuration");
    let members: BTreeSet<&String> = frame["properties"].as_object().unwrap().keys().collect();
    let used: BTreeSet<&String> = configuration.as_object().unwrap().keys().collect();
    assert!(used.is_subset(&members), "{used:?}");
}

#[test]
fn the_decision_record_knows_every_reason_and_a_record_fits() {
    let schema = schema("decision-record");
    let known: BTreeSet<&str> =
        schema["properties"]["reason"]["enum"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(known, Reason::ALL.iter().map(|reason| reason.code()).collect());
    let record = authz::Authorizer::closed().host_failure().decision().to_record();
    assert!(is_valid(&schema, &serde_json::from_slice(&record).unwrap()));
    // The one in `docs/decision-log.md`, with and without what only a log has.
    let text = std::fs::read_to_string(host_tests::repository().join("docs/decision-log.md")).unwrap();
    let example = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut example: Value = serde_json::from_str(example).unwrap();
    assert!(is_valid(&schema, &example));
    example.as_object_mut().unwrap().remove("id");
    assert!(!is_valid(&schema, &example), "a record without its id is none of a log");
}

/// JSON Pointers to all objects of a document, besides those that stand for values.
fn objects(value: &Value, pointer: &str) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let inner = members.iter().flat_map(|(name, value)| objects(value, &format!("{pointer}/{name}")));
            std::iter::once(pointer.to_owned()).chain(inner).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, value)| objects(value, &format!("{pointer}/{index}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// The names of the properties that the schema has for the object at `pointer`.
fn properties_at(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let mut at = schema.clone();
    for step in pointer.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(_) => with_member(schema, &at, "items")["items"].clone(),
            Err(_) => with_member(schema, &at, "properties")["properties"][step].clone(),
        };
    }
    with_member(schema, &at, "properties")["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The part of a schema that has this member: behind its references, or the first of its alternatives.
fn with_member(schema: &Value, at: &Value, member: &str) -> Value {
    if at.get(member).is_some() {
        return at.clone();
    }
    if let Some(reference) = at.get("$ref").and_then(Value::as_str) {
        return with_member(schema, schema.pointer(reference.trim_start_matches('#')).unwrap(), member);
    }
    let alternatives = ["oneOf", "allOf"].into_iter().filter_map(|kind| at.get(kind)?.as_array()).flatten();
    alternatives
        .map(|alternative| with_member(schema, alternative, member))
        .find(|part| part.get(member).is_some())
        .unwrap_or_default()
}

fn collect_properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            members.values().for_each(|value| collect_properties(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_properties(item, names)),
        _ => {}
    }
}

fn collect_names(document: &Value, names: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            names.extend(members.keys().cloned());
            members.values().for_each(|value| collect_names(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        _ => {}
    }
}
