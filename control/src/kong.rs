//! What Kong wants to know of the filter, `portcullis.meta.json`: the schema of its configuration, in draft-04, the only one that Kong
//! takes, and in one piece.

use serde_json::{Map, Value, json};

const PLUGIN_CONFIGURATION: &str = include_str!("../../authz/schema/plugin-configuration.schema.json");
const BUNDLE: &str = include_str!("../../authz/schema/bundle.schema.json");
const MANIFEST: &str = include_str!("../../authz/schema/manifest.schema.json");

/// What draft-04 has no word for. It says less, then, and the filter itself says the rest.
const DROPPED: [&str; 7] = ["$id", "$schema", "$defs", "default", "contains", "minContains", "maxContains"];

/// The text of `portcullis.meta.json`.
pub(crate) fn meta() -> String {
    let mut definitions = Map::new();
    for (name, text) in [("bundle", BUNDLE), ("manifest", MANIFEST)] {
        let whole = part(text, name, &mut definitions);
        definitions.insert(name.to_owned(), whole);
    }
    let mut schema = part(PLUGIN_CONFIGURATION, "plugin", &mut definitions);
    if let Some(members) = schema.as_object_mut() {
        members.insert("$schema".to_owned(), json!("http://json-schema.org/draft-04/schema#"));
        members.insert("definitions".to_owned(), Value::Object(definitions));
    }
    format!("{:#}\n", json!({ "config_schema": schema }))
}

/// A schema; its definitions go to the others, with its name before theirs.
fn part(text: &str, name: &str, definitions: &mut Map<String, Value>) -> Value {
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    for (own, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        definitions.insert(format!("{name}-{own}"), converted(definition, name));
    }
    converted(&schema, name)
}

/// A schema of draft 2020-12 in draft-04.
fn converted(schema: &Value, name: &str) -> Value {
    let members = match schema {
        Value::Bool(true) => return json!({}),
        Value::Bool(false) => return json!({ "not": {} }),
        Value::Object(members) => members,
        other => return other.clone(),
    };
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        return json!({ "$ref": reference_to(reference, name) });
    }
    let mut result = Map::new();
    for (keyword, value) in members.iter().filter(|(keyword, _)| !DROPPED.contains(&keyword.as_str())) {
        let (keyword, value) = match (keyword.as_str(), value) {
            ("const", value) => ("enum", json!([value])),
            ("dependentRequired", value) => ("dependencies", value.clone()),
            ("if", condition) => {
                let otherwise = json!({ "not": converted(condition, name) });
                let then = members.get("then").map_or_else(|| json!({}), |then| converted(then, name));
                ("allOf", json!([{ "anyOf": [otherwise, then] }]))
            }
            ("then", _) => continue,
            ("properties" | "patternProperties", Value::Object(parts)) => {
                let parts = parts.iter().map(|(key, part)| (key.clone(), converted(part, name)));
                (keyword.as_str(), Value::Object(parts.collect()))
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(parts)) => {
                (keyword.as_str(), parts.iter().map(|part| converted(part, name)).collect())
            }
            ("items" | "not", part) => (keyword.as_str(), converted(part, name)),
            // A boolean is a word of draft-04 here.
            ("additionalProperties", part @ Value::Object(_)) => (keyword.as_str(), converted(part, name)),
            (keyword, value) => (keyword, value.clone()),
        };
        match (result.get_mut(keyword), value) {
            (Some(Value::Array(parts)), Value::Array(more)) => parts.extend(more),
            (_, value) => drop(result.insert(keyword.to_owned(), value)),
        }
    }
    Value::Object(result)
}

/// Where the definition of a reference stands.
fn reference_to(reference: &str, name: &str) -> String {
    let (document, place) = reference.split_once('#').unwrap_or((reference, ""));
    let document = match document {
        "urn:portcullis:schema:bundle:1" => "bundle",
        "urn:portcullis:schema:manifest:1" => "manifest",
        _ => name,
    };
    match place.strip_prefix("/$defs/") {
        Some(own) => format!("#/definitions/{document}-{own}"),
        None => format!("#/definitions/{document}"),
    }
}
