//! Claims that stand elsewhere in the tokens of a provider.
//!
//! A provider may put any claim into a token, so a claim that its preset does not have is not suspicious by itself. The name that
//! another provider has for something is: whoever writes `/oid` for Okta has read the wrong manual.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Finding;
use super::conditions::Part;
use super::model::{Policy, list, text};

/// The presets, with where each provider has what.
const PRESETS: &str = include_str!("../../../authz/presets.json");

/// What tokens of every provider may have (RFC 7519, RFC 9068, OpenID Connect), and names that anybody may choose.
const COMMON: [&str; 13] = [
    "/sub",
    "/aud",
    "/azp",
    "/client_id",
    "/scope",
    "/roles",
    "/groups",
    "/sid",
    "/tid",
    "/scp",
    "/permissions",
    "/environment",
    "/repository",
];

pub(super) fn find(policy: &Policy<'_>, part: &Part<'_>) -> Vec<Finding> {
    let tests = list(part.value, "claims");
    if tests.is_empty() {
        return Vec::new();
    }
    let presets: Map<String, Value> = serde_json::from_str(PRESETS).unwrap_or_default();
    let Some(issuers) = issuers(policy, part, &presets) else { return Vec::new() };
    let known: BTreeSet<&str> = issuers.iter().flat_map(|(issuer, preset)| documented(issuer, preset)).collect();
    let names: BTreeSet<&str> = issuers.iter().map(|(issuer, _)| text(issuer, "preset")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join("`, `");
    let mut findings = Vec::new();
    for (index, test) in tests.iter().enumerate() {
        let pointer = text(test, "pointer");
        if COMMON.contains(&pointer) || known.contains(pointer) {
            continue;
        }
        let others = presets.iter().filter(|(_, preset)| mapped(preset).any(|known| known == pointer));
        let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        if !others.is_empty() {
            let message = format!(
                "`{pointer}` is not documented by the preset `{names}`, but by `{}`; use the claim that your provider has for it",
                others.join("`, `")
            );
            findings.push(Finding::new("undocumented-claim", &format!("{}.claims[{index}]", part.place), message));
        }
    }
    findings
}

/// The issuers that the credential may be of, each with its preset; none if one of them has none that says where claims are, or if it
/// is no token.
fn issuers<'v, 'p>(
    policy: &Policy<'v>,
    part: &Part<'v>,
    presets: &'p Map<String, Value>,
) -> Option<Vec<(&'v Value, &'p Value)>> {
    let credential = policy.credential(part.credential);
    if credential.is_some_and(|credential| text(credential, "type") != "jwt") {
        return None;
    }
    let of_credential = || credential.and_then(|credential| credential.get("issuers"));
    let wanted = part.value.get("issuers").or_else(of_credential).and_then(Value::as_array);
    let opaque = credential.map(|credential| text(credential, "opaque")).unwrap_or_default();
    let is_wanted = |issuer: &&Value| {
        let names = |name: &str| is_named(issuer, name);
        wanted.is_none_or(|wanted| wanted.iter().filter_map(Value::as_str).any(names)) || names(opaque)
    };
    let with_preset = |issuer: &'v Value| {
        let preset = presets.get(text(issuer, "preset"))?;
        preset.get("claims").map(|_| (issuer, preset))
    };
    let issuers: Option<Vec<_>> = policy.issuers.iter().filter(is_wanted).map(with_preset).collect();
    issuers.filter(|issuers| !issuers.is_empty())
}

/// By its name, by its template, or by the template with a tenant.
fn is_named(issuer: &Value, name: &str) -> bool {
    let template = text(issuer, "issuer");
    let mut tenants = list(issuer, "tenants").iter().filter_map(Value::as_str);
    template == name || tenants.any(|tenant| template.replace("{tenant}", tenant) == name)
}

/// The claims that an issuer, or its preset, says something about.
fn documented<'v>(issuer: &'v Value, preset: &'v Value) -> impl Iterator<Item = &'v str> {
    let required = |settings: &'v Value| list(settings, "required_claims").iter().map(|test| text(test, "pointer"));
    mapped(issuer).chain(mapped(preset)).chain(required(issuer)).chain(required(preset))
}

/// The pointers to all attributes.
fn mapped(settings: &Value) -> impl Iterator<Item = &str> {
    let attributes = settings.get("claims").and_then(Value::as_object).into_iter().flat_map(Map::values);
    attributes.filter_map(Value::as_array).flatten().filter_map(Value::as_str)
}
