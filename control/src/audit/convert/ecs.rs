//! Elastic Common Schema: an event of the category `api`, with what ECS has no field for under `portcullis`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{PRODUCT, members, object, who};
use crate::audit::record::Record;

/// The version of the schema. Every field that is used has been in it since 8.11, and is in the later ones.
const VERSION: &str = "9.0.0";

pub(super) fn event(record: &Record) -> Value {
    let resource = record.resource.as_ref();
    let source = record.source.as_deref();
    let address = source.filter(|source| source.parse::<IpAddr>().is_ok());
    let subject = who(record, |who| who.subject.as_ref());
    let (issuer, client) = (who(record, |who| who.issuer.as_ref()), who(record, |who| who.client.as_ref()));
    let mut others = record.others();
    others.extend(members([
        ("issuer", issuer.map(Value::from)),
        ("client", client.map(Value::from)),
        ("session", who(record, |who| who.session.as_ref()).map(Value::from)),
        ("route", record.route().map(Value::from)),
    ]));
    // Those who read it take JSON without order; it is in the order of names.
    Value::Object(members([
        ("@timestamp", Some(json!(record.time))),
        ("ecs", Some(json!({ "version": VERSION }))),
        ("event", Some(what(record))),
        ("http", record.action.as_ref().map(|action| json!({ "request": { "method": action } }))),
        ("message", Some(json!(record.message()))),
        ("observer", Some(json!({ "type": "proxy", "vendor": PRODUCT, "product": PRODUCT, "name": record.worker }))),
        ("organization", object([("id", who(record, |who| who.tenant.as_ref()).map(Value::from))])),
        ("portcullis", Some(Value::Object(others))),
        ("related", object([("user", subject.map(|subject| json!([subject]))), ("ip", address.map(|ip| json!([ip])))])),
        ("rule", rule(record)),
        ("source", object([("address", source.map(Value::from)), ("ip", address.map(Value::from))])),
        ("span", object([("id", record.span.as_deref().map(Value::from))])),
        ("trace", object([("id", record.trace.as_deref().map(Value::from))])),
        (
            "url",
            object([
                ("domain", resource.map(|resource| json!(resource.host))),
                ("path", resource.and_then(|resource| resource.path.as_deref()).map(Value::from)),
            ]),
        ),
        ("user", object([("id", subject.map(Value::from))])),
    ]))
}

/// The categorization fields, with the values that ECS allows together.
fn what(record: &Record) -> Value {
    let (kind, outcome) = if record.is_permit() { ("allowed", "success") } else { ("denied", "failure") };
    json!({
        "kind": "event",
        "category": ["api"],
        "type": ["access", kind],
        "outcome": outcome,
        "action": record.operation(),
        "reason": record.reason,
        "id": record.id,
        "sequence": record.sequence,
        "module": "portcullis",
        "dataset": "portcullis.decision",
    })
}

fn rule(record: &Record) -> Option<Value> {
    object([
        ("id", record.rule.as_deref().map(Value::from)),
        ("ruleset", Some(json!("portcullis"))),
        ("version", record.revision.map(|revision| json!(revision.to_string()))),
    ])
}
