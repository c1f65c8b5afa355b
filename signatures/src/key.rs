//! A key with its one algorithm, prepared to verify many signatures.

use crate::ecdsa::EcdsaKey;
use crate::eddsa::Ed25519Key;
use crate::hash::Hash;
use crate::rsa::RsaKey;

/// The signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the IANA registry")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &'static [Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];
}

/// A public key as it is published.
#[derive(Clone, Copy, Debug)]
pub enum PublicKey<'k> {
    /// The bytes of modulus and exponent, without zero bytes before them.
    Rsa {
        /// From 2048 to 4096 bits.
        modulus: &'k [u8],
        /// 65537, the only one that is accepted.
        exponent: &'k [u8],
    },
    /// A point of the algorithm's curve: 4, x, y (SEC 1 section 2.3.4, uncompressed).
    Point(&'k [u8]),
    /// The 32 bytes of an Ed25519 key.
    Ed25519(&'k [u8]),
}

/// Why a key cannot be used: it is not of its algorithm's type, or not sound (a number out of its range, a point that is not
/// on the curve or of small order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

/// A public key, prepared for one algorithm.
#[derive(Debug)]
pub struct VerificationKey {
    material: Material,
}

#[derive(Debug)]
enum Material {
    Pkcs1(Hash, RsaKey),
    Pss(Hash, RsaKey),
    P256(EcdsaKey<9>),
    P384(EcdsaKey<14>),
    Ed25519(Ed25519Key),
}

impl VerificationKey {
    /// Prepares a key.
    ///
    /// # Errors
    ///
    /// If the key is not one of the algorithm, or not sound.
    pub fn new(algorithm: Algorithm, key: PublicKey<'_>) -> Result<Self, KeyError> {
        let rsa = |modulus, exponent| RsaKey::new(modulus, exponent);
        let material = match (algorithm, key) {
            (Algorithm::Rs256, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pkcs1(Hash::Sha256, key))
            }
            (Algorithm::Rs384, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pkcs1(Hash::Sha384, key))
            }
            (Algorithm::Rs512, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pkcs1(Hash::Sha512, key))
            }
            (Algorithm::Ps256, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pss(Hash::Sha256, key))
            }
            (Algorithm::Ps384, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pss(Hash::Sha384, key))
            }
            (Algorithm::Ps512, PublicKey::Rsa { modulus, exponent }) => {
                rsa(modulus, exponent).map(|key| Material::Pss(Hash::Sha512, key))
            }
            (Algorithm::Es256, PublicKey::Point(point)) => EcdsaKey::p256(point).map(Material::P256),
            (Algorithm::Es384, PublicKey::Point(point)) => EcdsaKey::p384(point).map(Material::P384),
            (Algorithm::EdDsa, PublicKey::Ed25519(key)) => Ed25519Key::new(key).map(Material::Ed25519),
            _ => None,
        };
        material.map(|material| Self { material }).ok_or(KeyError)
    }

    /// Whether `signature`, in the form of RFC 7518 and RFC 8037, is that of this key over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Pkcs1(hash, key) => key.verify_pkcs1(*hash, message, signature),
            Material::Pss(hash, key) => key.verify_pss(*hash, message, signature),
            Material::P256(key) => key.verify(&Hash::Sha256.of(&[message]), signature),
            Material::P384(key) => key.verify(&Hash::Sha384.of(&[message]), signature),
            Material::Ed25519(key) => key.verify(message, signature),
        }
    }

    /// Whether it verifies as fast as it can here: RSA takes two to three times as long on a processor that does not fuse multiplication and addition.
    pub const fn is_fast(&self) -> bool {
        match &self.material {
            Material::Pkcs1(_, key) | Material::Pss(_, key) => key.is_fast(),
            Material::P256(_) | Material::P384(_) | Material::Ed25519(_) => true,
        }
    }

    /// How much memory the prepared key takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        match &self.material {
            Material::Pkcs1(_, key) | Material::Pss(_, key) => key.bytes(),
            Material::P256(key) => key.bytes(),
            Material::P384(key) => key.bytes(),
            Material::Ed25519(key) => key.bytes(),
        }
    }
}
