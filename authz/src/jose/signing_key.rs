//! The private key that assertions are signed with: a JWK (RFC 7517) that is read as strictly as those that verify.
//!
//! Nonces are made of key and message (RFC 8032 section 5.1.6, RFC 6979): not every host has random numbers that nobody can guess,
//! and a nonce that somebody can guess gives the key away. Both libraries compute in constant time.

use std::fmt;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::base64url;
use super::jwk;
use super::native::{NativeSigning, NativeVerifier, Sign};
use super::proof_key::thumbprint;
use crate::document::{Fields, Node, Unique};
use crate::limits::MAX_KEY_ID_BYTES;

/// The algorithms that assertions are signed with: those that are safe in WebAssembly, which RSA is not (RUSTSEC-2023-0071).
const ALGORITHMS: [Algorithm; 2] = [Algorithm::EdDsa, Algorithm::Es256];

/// The members of a public key that are published; a JWK may have any others.
const PUBLIC_MEMBERS: [&str; 4] = ["kty", "crv", "x", "y"];

/// A private key with its name.
pub(crate) struct SigningKey {
    key_id: String,
    secret: Secret,
}

enum Secret {
    Ed25519(ed25519_compact::KeyPair),
    P256(p256::ecdsa::SigningKey, Option<NativeKey>),
}

/// A key that the proxy signs with, and has proved that it does.
struct NativeKey {
    sign: Sign,
    pkcs8: Vec<u8>,
}

/// The private part is in no log, whoever writes it.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a private JWK. Its name is its thumbprint (RFC 7638) unless it has a `kid`.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.open_object()?;
        let text = |name| fields.optional(name).map_or(Some(None), |node| node.text().map(Some));
        let (key_type, curve) = (fields.required("kty").and_then(|node| node.text()), text("crv"));
        let algorithm = match (key_type?, curve?) {
            ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
            ("EC", Some("P-256")) => Algorithm::Es256,
            _ => return node.refuse(
                "signs with none of `EdDSA` (Ed25519) and `ES256` (P-256); `portcullis keygen --assertion` makes a key",
            ),
        };
        check_use(&fields, algorithm)?;
        let Some(scalar) = fields.optional("d") else {
            return node.refuse(
                "is a public key (it has no `d`); the private one signs, and `further_keys` has those that only verify",
            );
        };
        let Some(secret) = base64url::decode(scalar.text()?).and_then(|bytes| Secret::new(algorithm, &bytes)) else {
            return scalar.refuse("is not the private part of a sound key: 32 bytes in base64url without padding");
        };
        let public = secret.public_members();
        if PUBLIC_MEMBERS.into_iter().any(|name| fields.optional(name).map(|node| node.value()) != public.get(name)) {
            return node.refuse("its public part does not belong to its private part");
        }
        let key_id = match fields.optional("kid") {
            Some(kid) => read_key_id(&kid)?,
            None => thumbprint(&Value::Object(public))?,
        };
        Some(Self { key_id, secret })
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Ed25519(_) => Algorithm::EdDsa,
            Secret::P256(..) => Algorithm::Es256,
        }
    }

    /// The public JWK, for those who verify.
    pub(crate) fn public_jwk(&self) -> Value {
        published(self.secret.public_members(), &self.key_id, self.algorithm())
    }

    /// The signature over a message, in the form of JWS (RFC 7518 section 3.4, RFC 8037 section 3.1).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(pair) => pair.sk.sign(message, None).to_vec(),
            Secret::P256(key, native) => {
                let native = native.as_ref().and_then(|native| native.sign(message));
                let signature: p256::ecdsa::Signature = native.unwrap_or_else(|| key.sign(message));
                signature.to_bytes().to_vec()
            }
        }
    }

    /// Has a proxy sign in our place if what it makes of this key verifies. Only for ECDSA: it knows no Ed25519.
    pub(crate) fn use_native(&mut self, native: &NativeVerifier) {
        const MESSAGE: &[u8] = b"known answer";
        if let (Secret::P256(key, place), Some(sign)) = (&mut self.secret, native.sign) {
            let native = NativeKey { sign, pkcs8: pkcs8(key) };
            let is_good = |signature| key.verifying_key().verify(MESSAGE, &signature).is_ok();
            *place = native.sign(MESSAGE).is_some_and(is_good).then_some(native);
        }
    }
}

impl NativeKey {
    fn sign(&self, message: &[u8]) -> Option<p256::ecdsa::Signature> {
        let signing = NativeSigning { hash: "sha256", private_key: &self.pkcs8, message };
        from_der(&(self.sign)(&signing)?)
    }
}

impl Secret {
    fn new(algorithm: Algorithm, scalar: &[u8]) -> Option<Self> {
        if algorithm == Algorithm::Es256 {
            return p256::ecdsa::SigningKey::from_slice(scalar).ok().map(|key| Self::P256(key, None));
        }
        let seed = ed25519_compact::Seed::from_slice(scalar).ok()?;
        ed25519_compact::KeyPair::try_from_seed(seed).ok().map(Self::Ed25519)
    }

    fn public_members(&self) -> Map<String, Value> {
        let encode = |bytes: Option<&[u8]>| base64url::encode(bytes.unwrap_or_default());
        let members = match self {
            Self::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(Some(pair.pk.as_ref())) }),
            Self::P256(key, _) => {
                // SEC 1: a byte that says "uncompressed", then both coordinates.
                let point = key.verifying_key().to_sec1_point(false);
                let bytes = point.as_bytes();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(bytes.get(1..33)), "y": encode(bytes.get(33..)) })
            }
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

/// Reads the public JWK of a key that signs next, or signed before; as it is published.
pub(crate) fn read_further_key(node: &Node<'_>) -> Option<(String, Value)> {
    let key_id = node.open_object()?.required("kid").and_then(|kid| read_key_id(&kid));
    let keys = jwk::read_public_key(node, &ALGORITHMS, &Unique::default())?;
    let Some(key) = keys.first() else {
        return node.refuse("is no key for verifying `EdDSA` (Ed25519) or `ES256` (P-256)");
    };
    let members = node.value().as_object()?.iter().filter(|(name, _)| PUBLIC_MEMBERS.contains(&name.as_str()));
    let members = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    let key_id = key_id?;
    Some((key_id.clone(), published(members, &key_id, key.algorithm())))
}

fn published(mut members: Map<String, Value>, key_id: &str, algorithm: Algorithm) -> Value {
    for (name, value) in [("kid", key_id), ("alg", algorithm.name()), ("use", "sig")] {
        members.insert(name.to_owned(), Value::from(value));
    }
    Value::Object(members)
}

fn read_key_id(node: &Node<'_>) -> Option<String> {
    match node.text()? {
        text if text.len() > MAX_KEY_ID_BYTES => node.refuse(format!("is longer than {MAX_KEY_ID_BYTES} bytes")),
        text => Some(text.to_owned()),
    }
}

/// RFC 7517 section 4.2 to 4.4: what is said of its use must be signing with this algorithm.
fn check_use(fields: &Fields<'_>, algorithm: Algorithm) -> Option<()> {
    if let Some(alg) = fields.optional("alg")
        && Algorithm::from_name(alg.text()?) != Some(algorithm)
    {
        return alg.refuse(format!("does not fit this key, which signs with `{}`", algorithm.name()));
    }
    if let Some(key_use) = fields.optional("use")
        && key_use.text()? != "sig"
    {
        return key_use.refuse("must be `sig`: it is for signing");
    }
    if let Some(operations) = fields.optional("key_ops")
        && !operations.list(|item| item.text().map(|operation| operation == "sign"))?.contains(&true)
    {
        return operations.refuse("must have `sign`");
    }
    Some(())
}

/// A P-256 key as PKCS #8 (RFC 5208, RFC 5915): everything is of one length, so only the numbers differ.
fn pkcs8(key: &p256::ecdsa::SigningKey) -> Vec<u8> {
    const BEFORE_SCALAR: [u8; 36] = [
        0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    const BEFORE_POINT: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];
    let point = key.verifying_key().to_sec1_point(false);
    [&BEFORE_SCALAR[..], &key.to_bytes(), &BEFORE_POINT, point.as_bytes()].concat()
}

/// An ECDSA signature as a sequence of two integers (RFC 3279 section 2.2.3).
fn from_der(der: &[u8]) -> Option<p256::ecdsa::Signature> {
    let (header, rest) = der.split_first_chunk()?;
    let [SEQUENCE, length] = *header else { return None };
    let ((r, rest), is_whole) = (integer(rest)?, usize::from(length) == rest.len());
    let (s, rest) = integer(rest)?;
    (is_whole && rest.is_empty()).then(|| p256::ecdsa::Signature::from_scalars(r, s).ok()).flatten()
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// A positive integer of at most 32 bytes, and what follows.
fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (header, rest) = der.split_first_chunk()?;
    let [INTEGER, length] = *header else { return None };
    let (bytes, rest) = rest.split_at_checked(usize::from(length))?;
    // One whose first bit is set would be negative without the zero.
    let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
    let mut number = [0; 32];
    let start = number.len().checked_sub(bytes.len())?;
    number.get_mut(start..)?.copy_from_slice(bytes);
    Some((number, rest))
}
