//! The key that a proof of possession brings along, and its thumbprint (RFC 7638).
//!
//! This is the one place where a key from a header is used. It proves nothing about who signed; it only says that whoever
//! made the proof has the key whose thumbprint the issuer put into the token.

use serde_json::{Map, Value};

use super::algorithm::{Algorithm, KeyType};
use super::base64url;
use super::jwk;
use super::jws::Header;
use super::key_set::VerificationKey;
use crate::document::ErrorSink;
use crate::document::{Node, Unique};

/// The key in the header of a proof, bound to the proof's algorithm, with its thumbprint. None if it is not a sound public
/// key; the checks are those for the keys of a bundle.
pub(crate) fn proof_key(header: &Header) -> Option<(VerificationKey, String)> {
    let jwk = header.proof_key()?;
    let errors = ErrorSink::default();
    let keys = jwk::read_public_key(&Node::root(jwk, &errors), &[header.algorithm], &Unique::default());
    let mut keys = errors.into_result(keys).ok()?.into_iter();
    match (keys.next(), keys.next()) {
        // Every client has a key of its own. To prepare one for Ed25519 takes as long as some verifications without.
        (Some(key), None) if key.algorithm() == Algorithm::EdDsa => Some((key.unprepared(), thumbprint(jwk)?)),
        (Some(key), None) => Some((key, thumbprint(jwk)?)),
        _ => None,
    }
}

/// The algorithms that a proof may be signed with: all that have a public key.
pub(crate) fn proof_algorithms() -> impl Iterator<Item = &'static str> {
    Algorithm::ALL.iter().filter(|algorithm| algorithm.key_type() != KeyType::Secret).map(|algorithm| algorithm.name())
}

/// RFC 7638 section 3: the hash of the required members, sorted by name, without white space.
pub(super) fn thumbprint(jwk: &Value) -> Option<String> {
    let required: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = required.iter().map(|name| Some(((*name).to_owned(), jwk.get(*name)?.clone())));
    // A map of this kind is sorted by name.
    let canonical = Value::Object(members.collect::<Option<Map<_, _>>>()?).to_string();
    Some(base64url::encode(hmac_sha256::Hash::hash(canonical.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_thumbprints_of_the_rfcs_are_found() {
        // RFC 7638 section 3.1.
        let rsa = json!({
            "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(thumbprint(&rsa).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        // RFC 8037 appendix A.3.
        let okp = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(thumbprint(&okp).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    }
}
