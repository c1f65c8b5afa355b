//! What is timed inside WebAssembly: this crate beside the keys of `jwt-simple`, on the known answers. `cargo xtask
//! bench` builds it as a module, and times it in Wasmtime and in V8.
#![expect(unsafe_code, reason = "a host finds exported functions by their names")]

use std::cell::RefCell;

use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike as _, ECDSAP384PublicKeyLike as _, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike as _, PS256PublicKey, RS256PublicKey, RSAPublicKeyLike,
};
use p256::ecdsa::signature::Verifier as _;
use signatures::{Algorithm, KnownAnswer, PublicKey, VerificationKey};
use superboring::pkey::PKey;
use superboring::sign::Verifier;

/// The algorithms that are timed, in the order that `speed.mjs` and `host-tests` know.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

/// A key that was prepared: whether a signature over the known message is good.
type Verify = Box<dyn Fn(&[u8]) -> bool>;

/// A key that was prepared, and its signature.
type Slot = RefCell<Option<(Verify, &'static [u8])>>;

thread_local! {
    static OURS: Slot = const { RefCell::new(None) };
    static THEIRS: Slot = const { RefCell::new(None) };
}

/// Prepares the key of this crate; says how much memory it takes, in bytes; 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn prepare_ours(algorithm: usize) -> usize {
    let Some(algorithm) = ALGORITHMS.get(algorithm) else { return 0 };
    let answer = KnownAnswer::of(*algorithm);
    let Ok(key) = VerificationKey::new(*algorithm, answer.key) else { return 0 };
    let bytes = key.memory_bytes();
    OURS.set(Some((Box::new(move |signature| key.verify(KnownAnswer::MESSAGE, signature)), answer.signature)));
    bytes
}

/// Prepares the key of `jwt-simple`; 1 if there is one.
#[unsafe(no_mangle)]
pub extern "C" fn prepare_theirs(algorithm: usize) -> usize {
    let Some(algorithm) = ALGORITHMS.get(algorithm) else { return 0 };
    let answer = KnownAnswer::of(*algorithm);
    let Some(verify) = theirs(*algorithm, answer.key) else { return 0 };
    THEIRS.set(Some((verify, answer.signature)));
    1
}

/// Verifies so many times with the key that was prepared last, and says how often the signature was good.
#[unsafe(no_mangle)]
pub extern "C" fn verify_ours(times: usize) -> usize {
    OURS.with_borrow(|slot| verify(slot, times))
}

/// The same with the key of `jwt-simple`.
#[unsafe(no_mangle)]
pub extern "C" fn verify_theirs(times: usize) -> usize {
    THEIRS.with_borrow(|slot| verify(slot, times))
}

fn verify(slot: &Option<(Verify, &'static [u8])>, times: usize) -> usize {
    slot.as_ref()
        .map_or(0, |(verify, signature)| (0..times).filter(|_| verify(std::hint::black_box(signature))).count())
}

/// As `authz` verifies with it.
fn theirs(algorithm: Algorithm, key: PublicKey<'static>) -> Option<Verify> {
    const MESSAGE: &[u8] = KnownAnswer::MESSAGE;
    Some(match (algorithm, key) {
        (Algorithm::Rs256, PublicKey::Rsa { modulus, exponent }) => {
            let key = RS256PublicKey::from_components(modulus, exponent).ok()?;
            Box::new(move |signature| verify_rsa(&key, signature))
        }
        (Algorithm::Ps256, PublicKey::Rsa { modulus, exponent }) => {
            let key = PS256PublicKey::from_components(modulus, exponent).ok()?;
            Box::new(move |signature| verify_rsa(&key, signature))
        }
        (Algorithm::Es256, PublicKey::Point(point)) => {
            let key = ES256PublicKey::from_bytes(point).ok()?;
            Box::new(move |signature| {
                p256::ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.public_key().as_ref().verify(MESSAGE, &signature).is_ok())
            })
        }
        (Algorithm::Es384, PublicKey::Point(point)) => {
            let key = ES384PublicKey::from_bytes(point).ok()?;
            Box::new(move |signature| {
                p384::ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.public_key().as_ref().verify(MESSAGE, &signature).is_ok())
            })
        }
        (Algorithm::EdDsa, PublicKey::Ed25519(key)) => {
            let key = Ed25519PublicKey::from_bytes(key).ok()?;
            Box::new(move |signature| {
                ed25519_compact::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.public_key().as_ref().verify(MESSAGE, &signature).is_ok())
            })
        }
        _ => return None,
    })
}

fn verify_rsa<K: RSAPublicKeyLike>(key: &K, signature: &[u8]) -> bool {
    let check = || {
        let public_key = PKey::from_rsa(key.public_key().as_ref().clone())?;
        let mut verifier = Verifier::new(K::hash(), &public_key)?;
        verifier.set_rsa_padding(key.padding_scheme())?;
        verifier.update(KnownAnswer::MESSAGE)?;
        verifier.verify(signature)
    };
    check().is_ok_and(|is_good| is_good)
}
