//! Whoever publishes bundles in the tests: a signing key, and documents.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use authz::distribution::{DocumentKind, DocumentReference, ManifestPayload, UnverifiedManifest, WhenStale};
use authz::{Algorithm, UnixTime};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The fleet and the bundle of all tests.
pub const FLEET: &str = "tests";
/// See [`FLEET`].
pub const NAME: &str = "shop";

/// A publisher with one key.
#[derive(Clone)]
pub struct Publisher {
    key: Arc<Ed25519KeyPair>,
    /// The fleet that it publishes for.
    pub fleet: String,
    /// The name of its bundle.
    pub name: String,
    /// The `kid` under which it signs.
    pub key_id: String,
    /// How long its manifests are fresh, in seconds.
    pub lifetime_seconds: u64,
    /// How long they go on after that, in seconds.
    pub max_staleness_seconds: u64,
    /// What they do in that time.
    pub when_stale: WhenStale,
}

/// A manifest and its documents.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Its epoch.
    pub epoch: u64,
    /// The manifest.
    pub manifest: String,
    /// The documents, each with its digest.
    pub documents: Vec<(String, Vec<u8>)>,
}

impl Publisher {
    /// A publisher with a fresh key.
    ///
    /// # Errors
    ///
    /// No random numbers.
    pub fn new(key_id: &str) -> Result<Self> {
        let key = Arc::new(Ed25519KeyPair::generate().map_err(|_| anyhow!("no key"))?);
        let key_id = key_id.to_owned();
        let when_stale = WhenStale::Serve;
        let (fleet, name) = (FLEET.to_owned(), NAME.to_owned());
        Ok(Self { key, fleet, name, key_id, lifetime_seconds: 3600, max_staleness_seconds: 86_400, when_stale })
    }

    /// The same key, for a bundle of another fleet or another name.
    #[must_use]
    pub fn of(mut self, fleet: &str, name: &str) -> Self {
        (self.fleet, self.name) = (fleet.to_owned(), name.to_owned());
        self
    }

    /// The public key, for `trust.keys`.
    pub fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.key_id, "x": x })
    }

    /// The object `trust` of a plugin configuration that believes this publisher.
    pub fn trust(&self) -> Value {
        json!({ "fleet": self.fleet, "name": self.name, "keys": [self.jwk()] })
    }

    /// Publishes a policy and, if there are, other documents.
    pub fn publish(&self, epoch: u64, now: u64, policy: &Value, others: &[(DocumentKind, Value)]) -> Publication {
        let policy = (DocumentKind::Policy, policy.to_string().into_bytes());
        let others = others.iter().map(|(kind, document)| (*kind, document.to_string().into_bytes()));
        self.sign(epoch, now, std::iter::once(policy).chain(others).collect())
    }

    /// Publishes documents as they are.
    pub fn sign(&self, epoch: u64, now: u64, documents: Vec<(DocumentKind, Vec<u8>)>) -> Publication {
        let references: Vec<_> = documents.iter().map(|(kind, text)| DocumentReference::of(*kind, text)).collect();
        let digests: Vec<String> = references.iter().map(|reference| reference.sha256.to_string()).collect();
        let payload = ManifestPayload {
            fleet: self.fleet.clone(),
            name: self.name.clone(),
            epoch,
            issued_at: UnixTime::from_seconds(now),
            expires_at: UnixTime::from_seconds(now).plus_seconds(self.lifetime_seconds),
            max_staleness_seconds: self.max_staleness_seconds,
            when_stale: self.when_stale,
            documents: references,
        };
        let sign = |message: &[u8]| self.key.sign(message).as_ref().to_vec();
        let manifest = UnverifiedManifest::unsigned(&payload).signed_by(Algorithm::EdDsa, &self.key_id, sign);
        let documents = digests.into_iter().zip(documents.into_iter().map(|(_, text)| text)).collect();
        Publication { epoch, manifest: manifest.to_json(), documents }
    }
}

impl Publication {
    /// The manifest and its documents in one piece.
    ///
    /// # Errors
    ///
    /// The manifest is not JSON any more.
    pub fn in_one_piece(&self) -> Result<Value> {
        let manifest: Value = serde_json::from_str(&self.manifest)?;
        let documents: Vec<_> = self.documents.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect();
        Ok(json!({ "manifest": manifest, "documents": documents }))
    }
}

/// A policy under which everybody may ask whether the service is healthy and which revision decides: `/epoch/N`.
pub fn policy(epoch: u64) -> Value {
    json!({
        "version": 1,
        "issuers": [],
        "rules": [
            { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
            { "id": "epoch", "effect": "permit", "public": true, "target": { "paths": [format!("/epoch/{epoch}")] } },
            { "id": "orders", "effect": "permit", "target": { "paths": ["/orders"] } },
        ],
    })
}
