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
    let claims = mentioned(part);
    if claims.is_empty() {
        return Vec::new();
    }
    let presets: Map<String, Value> = serde_json::from_str(PRESETS).unwrap_or_default();
    let Some(issuers) = issuers(policy, part, &presets) else { return Vec::new() };
    let known: BTreeSet<&str> = issuers.iter().flat_map(|(issuer, preset)| documented(issuer, preset)).collect();
    let names: BTreeSet<&str> = issuers.iter().map(|(issuer, _)| text(issuer, "preset")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join("`, `");
    let mut findings = Vec::new();
    for (pointer, place) in claims {
        if COMMON.contains(&pointer.as_str()) || known.contains(pointer.as_str()) {
            continue;
        }
        let others = presets.iter().filter(|(_, preset)| mapped(preset).any(|known| known == pointer));
        let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
        if !others.is_empty() {
            let message = format!(
                "`{pointer}` is not documented by the preset `{names}`, but by `{}`; use the claim that your provider has for it",
                others.join("`, `")
            );
            findings.push(Finding::new("undocumented-claim", &format!("{}.{place}", part.place), message));
        }
    }
    findings
}

/// The claims that tests and the expression speak of, as pointers, each with its place.
fn mentioned(part: &Part<'_>) -> Vec<(String, String)> {
    let tests = list(part.value, "claims").iter().enumerate();
    let tests = tests.map(|(index, test)| (text(test, "pointer").to_owned(), format!("claims[{index}]")));
    let expression = pointers(text(part.value, "expression")).into_iter();
    tests.chain(expression.map(|pointer| (pointer, "expression".to_owned()))).collect()
}

/// What may be claims in an expression: of `claims.a.b.size()` `/a`, `/a/b` and `/a/b/size`.
fn pointers(expression: &str) -> BTreeSet<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut pointers = BTreeSet::new();
    for path in expression.split("claims.").skip(1) {
        let mut pointer = String::new();
        for name in
            path.split(|character| !is_name(character) && character != '.').next().unwrap_or_default().split('.')
        {
            pointer.push('/');
            pointer.push_str(name);
            pointers.insert(pointer.clone());
        }
    }
    pointers
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
