//! Signatures.
#![forbid(unsafe_code)]
mod ecdsa;
mod inverse;
mod limbs;
mod montgomery;
mod rsa;
mod hash;
mod eddsa;
mod key;
mod known_answer;
pub use known_answer::{KnownAnswer, gives_known_answers};
pub use key::{Algorithm, KeyError, PublicKey, VerificationKey};
