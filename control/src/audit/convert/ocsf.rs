//! Open Cybersecurity Schema Framework 1.8: API Activity (6003) with the profile Security Control.
//!
//! A decision is about one call of an API, by an actor, on a resource, and it was allowed or denied by a control on the way:
//! API Activity has all of that. Authorize Session (3003) is about privileges that a session gets at login, and User Access Management
//! (3005) about privileges that somebody is given: neither is about a request. What OCSF has no attribute for is in `unmapped`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{PRODUCT, members, object, who};
use crate::audit::record::Record;

/// The version of the schema.
const VERSION: &str = "1.8.0";

/// The methods that it knows; others are not allowed where a method stands.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

pub(super) fn event(record: &Record) -> Value {
    let (activity, activity_name) = activity(record.action.as_deref());
    let is_permit = record.is_permit();
    let choose = |permit: (u8, &'static str), deny: (u8, &'static str)| if is_permit { permit } else { deny };
    let (action_id, action) = choose((1, "Allowed"), (2, "Denied"));
    let (disposition_id, disposition) = choose((1, "Allowed"), (2, "Blocked"));
    let (status_id, status) = choose((1, "Success"), (2, "Failure"));
    let (severity_id, severity) = choose((1, "Informational"), (2, "Low"));
    let mut unmapped = record.others();
    let method = record.action.as_deref();
    unmapped.extend(members([
        ("span", record.span.as_deref().map(Value::from)),
        ("action", method.filter(|method| !METHODS.contains(method)).map(Value::from)),
    ]));
    let mut event = members([
        ("actor", Some(actor(record))),
        ("api", Some(api(record))),
        ("dst_endpoint", record.resource.as_ref().map(|resource| json!({ "hostname": resource.host }))),
        ("http_request", http_request(record)),
        ("message", Some(json!(record.message()))),
        ("metadata", Some(metadata(record))),
        ("policy", policy(record)),
        ("resources", resource(record)),
        ("src_endpoint", Some(source(record))),
        ("status_code", Some(json!(record.reason))),
        ("time", record.milliseconds().map(Value::from)),
        ("trace", object([("uid", record.trace.as_deref().map(Value::from))])),
        ("unmapped", Some(Value::Object(unmapped))),
    ]);
    event.extend(members([
        ("activity_id", Some(json!(activity))),
        ("activity_name", Some(json!(activity_name))),
        ("category_uid", Some(json!(6))),
        ("category_name", Some(json!("Application Activity"))),
        ("class_uid", Some(json!(6003))),
        ("class_name", Some(json!("API Activity"))),
        ("type_uid", Some(json!(600_300_u32.saturating_add(activity)))),
        ("type_name", Some(json!(format!("API Activity: {activity_name}")))),
        ("action_id", Some(json!(action_id))),
        ("action", Some(json!(action))),
        ("disposition_id", Some(json!(disposition_id))),
        ("disposition", Some(json!(disposition))),
        ("status_id", Some(json!(status_id))),
        ("status", Some(json!(status))),
        ("severity_id", Some(json!(severity_id))),
        ("severity", Some(json!(severity))),
    ]));
    Value::Object(event)
}

/// What methods mean, as far as they say (RFC 9110 section 9.3).
fn activity(method: Option<&str>) -> (u32, &'static str) {
    match method {
        Some("POST") => (1, "Create"),
        Some("GET" | "HEAD") => (2, "Read"),
        Some("PUT" | "PATCH") => (3, "Update"),
        Some("DELETE") => (4, "Delete"),
        Some(_) => (99, "Other"),
        None => (0, "Unknown"),
    }
}

/// An actor is a user, a session or an application; of somebody without any good credential nothing is known.
fn actor(record: &Record) -> Value {
    let Some(principal) = &record.principal else {
        return json!({ "user": { "name": "unauthenticated", "type_id": 0, "type": "Unknown" } });
    };
    let named = principal.subject.is_some() || principal.client.is_some() || principal.session.is_some();
    let idp = principal.issuer.as_deref().map(|issuer| json!({ "name": issuer }));
    let session = object([("uid", principal.session.as_deref().map(Value::from))]);
    Value::Object(members([
        ("user", object([("uid", principal.subject.as_deref().map(Value::from))])),
        ("app_uid", principal.client.as_deref().map(Value::from)),
        ("app_name", (!named).then(|| json!(principal.credential))),
        ("session", session),
        ("idp", idp),
    ]))
}

fn api(record: &Record) -> Value {
    let service = record.resource.as_ref().map(|resource| json!({ "name": resource.host }));
    Value::Object(members([
        ("operation", Some(json!(record.operation()))),
        ("service", service),
        ("request", Some(json!({ "uid": record.id }))),
    ]))
}

fn http_request(record: &Record) -> Option<Value> {
    let resource = record.resource.as_ref();
    // A URL needs a path; a route is none.
    let url = resource.and_then(|resource| {
        let path = resource.path.as_deref()?;
        Some(json!({ "hostname": resource.host, "path": path }))
    });
    let method = record.action.as_deref().filter(|method| METHODS.contains(method));
    object([("http_method", method.map(Value::from)), ("url", url)])
}

fn metadata(record: &Record) -> Value {
    let product = json!({ "name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION") });
    Value::Object(members([
        ("version", Some(json!(VERSION))),
        ("product", Some(product)),
        ("profiles", Some(json!(["security_control", "trace"]))),
        ("uid", Some(json!(record.id))),
        ("sequence", Some(json!(record.sequence))),
        ("log_name", Some(json!("decision-log"))),
        ("log_version", Some(json!("2"))),
        ("event_code", Some(json!(record.reason))),
        ("correlation_uid", record.trace.as_deref().map(Value::from)),
        ("tenant_uid", who(record, |who| who.tenant.as_ref()).map(Value::from)),
    ]))
}

/// The rule, or only the bundle where no rule decided.
fn policy(record: &Record) -> Option<Value> {
    let version = record.revision.map(|revision| json!(revision.to_string()));
    let rule = record.rule.as_deref();
    let kind = if rule.is_some() { "rule" } else { "bundle" };
    (rule.is_some() || version.is_some()).then(|| {
        Value::Object(members([
            ("uid", rule.map(Value::from)),
            ("name", rule.map(Value::from)),
            ("type", Some(json!(kind))),
            ("version", version),
        ]))
    })
}

fn resource(record: &Record) -> Option<Value> {
    let resource = record.resource.as_ref()?;
    let (name, kind) = resource.route.as_deref().map_or((&*resource.host, "host"), |route| (route, "route"));
    Some(json!([{ "name": name, "type": kind, "hostname": resource.host }]))
}

/// The schema wants to know where it came from; what is hidden is a name, not an address.
fn source(record: &Record) -> Value {
    match record.source.as_deref() {
        Some(source) if source.parse::<IpAddr>().is_ok() => json!({ "ip": source }),
        Some(source) => json!({ "uid": source }),
        None => json!({ "name": "unknown" }),
    }
}
