//! JSON Object Signing: token bytes → unverified → verified, with keys that know their algorithm (RFC 7515, 7517, 7518).

mod algorithm;
pub(crate) mod base64url;
mod jwk;
mod jws;
mod key_set;
mod known_headers;
mod native;
mod prepared_keys;
mod proof_key;
mod roca;
mod signature;
mod signing_key;

pub use algorithm::Algorithm;
pub(crate) use jwk::read_pinned_key;
pub(crate) use jws::{Header, UnverifiedJws, VerifiedJws, normalized_type};
pub(crate) use key_set::{KeySet, VerificationKey};
pub(crate) use known_headers::KnownHeaders;
pub use native::{NativeCheck, NativeSigning, NativeVerifier};
pub(crate) use prepared_keys::PreparedKeys;
pub(crate) use proof_key::{proof_algorithms, proof_key};
pub(crate) use signing_key::{SigningKey, read_further_key};
