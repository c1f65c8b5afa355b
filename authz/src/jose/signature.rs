//! The signature check itself, by the keys of `jwt-simple` in pure Rust. The key's type is the algorithm.
//!
//! `jwt-simple` has no way to check a signature without also reading header and claims in its own way, which differs from
//! ours (it wants `jwk` to be a string, and knows a `salt`). So its typed keys are asked for the primitive beneath.

use constant_time_eq::constant_time_eq;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike as _, HS256Key, HS384Key, HS512Key, MACLike as _, PS256PublicKey, PS384PublicKey,
    PS512PublicKey, RS256PublicKey, RS384PublicKey, RS512PublicKey, RSAPublicKeyLike,
};
use p256::ecdsa::signature::Verifier as _;
use superboring::pkey::PKey;
use superboring::sign::Verifier;

use super::Algorithm;
use super::key_set::VerificationKey;
use super::prepared_keys::PreparedKeys;
use crate::reason::Reason;

/// Key material in the type that fixes its algorithm: confusing one for another cannot be expressed.
#[derive(Debug)]
pub(super) enum Material {
    Hs256(HS256Key),
    Hs384(HS384Key),
    Hs512(HS512Key),
    Rs256(RS256PublicKey),
    Rs384(RS384PublicKey),
    Rs512(RS512PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    Ps256(PS256PublicKey),
    Ps384(PS384PublicKey),
    Ps512(PS512PublicKey),
    EdDsa(Ed25519PublicKey),
}

/// Raw key material, from which the typed one is made.
pub(super) enum RawKey<'k> {
    Rsa {
        modulus: &'k [u8],
        exponent: &'k [u8],
    },
    /// SEC 1 uncompressed: 4, x, y.
    Point(&'k [u8]),
    /// An Ed25519 public key, or a secret.
    Bytes(&'k [u8]),
}

impl RawKey<'_> {
    /// How long a signature of this key is (RFC 7518 section 3, RFC 8037 section 3.1).
    pub(super) const fn signature_bytes(&self, algorithm: Algorithm) -> usize {
        match self {
            Self::Rsa { modulus, .. } => modulus.len(),
            Self::Point(_) => algorithm.hash_bytes().saturating_mul(2),
            Self::Bytes(_) => algorithm.hash_bytes(),
        }
    }
}

impl Material {
    /// Key material for `algorithm`; `None` if the library refuses it: a modulus or exponent out of its range, a point
    /// off the curve or of small order.
    pub(super) fn new(algorithm: Algorithm, key: &RawKey<'_>) -> Option<Self> {
        match (algorithm, key) {
            (Algorithm::Hs256, RawKey::Bytes(secret)) => Some(Self::Hs256(HS256Key::from_bytes(secret))),
            (Algorithm::Hs384, RawKey::Bytes(secret)) => Some(Self::Hs384(HS384Key::from_bytes(secret))),
            (Algorithm::Hs512, RawKey::Bytes(secret)) => Some(Self::Hs512(HS512Key::from_bytes(secret))),
            (Algorithm::Rs256, RawKey::Rsa { modulus: n, exponent: e }) => {
                RS256PublicKey::from_components(n, e).map(Self::Rs256).ok()
            }
            (Algorithm::Rs384, RawKey::Rsa { modulus: n, exponent: e }) => {
                RS384PublicKey::from_components(n, e).map(Self::Rs384).ok()
            }
            (Algorithm::Rs512, RawKey::Rsa { modulus: n, exponent: e }) => {
                RS512PublicKey::from_components(n, e).map(Self::Rs512).ok()
            }
            (Algorithm::Ps256, RawKey::Rsa { modulus: n, exponent: e }) => {
                PS256PublicKey::from_components(n, e).map(Self::Ps256).ok()
            }
            (Algorithm::Ps384, RawKey::Rsa { modulus: n, exponent: e }) => {
                PS384PublicKey::from_components(n, e).map(Self::Ps384).ok()
            }
            (Algorithm::Ps512, RawKey::Rsa { modulus: n, exponent: e }) => {
                PS512PublicKey::from_components(n, e).map(Self::Ps512).ok()
            }
            (Algorithm::Es256, RawKey::Point(point)) => ES256PublicKey::from_bytes(point).map(Self::Es256).ok(),
            (Algorithm::Es384, RawKey::Point(point)) => ES384PublicKey::from_bytes(point).map(Self::Es384).ok(),
            (Algorithm::EdDsa, RawKey::Bytes(key)) => Ed25519PublicKey::from_bytes(key).map(Self::EdDsa).ok(),
            _ => None,
        }
    }

    /// Whether `signature`, of the right length, is that of the key over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => constant_time_eq(&key.authentication_tag(message), signature),
            Self::Hs384(key) => constant_time_eq(&key.authentication_tag(message), signature),
            Self::Hs512(key) => constant_time_eq(&key.authentication_tag(message), signature),
            Self::Rs256(key) => verify_rsa(key, message, signature),
            Self::Rs384(key) => verify_rsa(key, message, signature),
            Self::Rs512(key) => verify_rsa(key, message, signature),
            Self::Ps256(key) => verify_rsa(key, message, signature),
            Self::Ps384(key) => verify_rsa(key, message, signature),
            Self::Ps512(key) => verify_rsa(key, message, signature),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
            Self::Es384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
            Self::EdDsa(key) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
        }
    }
}

/// Checks that `signature` is that of `key` over `message`. Everything but a clear yes is a no.
///
/// By the proxy itself or by `signatures` where they can, which is many times faster than `jwt-simple` in WebAssembly.
pub(super) fn verify(
    key: &VerificationKey,
    message: &[u8],
    signature: &[u8],
    prepared: &PreparedKeys,
) -> Result<(), Reason> {
    let is_good = signature.len() == key.signature_bytes()
        && key
            .source()
            .and_then(|source| prepared.verify(source, message, signature))
            .unwrap_or_else(|| key.material().verify(message, signature));
    if is_good { Ok(()) } else { Err(Reason::SignatureInvalid) }
}

fn verify_rsa<K: RSAPublicKeyLike>(key: &K, message: &[u8], signature: &[u8]) -> bool {
    let check = || {
        let public_key = PKey::from_rsa(key.public_key().as_ref().clone())?;
        let mut verifier = Verifier::new(K::hash(), &public_key)?;
        verifier.set_rsa_padding(key.padding_scheme())?;
        verifier.update(message)?;
        verifier.verify(signature)
    };
    check().is_ok_and(|is_good| is_good)
}
