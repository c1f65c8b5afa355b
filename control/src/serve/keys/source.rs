//! Where a policy says that keys come from.

use authz::distribution::Documents;
use serde_json::{Value, json};

use crate::serve::settings::IssuerSettings;

/// How long last-known-good keys serve where the policy does not say, in seconds.
const DEFAULT_STALENESS_SECONDS: u64 = 24 * 3600;

/// An issuer whose keys are fetched.
#[derive(Clone)]
pub(crate) struct KeySource {
    pub(crate) issuer: String,
    /// What the policy says of it.
    entry: Value,
    tenants: Vec<String>,
    pub(super) location: Location,
    /// How long its last keys are good after they were last seen.
    pub(super) staleness_seconds: u64,
    pub(super) rules: IssuerSettings,
}

/// The URL that is asked first.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Location {
    Discovery(String),
    KeySet(String),
}

impl KeySource {
    /// The issuers of a policy that have `keys_from`. The policy is one that was accepted: what is missing here is not there.
    pub(crate) fn all(policy: &[u8], rules: &[IssuerSettings]) -> Vec<Self> {
        let policy: Value = serde_json::from_slice(policy).unwrap_or_default();
        let issuers = policy.get("issuers").and_then(Value::as_array);
        issuers.into_iter().flatten().filter_map(|issuer| Self::of(issuer, rules)).collect()
    }

    fn of(entry: &Value, rules: &[IssuerSettings]) -> Option<Self> {
        let issuer = entry.get("issuer")?.as_str()?;
        let from = entry.get("keys_from")?;
        let text = |name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
        let location = text("discovery").map(Location::Discovery).or_else(|| text("jwks_uri").map(Location::KeySet))?;
        let tenants = entry.get("tenants").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            issuer: issuer.to_owned(),
            entry: entry.clone(),
            tenants: tenants.filter_map(Value::as_str).map(str::to_owned).collect(),
            location,
            staleness_seconds: from
                .get("staleness_seconds")
                .and_then(Value::as_u64)
                .unwrap_or(DEFAULT_STALENESS_SECONDS),
            rules: rules
                .iter()
                .find(|rules| rules.issuer == issuer)
                .cloned()
                .unwrap_or_else(|| IssuerSettings::strict(issuer)),
        })
    }

    /// Whether these keys can be used: read by the code that will use them, under nothing but this issuer.
    pub(super) fn check(&self, keys: &Value) -> Result<(), String> {
        let policy = json!({ "version": 1, "issuers": [self.entry], "rules": [] }).to_string();
        let keys = json!({ "version": 1, "issuers": { self.issuer.as_str(): keys } }).to_string();
        let documents = Documents { policy: policy.as_bytes(), keys: Some(keys.as_bytes()), ..Documents::default() };
        documents.authorizer(0).map(drop).map_err(|refused| refused.detail().to_owned())
    }

    /// Whether a discovery document that says this name is about this issuer: one of the tenants, or the template itself, as
    /// providers with many tenants write it.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let templates = ["{tenantid}", "{tenant}"].map(str::to_owned);
        let tenants = self.tenants.iter().chain(templates.iter().filter(|_| !self.tenants.is_empty()));
        self.issuer == name || tenants.into_iter().any(|tenant| self.issuer.replace("{tenant}", tenant) == name)
    }
}
