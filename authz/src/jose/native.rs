//! Signatures that the proxy verifies with its own crypto, where it has any and that has proved itself.
//!
//! RSASSA-PKCS1-v1_5 only, and only on a processor that does not fuse multiplication and addition: elsewhere prepared keys are faster in
//! WebAssembly than native code that reads the key for every call, and PSS and Ed25519 no proxy offers (`docs/performance.md`).

use std::fmt;

use signatures::{KnownAnswer, PublicKey};

/// One signature that a proxy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct NativeCheck<'c> {
    /// The hash function: `sha256`, `sha384` or `sha512`.
    pub hash: &'static str,
    /// The public key, as a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
    pub public_key: &'c [u8],
    /// What was signed.
    pub message: &'c [u8],
    /// The signature.
    pub signature: &'c [u8],
}

/// One signature that a proxy is asked for.
#[derive(Clone, Copy)]
pub struct NativeSigning<'s> {
    /// The hash function: `sha256`.
    pub hash: &'static str,
    /// The private key, as PKCS #8 in DER (RFC 5208).
    pub private_key: &'s [u8],
    /// What is to be signed.
    pub message: &'s [u8],
}

/// The private key is in no log.
impl fmt::Debug for NativeSigning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeSigning").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// A proxy's function that makes signatures; none if it cannot.
pub(super) type Sign = fn(&NativeSigning<'_>) -> Option<Vec<u8>>;

/// A proxy's function that verifies signatures, for the algorithms for which it gave the known answers. It changes how long an answer
/// takes and never what it is. It may come with one that makes them, which each key puts to the test for itself.
#[derive(Clone, Debug)]
pub struct NativeVerifier {
    verify: fn(&NativeCheck<'_>) -> Option<bool>,
    algorithms: Vec<signatures::Algorithm>,
    pub(super) sign: Option<Sign>,
}

/// The algorithms that a proxy is asked about, with their hash functions and names.
const ALGORITHMS: [(signatures::Algorithm, &str, &str); 3] = [
    (signatures::Algorithm::Rs256, "sha256", "rs256"),
    (signatures::Algorithm::Rs384, "sha384", "rs384"),
    (signatures::Algorithm::Rs512, "sha512", "rs512"),
];

impl NativeVerifier {
    /// Puts a function to the test: for each algorithm, a good signature has to pass, and altered ones, that of another message and
    /// that of another key must not. `verify` says whether a signature is good; none if it cannot say.
    pub fn prove(verify: fn(&NativeCheck<'_>) -> Option<bool>) -> Self {
        let proved =
            ALGORITHMS.into_iter().filter(|(algorithm, hash, _)| gives_known_answers(verify, *algorithm, hash));
        Self { verify, algorithms: proved.map(|(algorithm, ..)| algorithm).collect(), sign: None }
    }

    /// The same, with the function that makes signatures.
    #[must_use]
    pub fn with_signer(self, sign: fn(&NativeSigning<'_>) -> Option<Vec<u8>>) -> Self {
        Self { sign: Some(sign), ..self }
    }

    /// The algorithms that a proxy may be asked about (RFC 7518, in lower case), and whether it is: not where it failed the test.
    pub fn proved(&self) -> impl Iterator<Item = (&'static str, bool)> {
        ALGORITHMS.into_iter().map(|(algorithm, _, name)| (name, self.algorithms.contains(&algorithm)))
    }

    /// Whether a signature is good; none if the proxy is not asked, or has no answer.
    pub(super) fn verify(
        &self,
        algorithm: signatures::Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let (_, hash, _) = ALGORITHMS.iter().find(|(known, ..)| *known == algorithm)?;
        if !self.algorithms.contains(&algorithm) {
            return None;
        }
        (self.verify)(&NativeCheck { hash, public_key: key, message, signature })
    }
}

fn gives_known_answers(
    verify: fn(&NativeCheck<'_>) -> Option<bool>,
    algorithm: signatures::Algorithm,
    hash: &'static str,
) -> bool {
    let answer = KnownAnswer::of(algorithm);
    let PublicKey::Rsa { modulus, .. } = answer.key else { return false };
    let key = subject_public_key_info(modulus);
    let ask = |modulus: &[u8], message: &[u8], signature: &[u8]| {
        let public_key = if modulus.is_empty() { &key } else { &subject_public_key_info(modulus) };
        verify(&NativeCheck { hash, public_key, message, signature })
    };
    let (message, good) = (KnownAnswer::MESSAGE, answer.signature);
    let last = good.len().saturating_sub(1);
    // Another odd number of the same length.
    let other_modulus = altered(modulus, modulus.len() / 2);
    let bad = [0, last / 2, last].map(|place| ask(&[], message, &altered(good, place)));
    ask(&[], message, good) == Some(true)
        && bad.iter().all(|answer| *answer == Some(false))
        && ask(&[], &altered(message, 0), good) == Some(false)
        && ask(&[], message, &vec![0; good.len()]) == Some(false)
        && ask(&other_modulus, message, good) != Some(true)
}

fn altered(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1;
    }
    bytes
}

/// An RSA key with the exponent 65537 as a SubjectPublicKeyInfo in DER (RFC 8017 appendix A.1.1, RFC 3279 section 2.3.1).
pub(super) fn subject_public_key_info(modulus: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    /// `rsaEncryption`, without parameters.
    const RSA_ENCRYPTION: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    const EXPONENT: [u8; 3] = [1, 0, 1];
    // An integer whose first bit is set would be negative.
    let sign: &[u8] = if modulus.first().is_some_and(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    let modulus = der(INTEGER, &[sign, modulus].concat());
    let key = der(SEQUENCE, &[modulus, der(INTEGER, &EXPONENT)].concat());
    // No bit of the last byte is unused.
    let bits = der(BIT_STRING, &[&[0], &key[..]].concat());
    der(SEQUENCE, &[der(SEQUENCE, &RSA_ENCRYPTION), bits].concat())
}

/// A value with its type and length (X.690 section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let header = match (u8::try_from(content.len()), u8::try_from(length.len())) {
        (Ok(short @ ..0x80), _) => vec![tag, short],
        // So many bytes of length follow.
        (_, Ok(count)) => [&[tag, 0x80 | count], &length[..]].concat(),
        (_, Err(_)) => vec![tag],
    };
    [header, content.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use signatures::{Algorithm, VerificationKey};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// The modulus within the DER of a key of 2048 bits: behind the headers and a zero.
    fn modulus(der: &[u8]) -> &[u8] {
        &der[33..289]
    }

    fn honest(check: &NativeCheck<'_>) -> Option<bool> {
        let (algorithm, ..) = ALGORITHMS.into_iter().find(|(_, hash, _)| *hash == check.hash)?;
        let key = PublicKey::Rsa { modulus: modulus(check.public_key), exponent: &[1, 0, 1] };
        Some(VerificationKey::new(algorithm, key).ok()?.verify(check.message, check.signature))
    }

    /// For how many algorithms a function would be used.
    fn proved(verify: fn(&NativeCheck<'_>) -> Option<bool>) -> usize {
        NativeVerifier::prove(verify).proved().filter(|(_, is_native)| *is_native).count()
    }

    #[test]
    fn only_a_function_that_gives_the_known_answers_is_used() {
        assert_eq!(proved(honest), 3);
        let only_sha256 = |check: &NativeCheck<'_>| honest(check).filter(|_| check.hash == "sha256");
        assert_eq!(proved(only_sha256), 1);
        let ignores_the_key = |check: &NativeCheck<'_>| {
            let PublicKey::Rsa { modulus, .. } = KnownAnswer::of(Algorithm::Rs256).key else { return None };
            honest(&NativeCheck { public_key: &subject_public_key_info(modulus), ..*check })
        };
        assert_eq!(proved(ignores_the_key), 0);
        assert_eq!(proved(|_| Some(true)), 0);
        assert_eq!(proved(|_| Some(false)), 0);
        assert_eq!(proved(|_| None), 0);
    }

    #[test]
    fn it_is_asked_about_what_it_was_tested_for_only() {
        let native = NativeVerifier::prove(honest);
        let answer = KnownAnswer::of(Algorithm::Rs384);
        let PublicKey::Rsa { modulus, .. } = answer.key else { panic!("an RSA key") };
        let key = subject_public_key_info(modulus);
        let ask = |algorithm| native.verify(algorithm, &key, KnownAnswer::MESSAGE, answer.signature);
        assert_eq!(ask(Algorithm::Rs384), Some(true));
        assert_eq!(ask(Algorithm::Rs256), Some(false));
        assert_eq!(ask(Algorithm::Ps384), None);
    }

    /// The first bytes are those that OpenSSL writes for a key of 2048 bits.
    #[test]
    fn a_key_is_encoded_as_everybody_does() {
        let PublicKey::Rsa { modulus, .. } = KnownAnswer::of(Algorithm::Rs256).key else { panic!("an RSA key") };
        let der = subject_public_key_info(modulus);
        assert_eq!(der.len(), 294);
        assert_eq!(der[..4], [0x30, 0x82, 0x01, 0x22]);
        assert_eq!(der[19..33], [0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00]);
        assert_eq!((&der[33..289], &der[289..]), (modulus, &[0x02, 0x03, 1, 0, 1][..]));
    }
}
