#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arithmetic;
mod ecdsa;
mod eddsa;
mod hash;
mod key;
mod known_answer;
mod rsa;

pub use key::{Algorithm, KeyError, PublicKey, VerificationKey};
pub use known_answer::{KnownAnswer, gives_known_answers};
