//! Whoever publishes in the tests: two keys that are trusted, a policy, and keys for its issuer.

use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::distribution::{DocumentKind, DocumentReference, ManifestPayload, Trust, UnverifiedManifest, WhenStale};
use crate::jose::base64url;
use crate::{Algorithm, UnixTime};

pub const NOW: u64 = 1_800_000_000;

/// What is published.
#[derive(Clone)]
pub struct Publisher {
    pub fleet: &'static str,
    pub name: &'static str,
    pub issued_at: u64,
    pub when_stale: WhenStale,
    pub policy: Value,
    pub keys: Value,
}

impl Default for Publisher {
    fn default() -> Self {
        Self {
            fleet: "production",
            name: "bank",
            issued_at: NOW,
            when_stale: WhenStale::Serve,
            policy: json!({
                "version": 1,
                "issuers": [{
                    "issuer": "https://idp.example.com", "audiences": ["https://api.example.com"], "algorithms": ["ES256"],
                    "keys_from": { "discovery": "https://idp.example.com/.well-known/openid-configuration" },
                }],
                "rules": [
                    { "id": "health", "effect": "permit", "public": true, "target": { "paths": ["/healthz"] } },
                    {
                        "id": "orders-read", "effect": "permit", "target": { "paths": ["/orders"] },
                        "condition": { "scopes": { "all": ["orders.read"] } },
                    },
                ],
            }),
            keys: json!({ "version": 1, "issuers": { "https://idp.example.com": { "keys": [{
                "kty": "EC", "crv": "P-256", "kid": "k1",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }] } } }),
        }
    }
}

/// The seeds belong to nobody: they are in every copy of this repository.
fn ed25519(seed: u8) -> ed25519_compact::KeyPair {
    ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([seed; 32]))
}

fn p256() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap()
}

impl Publisher {
    pub fn documents(&self) -> Vec<String> {
        vec![self.policy.to_string(), self.keys.to_string()]
    }

    pub fn payload(&self, epoch: u64) -> ManifestPayload {
        let reference = |kind, document: &Value| DocumentReference::of(kind, document.to_string().as_bytes());
        ManifestPayload {
            fleet: self.fleet.to_owned(),
            name: self.name.to_owned(),
            epoch,
            issued_at: UnixTime::from_seconds(self.issued_at),
            expires_at: UnixTime::from_seconds(self.issued_at).plus_seconds(3600),
            max_staleness_seconds: 86_400,
            when_stale: self.when_stale,
            documents: vec![reference(DocumentKind::Policy, &self.policy), reference(DocumentKind::Keys, &self.keys)],
        }
    }

    /// Signed with the first key.
    pub fn manifest(&self, epoch: u64) -> String {
        self.signed(&self.payload(epoch), &[(Algorithm::EdDsa, "ed-1")])
    }

    pub fn signed(&self, payload: &ManifestPayload, signers: &[(Algorithm, &str)]) -> String {
        let unsigned = UnverifiedManifest::unsigned(payload);
        let signed = signers.iter().fold(unsigned, |manifest, (algorithm, kid)| {
            manifest.signed_by(*algorithm, kid, |message| self.sign(*algorithm, message))
        });
        signed.to_json()
    }

    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match algorithm {
            Algorithm::Es256 => {
                let signature: p256::ecdsa::Signature = p256().sign(message);
                signature.to_bytes().to_vec()
            }
            _ => ed25519(7).sk.sign(message, None).to_vec(),
        }
    }

    /// Signs as somebody who is not trusted, under whatever name.
    pub fn forged(&self, epoch: u64, kid: &str) -> String {
        let unsigned = UnverifiedManifest::unsigned(&self.payload(epoch));
        unsigned.signed_by(Algorithm::EdDsa, kid, |message| ed25519(8).sk.sign(message, None).to_vec()).to_json()
    }

    pub fn trust_json(&self, threshold: u64) -> Value {
        let point = p256().verifying_key().to_sec1_point(false).as_bytes().to_vec();
        json!({
            "fleet": "production", "name": "bank", "threshold": threshold,
            "keys": [
                { "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "ed-1", "x": base64url::encode(ed25519(7).pk.as_ref()) },
                {
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "es-2",
                    "x": base64url::encode(&point[1..33]), "y": base64url::encode(&point[33..]),
                },
                { "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "ed-3", "x": base64url::encode(ed25519(3).pk.as_ref()) },
            ],
        })
    }

    pub fn trust(&self, threshold: u64) -> Trust {
        Trust::parse(self.trust_json(threshold).to_string().as_bytes()).unwrap()
    }
}
