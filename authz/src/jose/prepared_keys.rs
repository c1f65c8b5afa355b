//! Public keys prepared for `signatures` when they are first used. They change how long an answer takes and never what it
//! is: a key that is not prepared, or whose algorithm does not give its known answers here, is `jwt-simple`'s.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::rc::Rc;

use signatures::PublicKey;

use super::Algorithm;
use super::native::{NativeVerifier, subject_public_key_info};
use super::signature::RawKey;
use crate::bytes::ShortHasher;
use crate::limits::MAX_PREPARED_BYTES;
use crate::steps::pause;

/// What a key is prepared from: the bytes of its modulus, point or key, and its algorithm.
#[derive(Clone, Debug)]
pub(super) struct Source {
    algorithm: signatures::Algorithm,
    bytes: Rc<[u8]>,
}

/// The same bytes in memory, not only bytes that are alike: nothing has to be read to know it, and whoever remembers a source
/// keeps it in its place.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.bytes, &other.bytes) && self.algorithm == other.algorithm
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Rc::as_ptr(&self.bytes).cast::<u8>().hash(hasher);
    }
}

impl Source {
    /// None for a secret.
    pub(super) fn new(algorithm: Algorithm, key: &RawKey<'_>) -> Option<Self> {
        let (RawKey::Rsa { modulus: bytes, .. } | RawKey::Point(bytes) | RawKey::Bytes(bytes)) = *key;
        Some(Self { algorithm: public_algorithm(algorithm)?, bytes: bytes.into() })
    }

    fn prepare(&self) -> Option<PreparedKey> {
        use signatures::Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let key = match self.algorithm {
            // No other exponent is accepted in a bundle.
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => {
                PublicKey::Rsa { modulus: &self.bytes, exponent: &[1, 0, 1] }
            }
            Es256 | Es384 => PublicKey::Point(&self.bytes),
            EdDsa => PublicKey::Ed25519(&self.bytes),
        };
        let key = signatures::VerificationKey::new(self.algorithm, key).ok()?;
        let by_proxy = matches!(self.algorithm, Rs256 | Rs384 | Rs512) && !key.is_fast();
        let public_key_info = by_proxy.then(|| subject_public_key_info(&self.bytes));
        Some(PreparedKey { key, public_key_info })
    }
}

/// A key as it is verified with here, and as a proxy wants it; not where a proxy would take longer, and is never asked.
#[derive(Debug)]
struct PreparedKey {
    key: signatures::VerificationKey,
    public_key_info: Option<Vec<u8>>,
}

impl PreparedKey {
    fn bytes(&self) -> usize {
        self.key.memory_bytes().saturating_add(self.public_key_info.as_ref().map_or(0, Vec::len))
    }
}

/// The keys that were used lately, within [`MAX_PREPARED_BYTES`], in two generations as remembered tokens are.
#[derive(Debug, Default)]
pub(crate) struct PreparedKeys {
    generations: RefCell<[Generation; 2]>,
    native: Option<NativeVerifier>,
    /// How many signatures the proxy verified.
    native_count: Cell<u64>,
}

#[derive(Debug, Default)]
struct Generation {
    keys: HashMap<Source, Rc<PreparedKey>, BuildHasherDefault<ShortHasher>>,
    bytes: usize,
}

impl PreparedKeys {
    /// For keys of these algorithms: asks for their known answers now, and not when the first token waits for it.
    pub(crate) async fn for_algorithms(algorithms: impl Iterator<Item = Algorithm>) -> Self {
        for algorithm in algorithms.filter_map(public_algorithm) {
            signatures::gives_known_answers(algorithm);
            pause().await;
        }
        Self::default()
    }

    /// From now on a proxy's own function is asked first, about keys with which this machine is slow.
    pub(crate) fn use_native(&mut self, native: NativeVerifier) {
        self.native = Some(native);
    }

    /// Whether a signature is that of a key over a message; none if the key has to be verified with otherwise.
    pub(super) fn verify(&self, source: &Source, message: &[u8], signature: &[u8]) -> Option<bool> {
        let prepared = self.get(source)?;
        let by_proxy = prepared
            .public_key_info
            .as_ref()
            .zip(self.native.as_ref())
            .and_then(|(key, native)| native.verify(source.algorithm, key, message, signature));
        if by_proxy.is_some() {
            self.native_count.set(self.native_count.get().saturating_add(1));
        }
        by_proxy.or_else(|| Some(prepared.key.verify(message, signature)))
    }

    /// How many signatures the proxy verified.
    pub(crate) const fn native_count(&self) -> u64 {
        self.native_count.get()
    }

    fn get(&self, source: &Source) -> Option<Rc<PreparedKey>> {
        if !signatures::gives_known_answers(source.algorithm) {
            return None;
        }
        let mut generations = self.generations.try_borrow_mut().ok()?;
        let [young, old] = &mut *generations;
        if let Some(key) = young.keys.get(source) {
            return Some(Rc::clone(key));
        }
        let key = match old.keys.remove(source) {
            Some(key) => key,
            None => Rc::new(source.prepare()?),
        };
        let bytes = young.bytes.saturating_add(key.bytes());
        if bytes > MAX_PREPARED_BYTES / 2 {
            *old = std::mem::take(young);
        }
        young.bytes = young.bytes.saturating_add(key.bytes());
        young.keys.insert(source.clone(), Rc::clone(&key));
        Some(key)
    }
}

/// The algorithm in the words of `signatures`; none for one with a secret.
const fn public_algorithm(algorithm: Algorithm) -> Option<signatures::Algorithm> {
    Some(match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
        Algorithm::Rs256 => signatures::Algorithm::Rs256,
        Algorithm::Rs384 => signatures::Algorithm::Rs384,
        Algorithm::Rs512 => signatures::Algorithm::Rs512,
        Algorithm::Es256 => signatures::Algorithm::Es256,
        Algorithm::Es384 => signatures::Algorithm::Es384,
        Algorithm::Ps256 => signatures::Algorithm::Ps256,
        Algorithm::Ps384 => signatures::Algorithm::Ps384,
        Algorithm::Ps512 => signatures::Algorithm::Ps512,
        Algorithm::EdDsa => signatures::Algorithm::EdDsa,
    })
}

#[cfg(test)]
mod tests {
    use signatures::KnownAnswer;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::signature::Material;
    use super::*;

    fn raw(algorithm: signatures::Algorithm) -> RawKey<'static> {
        match KnownAnswer::of(algorithm).key {
            PublicKey::Rsa { modulus, exponent } => RawKey::Rsa { modulus, exponent },
            PublicKey::Point(point) => RawKey::Point(point),
            PublicKey::Ed25519(bytes) => RawKey::Bytes(bytes),
        }
    }

    /// The reference and the fast one, on the same signatures; here compiled for WebAssembly too.
    #[test]
    fn both_give_the_known_answers() {
        let prepared = PreparedKeys::default();
        let mut algorithms = 0;
        for algorithm in Algorithm::ALL {
            let Some(public) = public_algorithm(*algorithm) else { continue };
            algorithms += 1;
            let source = Source::new(*algorithm, &raw(public)).unwrap();
            let material = Material::new(*algorithm, &raw(public)).unwrap();
            let good = KnownAnswer::of(public).signature.to_vec();
            for place in 0..good.len() {
                let mut altered = good.clone();
                altered[place] ^= 1;
                let answer = prepared.verify(&source, KnownAnswer::MESSAGE, &altered);
                assert_eq!(answer, Some(false), "{algorithm:?} {place}");
                // The reference takes a while.
                assert!(place % 16 > 0 || !material.verify(KnownAnswer::MESSAGE, &altered), "{algorithm:?} {place}");
            }
            assert_eq!(prepared.verify(&source, KnownAnswer::MESSAGE, &good), Some(true));
            assert!(material.verify(KnownAnswer::MESSAGE, &good));
        }
        assert_eq!(algorithms, signatures::Algorithm::ALL.len());
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let prepared = PreparedKeys::default();
        let bytes = || prepared.generations.borrow().iter().map(|generation| generation.bytes).sum::<usize>();
        let used = Source::new(Algorithm::Es256, &raw(signatures::Algorithm::Es256)).unwrap();
        let first = prepared.get(&used).unwrap();
        let RawKey::Rsa { modulus, exponent } = raw(signatures::Algorithm::Rs256) else { panic!("an RSA key") };
        for number in 0..2000_usize {
            let mut modulus = modulus.to_vec();
            modulus[100..108].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
            let source = Source::new(Algorithm::Rs256, &RawKey::Rsa { modulus: &modulus, exponent }).unwrap();
            assert!(prepared.get(&source).is_some() && bytes() <= MAX_PREPARED_BYTES);
            if number % 50 == 0 {
                assert!(Rc::ptr_eq(&first, &prepared.get(&used).unwrap()), "after {number}");
            }
        }
        assert!(bytes() > MAX_PREPARED_BYTES / 2);
    }

    #[test]
    fn one_key_for_two_algorithms_is_prepared_for_each() {
        let prepared = PreparedKeys::default();
        let key = raw(signatures::Algorithm::Rs256);
        let [rs256, ps256] =
            [Algorithm::Rs256, Algorithm::Ps256].map(|algorithm| Source::new(algorithm, &key).unwrap());
        let signature = KnownAnswer::of(signatures::Algorithm::Rs256).signature;
        assert_eq!(prepared.verify(&rs256, KnownAnswer::MESSAGE, signature), Some(true));
        assert_eq!(prepared.verify(&ps256, KnownAnswer::MESSAGE, signature), Some(false));
        assert_eq!(Source::new(Algorithm::Hs256, &RawKey::Bytes(&[1; 32])), None);
    }
}
