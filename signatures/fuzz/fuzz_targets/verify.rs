//! Arbitrary keys and signatures, and the known answers with arbitrary changes: no panic, and the answers of other libraries.
//!
//! `cargo +nightly fuzz run verify`, in the folder `signatures`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::{BigUint, RsaPublicKey, pkcs1v15, pss};
use signatures::{Algorithm, KnownAnswer, PublicKey, VerificationKey};

fuzz_target!(|input: &[u8]| {
    let Some((&selector, input)) = input.split_first() else { return };
    let algorithm = Algorithm::ALL[usize::from(selector & 15) % Algorithm::ALL.len()];
    let answer = KnownAnswer::of(algorithm);
    let (PublicKey::Rsa { modulus: key, .. } | PublicKey::Point(key) | PublicKey::Ed25519(key)) = answer.key;
    // Each is raw, or changes what is known to be good.
    let (key_input, rest) = take(input, key.len());
    let (signature_input, rest) = take(rest, answer.signature.len());
    let (message_input, _) = take(rest, 64);
    let key = if selector & 16 == 0 { changed(key, key_input) } else { key_input.to_vec() };
    let signature =
        if selector & 32 == 0 { changed(answer.signature, signature_input) } else { signature_input.to_vec() };
    let message = changed(KnownAnswer::MESSAGE, message_input);
    let ours = prepare(algorithm, &key).is_some_and(|key| key.verify(&message, &signature));
    let theirs = judge(algorithm, &key, &message, &signature).unwrap_or(false);
    assert_eq!(ours, theirs, "{algorithm:?}, key {key:02x?}, signature {signature:02x?}, message {message:02x?}");
});

/// So many bytes after a byte that says how many fewer there are.
fn take(input: &[u8], most: usize) -> (&[u8], &[u8]) {
    let Some((&fewer, input)) = input.split_first() else { return (&[], &[]) };
    input.split_at(most.saturating_add(2).saturating_sub(usize::from(fewer)).min(input.len()))
}

fn changed(good: &[u8], change: &[u8]) -> Vec<u8> {
    let mut changed = good.to_vec();
    changed.iter_mut().zip(change).for_each(|(byte, change)| *byte ^= change);
    changed
}

fn prepare(algorithm: Algorithm, key: &[u8]) -> Option<VerificationKey> {
    let key = match algorithm {
        Algorithm::Es256 | Algorithm::Es384 => PublicKey::Point(key),
        Algorithm::EdDsa => PublicKey::Ed25519(key),
        _ => PublicKey::Rsa { modulus: key, exponent: &[1, 0, 1] },
    };
    VerificationKey::new(algorithm, key).ok()
}

/// The answer of RustCrypto or `ed25519-dalek`; none if the key is not sound.
fn judge(algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    macro_rules! rsa {
        ($library:ident, $hash:ident) => {{
            use rsa::signature::Verifier as _;
            let is_in_range = (256..=512).contains(&key.len()) && key[0] != 0 && key[key.len() - 1] & 1 == 1;
            let key = RsaPublicKey::new(BigUint::from_bytes_be(is_in_range.then_some(key)?), 65537_u32.into()).ok()?;
            let signature = $library::Signature::try_from(signature).ok()?;
            $library::VerifyingKey::<$hash>::new(key).verify(message, &signature).is_ok()
        }};
    }
    macro_rules! ecdsa {
        ($library:ident) => {{
            use $library::ecdsa::signature::Verifier as _;
            let is_uncompressed = key.first() == Some(&4);
            let key = $library::ecdsa::VerifyingKey::from_sec1_bytes(is_uncompressed.then_some(key)?).ok()?;
            key.verify(message, &$library::ecdsa::Signature::from_slice(signature).ok()?).is_ok()
        }};
    }
    Some(match algorithm {
        Algorithm::Rs256 => rsa!(pkcs1v15, Sha256),
        Algorithm::Rs384 => rsa!(pkcs1v15, Sha384),
        Algorithm::Rs512 => rsa!(pkcs1v15, Sha512),
        Algorithm::Ps256 => rsa!(pss, Sha256),
        Algorithm::Ps384 => rsa!(pss, Sha384),
        Algorithm::Ps512 => rsa!(pss, Sha512),
        Algorithm::Es256 => ecdsa!(p256),
        Algorithm::Es384 => ecdsa!(p384),
        Algorithm::EdDsa => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).is_ok()
        }
    })
}
