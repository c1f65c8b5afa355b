//! A known answer for each algorithm, to be asked for before the algorithm is trusted: compilers and hosts have bugs too.

use std::sync::OnceLock;

use crate::{Algorithm, PublicKey, VerificationKey};

/// A public key, and a signature of it over [`Self::MESSAGE`].
#[derive(Clone, Copy, Debug)]
pub struct KnownAnswer {
    /// The key.
    pub key: PublicKey<'static>,
    /// Its good signature.
    pub signature: &'static [u8],
}

impl KnownAnswer {
    /// What all of them sign: the header and payload of a token of ordinary length.
    pub const MESSAGE: &'static [u8] = include_bytes!("../vectors/message.txt");

    /// The one of an algorithm.
    pub const fn of(algorithm: Algorithm) -> Self {
        const RSA: PublicKey<'_> =
            PublicKey::Rsa { modulus: include_bytes!("../vectors/rsa.key"), exponent: &[1, 0, 1] };
        let key = match algorithm {
            Algorithm::Es256 => PublicKey::Point(include_bytes!("../vectors/p256.key")),
            Algorithm::Es384 => PublicKey::Point(include_bytes!("../vectors/p384.key")),
            Algorithm::EdDsa => PublicKey::Ed25519(include_bytes!("../vectors/ed25519.key")),
            _ => RSA,
        };
        let signature: &[u8] = match algorithm {
            Algorithm::Rs256 => include_bytes!("../vectors/rs256.sig"),
            Algorithm::Rs384 => include_bytes!("../vectors/rs384.sig"),
            Algorithm::Rs512 => include_bytes!("../vectors/rs512.sig"),
            Algorithm::Ps256 => include_bytes!("../vectors/ps256.sig"),
            Algorithm::Ps384 => include_bytes!("../vectors/ps384.sig"),
            Algorithm::Ps512 => include_bytes!("../vectors/ps512.sig"),
            Algorithm::Es256 => include_bytes!("../vectors/es256.sig"),
            Algorithm::Es384 => include_bytes!("../vectors/es384.sig"),
            Algorithm::EdDsa => include_bytes!("../vectors/eddsa.sig"),
        };
        Self { key, signature }
    }

    /// Whether the good signature passes, and no altered one, nor the good one of an altered message.
    fn holds(self, algorithm: Algorithm) -> bool {
        let Ok(key) = VerificationKey::new(algorithm, self.key) else { return false };
        let altered = |bytes: &[u8], place: usize| {
            let mut bytes = bytes.to_vec();
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1;
            }
            bytes
        };
        let last = self.signature.len().saturating_sub(1);
        let places = [0, last / 2, last];
        key.verify(Self::MESSAGE, self.signature)
            && !places.iter().any(|place| key.verify(Self::MESSAGE, &altered(self.signature, *place)))
            && !key.verify(&altered(Self::MESSAGE, 0), self.signature)
            && !key.verify(Self::MESSAGE, &vec![0; self.signature.len()])
    }
}

/// Whether an algorithm gives the known answers on this machine. Found out once, at the first call.
pub fn gives_known_answers(algorithm: Algorithm) -> bool {
    static HOLDS: [OnceLock<bool>; Algorithm::ALL.len()] = [const { OnceLock::new() }; Algorithm::ALL.len()];
    let index = Algorithm::ALL.iter().position(|each| *each == algorithm);
    let cell = index.and_then(|index| HOLDS.get(index));
    cell.is_some_and(|cell| *cell.get_or_init(|| KnownAnswer::of(algorithm).holds(algorithm)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_gives_its_known_answers() {
        for algorithm in Algorithm::ALL {
            assert!(gives_known_answers(*algorithm), "{algorithm:?}");
        }
    }

    #[test]
    fn wrong_answers_are_noticed() {
        for algorithm in Algorithm::ALL {
            let answer = KnownAnswer::of(*algorithm);
            let zeros = vec![0; answer.signature.len()].leak();
            assert!(!KnownAnswer { signature: zeros, ..answer }.holds(*algorithm), "{algorithm:?} takes zeros");
            let others = Algorithm::ALL.iter().filter(|other| *other != algorithm);
            for other in others {
                let signature = KnownAnswer::of(*other).signature;
                assert!(!KnownAnswer { signature, ..answer }.holds(*algorithm), "{algorithm:?} takes {other:?}");
            }
        }
    }

    /// A key is no key of another type, and a point no point of the other curve.
    #[test]
    fn keys_belong_to_their_algorithms() {
        for algorithm in Algorithm::ALL {
            for other in Algorithm::ALL {
                let fits = VerificationKey::new(*algorithm, KnownAnswer::of(*other).key).is_ok();
                let is_rsa = |algorithm| matches!(KnownAnswer::of(algorithm).key, PublicKey::Rsa { .. });
                assert_eq!(fits, algorithm == other || is_rsa(*algorithm) && is_rsa(*other), "{algorithm:?} {other:?}");
            }
        }
    }

    /// What the documentation says of the memory that keys take.
    #[test]
    fn keys_take_the_memory_that_is_documented() {
        for (algorithm, bytes) in
            [(Algorithm::Rs256, 2608), (Algorithm::Es256, 9216), (Algorithm::Es384, 14336), (Algorithm::EdDsa, 30720)]
        {
            // Where registers have 64 bits, `curve25519-dalek`'s tables have as many bytes: five limbs of eight, ten of four.
            let key = VerificationKey::new(algorithm, KnownAnswer::of(algorithm).key).unwrap();
            assert_eq!(key.memory_bytes(), bytes, "{algorithm:?}");
        }
    }
}
