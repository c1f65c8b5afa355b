//! Test keys: made anew in every run, so that no private key lies in the repository.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A key that can sign tokens with one algorithm.
pub struct SigningKey {
    key_id: String,
    algorithm: &'static str,
    material: Material,
}

enum Material {
    Rsa { pair: &'static RsaKeyPair, padding: &'static dyn RsaEncoding },
    Ecdsa { pair: EcdsaKeyPair, curve: &'static str },
    Ed25519(Ed25519KeyPair),
    Hmac { secret: Vec<u8>, algorithm: hmac::Algorithm },
}

/// The JWS algorithms for which keys can be made.
pub const ALGORITHMS: [&str; 12] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"];

impl SigningKey {
    /// Makes a key. All RSA keys of one run share one modulus: making one takes long, and the algorithms that may use it
    /// are bound by the key's `alg`.
    ///
    /// # Errors
    ///
    /// An unknown algorithm.
    pub fn generate(algorithm: &str, key_id: &str) -> Result<Self> {
        let name = ALGORITHMS.into_iter().find(|name| *name == algorithm);
        let algorithm = name.with_context(|| format!("no test key for the algorithm `{algorithm}`"))?;
        let material = match algorithm {
            "RS256" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PKCS1_SHA256 },
            "RS384" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PKCS1_SHA384 },
            "RS512" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PKCS1_SHA512 },
            "PS256" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PSS_SHA256 },
            "PS384" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PSS_SHA384 },
            "PS512" => Material::Rsa { pair: rsa_pair()?, padding: &RSA_PSS_SHA512 },
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")?,
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")?,
            "EdDSA" => Material::Ed25519(Ed25519KeyPair::generate()?),
            "HS256" => Material::Hmac { secret: random(32)?, algorithm: hmac::HMAC_SHA256 },
            "HS384" => Material::Hmac { secret: random(48)?, algorithm: hmac::HMAC_SHA384 },
            _ => Material::Hmac { secret: random(64)?, algorithm: hmac::HMAC_SHA512 },
        };
        Ok(Self { key_id: key_id.to_owned(), algorithm, material })
    }

    /// The `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The `alg`.
    pub const fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The JWK for a bundle: public, or the secret of an HMAC key.
    pub fn jwk(&self) -> Value {
        let common = [("alg", self.algorithm.to_owned()), ("kid", self.key_id.clone()), ("use", "sig".to_owned())];
        common.into_iter().chain(self.jwk_members()).collect()
    }

    /// The public key and nothing else: the form of RFC 7638 and of a proof of possession.
    pub fn bare_jwk(&self) -> Value {
        self.jwk_members().into_iter().collect()
    }

    /// The thumbprint (RFC 7638).
    pub fn thumbprint(&self) -> String {
        // The members are those that are required, and a map of this kind is sorted by name.
        URL_SAFE_NO_PAD.encode(sha256(self.bare_jwk().to_string().as_bytes()))
    }

    /// The bytes that everybody knows of this key: what an attacker would try as an HMAC secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        self.jwk().to_string().into_bytes()
    }

    fn jwk_members(&self) -> Vec<(&'static str, String)> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.material {
            Material::Rsa { pair, .. } => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let (n, e) = (encode(n.big_endian_without_leading_zero()), encode(e.big_endian_without_leading_zero()));
                vec![("kty", "RSA".to_owned()), ("n", n), ("e", e)]
            }
            Material::Ecdsa { pair, curve } => {
                // SEC 1, uncompressed: 4, x, y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at_checked(point.len().div_euclid(2)).unwrap_or_default();
                vec![("kty", "EC".to_owned()), ("crv", (*curve).to_owned()), ("x", encode(x)), ("y", encode(y))]
            }
            Material::Ed25519(pair) => {
                vec![
                    ("kty", "OKP".to_owned()),
                    ("crv", "Ed25519".to_owned()),
                    ("x", encode(pair.public_key().as_ref())),
                ]
            }
            Material::Hmac { secret, .. } => vec![("kty", "oct".to_owned()), ("k", encode(secret))],
        }
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// What the library reports.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(match &self.material {
            Material::Rsa { pair, padding } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &SystemRandom::new(), message, &mut signature)?;
                signature
            }
            Material::Ecdsa { pair, .. } => pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec(),
            Material::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Material::Hmac { secret, algorithm } => hmac_tag(*algorithm, secret, message),
        })
    }
}

/// HMAC with a key of the caller's choice, for forged tokens.
pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac_tag(hmac::HMAC_SHA256, secret, message)
}

/// SHA-256.
pub fn sha256(message: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message).as_ref().to_vec()
}

/// Hexadecimal digits, as proxies write hashes.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac_tag(algorithm: hmac::Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec()
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Result<Material> {
    Ok(Material::Ecdsa { pair: EcdsaKeyPair::generate(algorithm)?, curve })
}

fn rsa_pair() -> Result<&'static RsaKeyPair> {
    static PAIR: OnceLock<Option<RsaKeyPair>> = OnceLock::new();
    let pair = PAIR.get_or_init(|| RsaKeyPair::generate(rsa::KeySize::Rsa2048).ok());
    pair.as_ref().ok_or_else(|| anyhow!("an RSA key could not be made"))
}

fn random(length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes)?;
    Ok(bytes)
}

/// Keys by name: `es256` is an ES256 key whose `kid` is `es256`; in `second/es256` the part before the slash only makes
/// it another key.
#[derive(Default)]
pub struct KeyRing {
    keys: BTreeMap<String, SigningKey>,
    /// The hashes of the workloads' certificates.
    certificates: BTreeMap<String, Vec<u8>>,
}

impl KeyRing {
    /// Makes a key for each name.
    ///
    /// # Errors
    ///
    /// A name that names no algorithm.
    pub fn generate<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for name in names {
            let key_id = name.rsplit('/').next().unwrap_or(name);
            let wanted = ALGORITHMS.into_iter().find(|algorithm| algorithm.eq_ignore_ascii_case(key_id));
            keys.insert(name.to_owned(), SigningKey::generate(wanted.unwrap_or(key_id), key_id)?);
        }
        Ok(Self { keys, certificates: BTreeMap::new() })
    }

    /// Adds a key under its own `kid`.
    pub fn add(&mut self, key: SigningKey) {
        self.keys.insert(key.key_id.clone(), key);
    }

    /// The key of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&SigningKey> {
        self.keys.get(name).with_context(|| format!("there is no test key `{name}`"))
    }

    /// Adds the SHA-256 of a workload's certificate, for tokens that are bound to it.
    pub fn add_certificate(&mut self, workload: &str, sha256: Vec<u8>) {
        self.certificates.insert(workload.to_owned(), sha256);
    }

    /// The SHA-256 of a workload's certificate.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn certificate(&self, workload: &str) -> Result<&[u8]> {
        let certificate = self.certificates.get(workload).map(Vec::as_slice);
        certificate.with_context(|| format!("there is no certificate of `{workload}`"))
    }

    /// Puts the hash of a workload's certificate, in hexadecimal digits, in the place of `{sha256:WORKLOAD}`.
    pub fn fill_in_hashes(&self, text: &str) -> String {
        self.certificates.iter().fold(text.to_owned(), |text, (workload, sha256)| {
            text.replace(&format!("{{sha256:{workload}}}"), &hexadecimal(sha256))
        })
    }

    /// Puts JWKs in the place of strings like `"$es256"`.
    ///
    /// # Errors
    ///
    /// A name for which there is no key.
    pub fn fill_in(&self, document: &mut Value) -> Result<()> {
        match document {
            Value::String(text) => {
                if let Some(name) = text.strip_prefix('$') {
                    *document = self.get(name)?.jwk();
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill_in(item)),
            Value::Object(members) => members.values_mut().try_for_each(|member| self.fill_in(member)),
            _ => Ok(()),
        }
    }
}
