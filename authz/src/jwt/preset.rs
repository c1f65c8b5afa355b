//! Presets: what the documentation of a provider says about its tokens, as data. An issuer's own fields come first, and a
//! preset may say which of them there must be (`own`), with the reason.

use serde_json::{Map, Value};

use crate::document::Node;
use crate::json;

/// The presets: an object of partial issuers by name.
const PRESETS: &str = include_str!("../../presets.json");

/// The issuer at `node` with what its `preset` adds; as it is if it names none.
pub(super) fn apply(node: &Node<'_>) -> Option<Value> {
    let own = node.open_object().map(|_| node.value())?;
    let Some(name) = own.get("preset") else {
        return Some(own.clone());
    };
    let presets = json::parse(PRESETS.as_bytes()).unwrap_or_default();
    match name.as_str().and_then(|name| presets.get(name)) {
        Some(preset) => complete(preset, own, node),
        None => {
            let known: Vec<&str> = presets.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            node.refuse(format!("{name} is not a preset; there are `{}`", known.join("`, `")))
        }
    }
}

fn complete(preset: &Value, own: &Value, node: &Node<'_>) -> Option<Value> {
    let mut preset = preset.clone();
    let wanted = preset.as_object_mut().and_then(|preset| preset.remove("own"));
    let wanted = wanted.as_ref().and_then(Value::as_object).into_iter().flatten();
    match wanted.into_iter().find(|(name, _)| own.get(name.as_str()).is_none()) {
        Some((name, why)) => {
            node.refuse(format!("this preset needs a `{name}` of yours: {}", why.as_str().unwrap_or_default()))
        }
        None => Some(overlaid(&preset, own)),
    }
}

/// `own` over `preset`; objects are merged member by member, everything else is replaced.
fn overlaid(preset: &Value, own: &Value) -> Value {
    match (preset, own) {
        (Value::Object(preset), Value::Object(own)) => {
            let mut merged = preset.clone();
            for (name, value) in own {
                let value = preset.get(name).map_or_else(|| value.clone(), |preset| overlaid(preset, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        _ => own.clone(),
    }
}
