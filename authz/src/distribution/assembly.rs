//! The documents of a bundle → one bundle, which the one parser reads.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::refusal::{RefusalReason, Refused};
use super::vectors;
use crate::authorizer::Authorizer;
use crate::bundle::Bundle;
use crate::document::{self, BundleErrors};
use crate::json;
use crate::limits::MAX_BUNDLE_BYTES;
use crate::steps::{self, pause};

/// The one version of each kind of document that this code reads.
const DOCUMENT_VERSION: u64 = 1;

/// The documents of a bundle, as bytes.
///
/// # Example
///
/// ```
/// use authz::distribution::Documents;
///
/// let policy = br#"{ "version": 1, "issuers": [], "rules": [
///     { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } }
/// ] }"#;
/// let tests = br#"{ "version": 1, "cases": [
///     { "name": "anybody may ask", "now": 1800000000, "request": { "host": "api.example.com", "path": "/healthz" }, "expect": { "decision": "permit" } }
/// ] }"#;
/// let documents = Documents { policy, tests: Some(tests), ..Documents::default() };
/// documents.authorizer(42)?;
/// # Ok::<(), authz::distribution::Refused>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Documents<'d> {
    /// A bundle without `revision`.
    pub policy: &'d [u8],
    /// The keys of issuers that have `keys_from`.
    pub keys: Option<&'d [u8]>,
    /// Revocations, besides those of the policy.
    pub revocations: Option<&'d [u8]>,
    /// Packed revocations, which are kept as they are.
    pub packed_revocations: Option<&'d Rc<Vec<u8>>>,
    /// API keys; then the policy has none.
    pub credentials: Option<&'d [u8]>,
    /// What the bundle must decide.
    pub tests: Option<&'d [u8]>,
}

impl Documents<'_> {
    /// The authorizer that decides by these documents, after it has passed their tests.
    ///
    /// # Errors
    ///
    /// `bundle_invalid` with everything that is wrong, or `tests_failed` with every case that fails.
    pub fn authorizer(&self, revision: u64) -> Result<Authorizer, Refused> {
        steps::finish(self.authorizer_in_steps(revision))
    }

    /// The same in steps.
    pub(super) async fn authorizer_in_steps(&self, revision: u64) -> Result<Authorizer, Refused> {
        let assembled = self.assemble_in_steps(revision).await?;
        let bundle = document::read_value_in_steps(&assembled, Bundle::read).await;
        json::release_in_steps(assembled).await;
        let mut bundle = bundle.map_err(|errors| invalid("policy", &errors))?;
        if let Some(packed) = self.packed_revocations {
            let added = bundle.revocations.add_packed(Rc::clone(packed)).await;
            added.map_err(|why| refuse("packed_revocations", &why))?;
        }
        let authorizer = Authorizer::new(bundle);
        if let Some(tests) = self.tests {
            let cases = document::read_in_steps(tests, vectors::read).await;
            vectors::run(&cases.map_err(|errors| invalid("tests", &errors))?, &authorizer).await?;
        }
        Ok(authorizer)
    }

    /// One bundle as JSON, with `revision` as its revision.
    ///
    /// # Errors
    ///
    /// `bundle_invalid`: a document is not what it should be, or does not fit the policy.
    pub fn assemble(&self, revision: u64) -> Result<Value, Refused> {
        steps::finish(self.assemble_in_steps(revision))
    }

    async fn assemble_in_steps(&self, revision: u64) -> Result<Value, Refused> {
        let policy = document::parse_in_steps(self.policy, MAX_BUNDLE_BYTES).await;
        let mut policy = match policy.map_err(|errors| invalid("policy", &errors))? {
            Value::Object(members) => members,
            _ => return Err(refuse("policy", "is not an object")),
        };
        if policy.insert("revision".to_owned(), Value::from(revision)).is_some() {
            return Err(refuse("policy", "revision: must not be there; it is the epoch of the manifest"));
        }
        if let Some(credentials) = self.credentials {
            let api_keys = part("credentials", "api_keys", credentials).await?;
            if policy.insert("api_keys".to_owned(), api_keys).is_some() {
                return Err(refuse("policy", "api_keys: stands in the credentials document too"));
            }
        }
        if let Some(revocations) = self.revocations {
            add_revocations(&mut policy, part("revocations", "entries", revocations).await?).await?;
        }
        if let Some(keys) = self.keys {
            add_keys(&mut policy, part("keys", "issuers", keys).await?).await?;
        }
        Ok(Value::Object(policy))
    }
}

/// The one field of a document besides its version.
async fn part(kind: &'static str, field: &'static str, text: &[u8]) -> Result<Value, Refused> {
    let document = document::parse_in_steps(text, MAX_BUNDLE_BYTES).await;
    let mut document = document.map_err(|errors| invalid(kind, &errors))?;
    let known: &'static [&'static str] = match field {
        "api_keys" => &["version", "api_keys"],
        "entries" => &["version", "entries"],
        _ => &["version", "issuers"],
    };
    document::read_value(&document, |node| {
        let fields = node.object(known)?;
        let version = fields.required("version").and_then(|node| document::read_version(&node, DOCUMENT_VERSION));
        let is_there = fields.required(field).is_some();
        version.filter(|()| is_there)
    })
    .map_err(|errors| invalid(kind, &errors))?;
    Ok(document.get_mut(field).map(Value::take).unwrap_or_default())
}

/// Appends revocations. Those of issuers that the policy does not name concern nobody, and are carried along for a policy that
/// names them again: else a rollback would make good again what was revoked.
async fn add_revocations(policy: &mut Map<String, Value>, added: Value) -> Result<(), Refused> {
    let Value::Array(added) = added else {
        return Err(refuse("revocations", "entries: is not a list"));
    };
    let names = issuer_names(policy);
    let Value::Array(own) = policy.entry("revocations").or_insert_with(|| Value::Array(Vec::new())) else {
        return Err(refuse("policy", "revocations: is not a list"));
    };
    for entry in added {
        if entry.get("issuer").and_then(Value::as_str).is_none_or(|issuer| names.contains(issuer)) {
            own.push(entry);
        }
        pause().await;
    }
    Ok(())
}

/// The names of a policy's issuers: templates, and one for each tenant.
fn issuer_names(policy: &Map<String, Value>) -> BTreeSet<String> {
    let issuers = policy.get("issuers").and_then(Value::as_array).into_iter().flatten();
    let names = issuers.filter_map(|issuer| {
        let name = issuer.get("issuer")?.as_str()?;
        let tenants = issuer.get("tenants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Some(tenants.map(|tenant| name.replace("{tenant}", tenant)).chain([name.to_owned()]))
    });
    names.flatten().collect()
}

/// Each key set becomes the `jwks` of its issuer, which must have said where its keys come from; of all of its entries, if it is a template
/// with tenants in several.
async fn add_keys(policy: &mut Map<String, Value>, key_sets: Value) -> Result<(), Refused> {
    let Value::Object(key_sets) = key_sets else {
        return Err(refuse("keys", "issuers: is not an object"));
    };
    for (name, key_set) in key_sets {
        let issuers = policy.get_mut("issuers").and_then(Value::as_array_mut).into_iter().flatten();
        let mut entries = issuers
            .filter_map(Value::as_object_mut)
            .filter(|entry| {
                entry.get("issuer").and_then(Value::as_str) == Some(&name) && entry.contains_key("keys_from")
            })
            .peekable();
        if entries.peek().is_none() {
            return Err(refuse("keys", &format!("issuers: the policy has no issuer `{name}` with `keys_from`")));
        }
        for entry in entries {
            entry.insert("jwks".to_owned(), key_set.clone());
            pause().await;
        }
    }
    Ok(())
}

fn invalid(kind: &str, errors: &BundleErrors) -> Refused {
    refuse(kind, &errors.to_string())
}

fn refuse(kind: &str, detail: &str) -> Refused {
    Refused::new(RefusalReason::BundleInvalid, format!("{kind} document: {detail}"))
}
