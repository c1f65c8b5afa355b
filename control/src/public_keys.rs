//! Public keys of those who sign: JWKs (RFC 7517), each for its one algorithm.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use serde_json::Value;

/// Public keys by their `kid`.
pub(crate) struct PublicKeys(BTreeMap<String, PublicKey>);

enum PublicKey {
    Ed25519(ed25519_compact::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKeys {
    /// Reads a public JWK, or an object with `keys`: a JWK Set, or the `trust` of a plugin configuration.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        let failed = |why: String| format!("{}: {why}", file.display());
        let text = std::fs::read(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let document: Value = serde_json::from_slice(&text).map_err(|_| failed("is not JSON".to_owned()))?;
        let keys = match document.get("keys").and_then(Value::as_array) {
            Some(keys) => keys.as_slice(),
            None => std::slice::from_ref(&document),
        };
        let keys: Option<BTreeMap<_, _>> = keys.iter().map(PublicKey::read).collect();
        let keys = keys.filter(|keys| !keys.is_empty());
        keys.map(Self).ok_or_else(|| {
            failed("has a key that is not a public JWK with a `kid`, for EdDSA (Ed25519) or ES256 (P-256)".to_owned())
        })
    }

    /// The payload of a JWS of this type that one of the keys has signed; else why not.
    pub(crate) fn verify(&self, kind: &str, jws: &str) -> Result<Vec<u8>, String> {
        let malformed = || "is not a JWS".to_owned();
        let (input, signature) = jws.rsplit_once('.').ok_or_else(malformed)?;
        let header = input.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header: Value = serde_json::from_slice(&header.ok_or_else(malformed)?).map_err(|_| malformed())?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("typ") != kind || header.as_object().is_none_or(|members| members.len() != 3) {
            return Err(format!("is not a JWS with `alg`, `kid` and the `typ` `{kind}`"));
        }
        let key = self
            .0
            .get(text("kid"))
            .ok_or_else(|| format!("is signed by `{}`, of which no key was given", text("kid")))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        if text("alg") != key.algorithm() || !key.has_signed(input.as_bytes(), &signature) {
            return Err(format!("has a signature that is not one of the key `{}`", text("kid")));
        }
        unverified_payload(jws).ok_or_else(malformed)
    }
}

/// What a JWS says, whoever wrote it.
pub(crate) fn unverified_payload(jws: &str) -> Option<Vec<u8>> {
    let mut parts = jws.split('.');
    let (_, Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    URL_SAFE_NO_PAD.decode(payload).ok()
}

impl PublicKey {
    fn read(key: &Value) -> Option<(String, Self)> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(text(name)).ok();
        let public = match (text("kty"), text("crv"), text("alg")) {
            ("OKP", "Ed25519", "EdDSA" | "") => {
                Self::Ed25519(ed25519_compact::PublicKey::from_slice(&coordinate("x")?).ok()?)
            }
            ("EC", "P-256", "ES256" | "") => {
                let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
                Self::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)
            }
            _ => return None,
        };
        Some((text("kid").to_owned(), public)).filter(|(key_id, _)| !key_id.is_empty())
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::P256(_) => "ES256",
        }
    }

    fn has_signed(&self, input: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
        }
    }
}
