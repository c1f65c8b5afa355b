//! The signature check itself, by `jwt-simple` in pure Rust. The key's type is the algorithm.

use jwt_simple::JWTError;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike as _, HS256Key, HS384Key, HS512Key, MACLike as _, PS256PublicKey, PS384PublicKey,
    PS512PublicKey, RS256PublicKey, RS384PublicKey, RS512PublicKey, RSAPublicKeyLike as _,
};
use jwt_simple::claims::NoCustomClaims;
use jwt_simple::common::VerificationOptions;
use jwt_simple::prelude::{Duration, UnixTimeStamp};

use super::Algorithm;
use super::algorithm::KeyType;
use super::key_set::VerificationKey;
use crate::limits::MAX_TOKEN_BYTES;
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
    /// Whether a secret is long enough for an algorithm; a public key fits by its type alone.
    pub(super) const fn fits(&self, algorithm: Algorithm) -> bool {
        match (algorithm.key_type(), self) {
            (KeyType::Secret, Self::Bytes(secret)) => secret.len() >= algorithm.hash_bytes(),
            _ => true,
        }
    }

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
}

/// Checks that `token`'s signature is that of `key`.
///
/// `jwt-simple` checks the signature first and then reads the claims its own way. Only its full consent counts as a
/// good signature; that the claims are not to its taste is a refusal too, under its own reason. Times, issuer and
/// audience are switched off there because [`crate::jwt`] judges them, more strictly and with our clock.
pub(super) fn verify(key: &VerificationKey, token: &str, token_type: Option<&str>) -> Result<(), Reason> {
    let options = Some(VerificationOptions {
        accept_future: true,
        artificial_time: Some(UnixTimeStamp::from_secs(0)),
        time_tolerance: Some(Duration::from_secs(0)),
        required_signature_type: token_type.map(str::to_owned),
        max_token_length: Some(MAX_TOKEN_BYTES),
        max_header_length: Some(MAX_TOKEN_BYTES),
        ..VerificationOptions::default()
    });
    let outcome = match key.material() {
        Material::Hs256(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Hs384(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Hs512(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Rs256(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Rs384(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Rs512(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Es256(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Es384(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Ps256(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Ps384(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::Ps512(key) => key.verify_token::<NoCustomClaims>(token, options),
        Material::EdDsa(key) => key.verify_token::<NoCustomClaims>(token, options),
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.downcast_ref::<JWTError>() {
            None => Reason::ClaimsMalformed,
            Some(_) => Reason::SignatureInvalid,
        }),
    }
}
