//! Keys that sign manifests and checkpoints: private JWKs (RFC 7517), which never leave the machine that signs.

use std::path::Path;

use authz::distribution::UnverifiedManifest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

/// The algorithms of signing keys.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[value(name = "EdDSA", alias = "eddsa")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    #[value(name = "ES256", alias = "es256")]
    Es256,
}

/// A private key with its name.
pub(crate) struct SigningKey {
    key_id: String,
    secret: Secret,
}

enum Secret {
    Ed25519(ed25519_compact::KeyPair),
    P256(p256::ecdsa::SigningKey),
}

impl SigningKey {
    /// A new key, named by its thumbprint (RFC 7638) unless it is given a name.
    pub(crate) fn generate(algorithm: Algorithm, key_id: Option<String>) -> Result<Self, String> {
        // Most 32 bytes are a P-256 scalar; whoever hits one of the 2^-32 that are not makes another.
        let seed: [u8; 32] = crate::random::bytes()?;
        let secret = Secret::new(algorithm, &seed).ok_or("the random number is not a key; try again")?;
        let key_id = key_id.unwrap_or_else(|| secret.thumbprint());
        Ok(Self { key_id, secret })
    }

    /// Reads a private JWK from a file.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        let failed = |why: &str| format!("{}: {why}", file.display());
        let text = std::fs::read(file)
            .map_err(|error| failed(&format!("cannot be read: {error}; `portcullis keygen` makes a signing key")))?;
        let key: Value = serde_json::from_slice(&text)
            .map_err(|_| failed("is not a signing key: not JSON; `portcullis keygen` makes one"))?;
        Self::from_jwk(&key).map_err(|why| failed(&why))
    }

    fn from_jwk(key: &Value) -> Result<Self, String> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let algorithm = match (text("kty"), text("crv"), text("alg")) {
            ("OKP", "Ed25519", "EdDSA") => Algorithm::EdDsa,
            ("EC", "P-256", "ES256") => Algorithm::Es256,
            _ => return Err("is not a signing key: a private JWK for EdDSA (Ed25519) or ES256 (P-256)".to_owned()),
        };
        let scalar = URL_SAFE_NO_PAD.decode(text("d")).unwrap_or_default();
        let secret =
            Secret::new(algorithm, &scalar).ok_or("is not a private key: `d` is missing or has no 32 bytes")?;
        if text("kid").is_empty() {
            return Err("has no `kid`, by which the proxies know it".to_owned());
        }
        if ["x", "y"].iter().any(|name| key.get(*name) != secret.public().get(*name)) {
            return Err("its public part does not belong to its private part".to_owned());
        }
        Ok(Self { key_id: text("kid").to_owned(), secret })
    }

    /// The public JWK, for `trust.keys`.
    pub(crate) fn public_jwk(&self) -> Value {
        let mut key = self.secret.public();
        if let Some(members) = key.as_object_mut() {
            members.insert("kid".to_owned(), json!(self.key_id));
            members.insert("alg".to_owned(), json!(self.secret.algorithm().name()));
        }
        key
    }

    /// The private JWK.
    pub(crate) fn private_jwk(&self) -> Value {
        let mut key = self.public_jwk();
        if let Some(members) = key.as_object_mut() {
            members.insert("d".to_owned(), json!(URL_SAFE_NO_PAD.encode(self.secret.scalar())));
        }
        key
    }

    /// A manifest with a signature of this key more.
    pub(crate) fn sign(&self, manifest: UnverifiedManifest) -> UnverifiedManifest {
        manifest.signed_by(self.secret.algorithm(), &self.key_id, |input| self.secret.sign(input))
    }

    /// A JWS in compact serialization (RFC 7515 section 7.1). Its `typ` keeps it from being taken for something else that the same key
    /// signs, such as a manifest (RFC 8725 section 3.11).
    pub(crate) fn sign_jws(&self, kind: &str, payload: &[u8]) -> String {
        let header = json!({ "alg": self.secret.algorithm().name(), "kid": self.key_id, "typ": kind });
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.secret.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

impl Secret {
    fn new(algorithm: Algorithm, scalar: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => {
                let seed = ed25519_compact::Seed::from_slice(scalar).ok()?;
                ed25519_compact::KeyPair::try_from_seed(seed).ok().map(Self::Ed25519)
            }
            Algorithm::Es256 => p256::ecdsa::SigningKey::from_slice(scalar).ok().map(Self::P256),
        }
    }

    const fn algorithm(&self) -> authz::Algorithm {
        match self {
            Self::Ed25519(_) => authz::Algorithm::EdDsa,
            Self::P256(_) => authz::Algorithm::Es256,
        }
    }

    fn scalar(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sk.seed().to_vec(),
            Self::P256(key) => key.to_bytes().to_vec(),
        }
    }

    fn public(&self) -> Value {
        let encode = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
        match self {
            Self::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(Some(pair.pk.as_ref())) }),
            Self::P256(key) => {
                // SEC 1: a byte that says "uncompressed", then both coordinates.
                let point = key.verifying_key().to_sec1_point(false);
                let bytes = point.as_bytes();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(bytes.get(1..33)), "y": encode(bytes.get(33..)) })
            }
        }
    }

    /// RFC 7638: the hash of the members that make the key, in the order of their names, which is how JSON is written here.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(self.public().to_string().as_bytes()))
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sk.sign(input, None).to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
        }
    }
}
