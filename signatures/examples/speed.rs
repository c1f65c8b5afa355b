//! What `speed.mjs` and `host-tests` time inside WebAssembly: this crate beside `jwt-simple`, on the known answers.
#![expect(unsafe_code, reason = "exported functions have names that the host knows")]

use std::cell::RefCell;

use jwt_simple::prelude::*;
use p256::ecdsa::signature::Verifier as _;
use signatures::{Algorithm, KnownAnswer, PublicKey, VerificationKey};
use superboring::pkey::PKey;
use superboring::sign::Verifier;

thread_local! {
    static KEY: RefCell<Option<Key>> = const { RefCell::new(None) };
}

/// The prepared key of one of the two.
enum Key {
    Ours(VerificationKey),
    Rs256(RS256PublicKey),
    Ps256(PS256PublicKey),
    Es256(ES256PublicKey),
    Es384(ES384PublicKey),
    EdDsa(Ed25519PublicKey),
}
