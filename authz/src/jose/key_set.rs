//! An issuer's keys, each bound to one algorithm when the bundle is read.

use super::algorithm::KeyType;
use super::jws::Header;
use super::prepared_keys::Source;
use super::signature::{Material, RawKey};
use super::{Algorithm, jwk};
use crate::document::{Fields, Unique};
use crate::reason::Reason;

/// One key with its one algorithm. A JWK without `alg` that fits several becomes several of these.
#[derive(Debug)]
pub(crate) struct VerificationKey {
    key_id: Option<String>,
    algorithm: Algorithm,
    signature_bytes: usize,
    material: Material,
    /// What it is prepared from, if it is a public key.
    source: Option<Source>,
}

impl VerificationKey {
    /// Binds a key to an algorithm; none if it is not a sound one for it.
    pub(super) fn new(key_id: Option<&str>, algorithm: Algorithm, key: &RawKey<'_>) -> Option<Self> {
        Some(Self {
            key_id: key_id.map(str::to_owned),
            algorithm,
            signature_bytes: key.signature_bytes(algorithm),
            material: Material::new(algorithm, key)?,
            source: Source::new(algorithm, key),
        })
    }

    pub(crate) const fn key_id(&self) -> Option<&String> {
        self.key_id.as_ref()
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How long a signature of this key is; every other length is a forgery (CVE-2020-28042: a truncated one).
    pub(super) const fn signature_bytes(&self) -> usize {
        self.signature_bytes
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    /// The same key, never to be prepared.
    pub(super) fn unprepared(self) -> Self {
        Self { source: None, ..self }
    }

    pub(super) const fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }
}

/// The keys that may verify one issuer's tokens.
#[derive(Debug)]
pub(crate) struct KeySet {
    algorithms: Vec<Algorithm>,
    keys: Vec<VerificationKey>,
}

impl KeySet {
    /// How many keys there are.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Reads the fields `algorithms`, `jwks` and `secrets` of an issuer; `keys_from` stands for a `jwks` that comes later.
    pub(crate) fn read(issuer: &Fields<'_>) -> Option<Self> {
        let algorithms_node = issuer.required("algorithms");
        let algorithms = algorithms_node.and_then(|node| {
            let unique = Unique::default();
            node.filled_list(|item| {
                let name = item.text()?;
                let algorithm = Algorithm::from_name(name)
                    .or_else(|| item.refuse(format!("`{name}` is not supported; supported are {}", supported())))?;
                unique.claim("algorithm", algorithm.name(), item)?;
                Some(algorithm)
            })
        });
        let (jwks, secrets) = (issuer.optional("jwks"), issuer.optional("secrets"));
        // Until a keys document brings them it has none, and its tokens are refused.
        if jwks.is_none() && secrets.is_none() && issuer.optional("keys_from").is_none() {
            // Reported as the field that nearly everybody means.
            issuer.required("jwks")?;
        }
        let algorithms = algorithms?;
        let unique = Unique::default();
        let public = jwks.as_ref().map_or(Some(Vec::new()), |node| jwk::read_public_keys(node, &algorithms, &unique));
        let secret = secrets.as_ref().map_or(Some(Vec::new()), |node| jwk::read_secrets(node, &algorithms, &unique));
        let keys: Vec<_> = public?.into_iter().chain(secret?).collect();
        if secrets.is_none() && algorithms.iter().any(|algorithm| algorithm.key_type() == KeyType::Secret) {
            // An HMAC key is never taken from a public key set (CVE-2015-9235 and its many children).
            return algorithms_node?.refuse("HS256, HS384 and HS512 need a key in `secrets`");
        }
        // An empty key set is a way to lock an issuer out; one in which nothing is of use is a mistake.
        match jwks.filter(|_| keys.is_empty()).and_then(|node| node.value().get("keys")?.as_array()) {
            Some(published) if !published.is_empty() => {
                algorithms_node?.refuse("none of the issuer's keys can verify a signature with one of these")
            }
            _ => Some(Self { algorithms, keys }),
        }
    }

    /// The algorithms of its keys.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.keys.iter().map(VerificationKey::algorithm)
    }

    /// Selects the one key for a token's `kid` and `alg`.
    ///
    /// A token without `kid`, or with one that no key has, may only be checked with a key that stands alone: with
    /// several that would fit there is nothing to choose by.
    pub(crate) fn select(&self, header: &Header) -> Result<&VerificationKey, Reason> {
        if !self.algorithms.contains(&header.algorithm) {
            return Err(Reason::AlgorithmRefused);
        }
        let fitting = || self.keys.iter().filter(|key| key.algorithm == header.algorithm);
        match &header.key_id {
            None => single(fitting()),
            Some(key_id) => fitting()
                .find(|key| key.key_id.as_ref() == Some(key_id))
                .map_or_else(|| single(fitting().filter(|key| key.key_id.is_none())), Ok),
        }
    }
}

fn single<'k>(mut keys: impl Iterator<Item = &'k VerificationKey>) -> Result<&'k VerificationKey, Reason> {
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(Reason::KeyUnknown),
    }
}

fn supported() -> String {
    Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ")
}
