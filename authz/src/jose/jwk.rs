//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) → verification keys.
//!
//! Identity providers publish keys that are not for us (encryption keys, new key types): those are skipped, as
//! RFC 7517 section 5 asks. Keys that are for us and wrong (private, secret, weak, malformed, twice) refuse the bundle.

use super::Algorithm;
use super::algorithm::KeyType;
use super::base64url;
use super::key_set::VerificationKey;
use super::roca;
use super::signature::RawKey;
use crate::document::{Fields, Node, Unique};
use crate::limits::MAX_KEY_ID_BYTES;

/// The members that make a JWK private (RFC 7518 section 6.2.2 and 6.3.2, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Reads a JWK set of public keys.
pub(super) fn read_public_keys(
    node: &Node<'_>,
    allowed: &[Algorithm],
    unique: &Unique,
) -> Option<Vec<VerificationKey>> {
    let keys = node.open_object()?.required("keys")?;
    Some(keys.list(|item| read_public_key(item, allowed, unique))?.into_iter().flatten().collect())
}

/// Reads a list of symmetric keys.
pub(super) fn read_secrets(node: &Node<'_>, allowed: &[Algorithm], unique: &Unique) -> Option<Vec<VerificationKey>> {
    let keys = node.filled_list(|item| {
        let fields = item.open_object()?;
        let kty = fields.required("kty")?;
        if kty.text()? != "oct" {
            return kty.refuse("only keys of the type `oct` are secrets; public keys belong into `jwks`");
        }
        let secret = octets(&fields, "k")?;
        let fitting = algorithms_for(&fields, KeyType::Secret, allowed)?;
        if fitting.is_empty() {
            return item.refuse("is not for verifying signatures with one of the issuer's `algorithms`");
        }
        // RFC 7518 section 3.2: a key at least as long as the hash.
        let long_enough: Vec<_> =
            fitting.iter().copied().filter(|algorithm| secret.len() >= algorithm.hash_bytes()).collect();
        if long_enough.is_empty() {
            let least = fitting.iter().map(|algorithm| algorithm.hash_bytes()).min().unwrap_or_default();
            return item.refuse(format!(
                "a secret of {} bytes is too short, at least {least} are needed (RFC 7518 section 3.2)",
                secret.len()
            ));
        }
        let keys = bind(item, &fields, &long_enough, &RawKey::Bytes(&secret), unique)?;
        Some(keys)
    })?;
    Some(keys.into_iter().flatten().collect())
}

/// The verification keys of one JWK; none if it is not for us. Whether it is comes first: how an encryption key is made is
/// none of our business.
pub(super) fn read_public_key(node: &Node<'_>, allowed: &[Algorithm], unique: &Unique) -> Option<Vec<VerificationKey>> {
    let fields = node.open_object()?;
    if let Some(member) = PRIVATE_MEMBERS.into_iter().find(|member| fields.optional(member).is_some()) {
        return node.refuse(format!(
            "is a private key (it has `{member}`): it must never leave its issuer; replace it there and publish only the public part"
        ));
    }
    let text = |name| fields.optional(name).map_or(Some(None), |node| node.text().map(Some));
    let (key_type, curve) = (fields.required("kty").and_then(|node| node.text()), text("crv"));
    let key_type = match (key_type?, curve?) {
        ("oct", _) => {
            return node.refuse("is a secret, which has no place among public keys; put it into `secrets` if its issuer signs with HMAC");
        }
        ("RSA", _) => KeyType::Rsa,
        ("EC", Some("P-256")) => KeyType::P256,
        ("EC", Some("P-384")) => KeyType::P384,
        ("OKP", Some("Ed25519")) => KeyType::Ed25519,
        _ => return Some(Vec::new()),
    };
    let algorithms = algorithms_for(&fields, key_type, allowed)?;
    if algorithms.is_empty() {
        return Some(Vec::new());
    }
    if key_type == KeyType::Rsa {
        let (modulus, exponent) = (octets(&fields, "n"), octets(&fields, "e"));
        let (modulus, exponent) = (modulus?, exponent?);
        check_rsa(node, &modulus, &exponent)?;
        return bind(node, &fields, &algorithms, &RawKey::Rsa { modulus: &modulus, exponent: &exponent }, unique);
    }
    match key_type.coordinate_bytes() {
        Some(bytes) => bind(node, &fields, &algorithms, &RawKey::Point(&point(node, &fields, bytes)?), unique),
        None => bind(node, &fields, &algorithms, &RawKey::Bytes(&octets(&fields, "x")?), unique),
    }
}

/// The one verification key of a JWK that has an `alg`; the inner none if it is not for one of these algorithms.
pub(crate) fn read_pinned_key(node: &Node<'_>, allowed: &[Algorithm]) -> Option<Option<VerificationKey>> {
    Some(read_public_key(node, allowed, &Unique::default())?.into_iter().next().map(VerificationKey::unprepared))
}

/// The algorithms that a key may be used with: its own `alg`, or else all of the issuer's that fit its type; none if it is
/// not for verifying signatures.
fn algorithms_for(fields: &Fields<'_>, key_type: KeyType, allowed: &[Algorithm]) -> Option<Vec<Algorithm>> {
    if !is_for_verifying(fields)? {
        return Some(Vec::new());
    }
    let fitting = allowed.iter().copied().filter(|algorithm| algorithm.key_type() == key_type);
    let Some(alg) = fields.optional("alg") else {
        return Some(fitting.collect());
    };
    match Algorithm::from_name(alg.text()?) {
        // An algorithm that we do not know (RSA-OAEP, ES512): not for us.
        None => Some(Vec::new()),
        Some(own) if own.key_type() != key_type => {
            alg.refuse(format!("`{}` does not fit this key's type or curve", own.name()))
        }
        Some(own) => Some(fitting.filter(|algorithm| *algorithm == own).collect()),
    }
}

/// Binds key material to each of its algorithms.
fn bind(
    node: &Node<'_>,
    fields: &Fields<'_>,
    algorithms: &[Algorithm],
    key: &RawKey<'_>,
    unique: &Unique,
) -> Option<Vec<VerificationKey>> {
    let key_id = match fields.optional("kid") {
        None => None,
        Some(kid) => match kid.text()? {
            text if text.len() > MAX_KEY_ID_BYTES => {
                return kid.refuse(format!("is longer than {MAX_KEY_ID_BYTES} bytes"));
            }
            text => Some(text),
        },
    };
    let mut keys = Vec::new();
    for &algorithm in algorithms {
        let Some(key) = VerificationKey::new(key_id, algorithm, key) else {
            return node
                .refuse("is not a sound public key: the point is not on its curve, or the numbers are out of range");
        };
        // Two keys for one (kid, alg) leave nothing to choose by.
        let name = key_id.map_or_else(|| "without `kid`".to_owned(), |key_id| format!("`{key_id}`"));
        unique.claim_named(&format!("key {name} for {}", algorithm.name()), node)?;
        keys.push(key);
    }
    Some(keys)
}

/// RFC 7517 section 4.2 and 4.3: `use` and `key_ops`, where they are given, must allow verifying.
fn is_for_verifying(fields: &Fields<'_>) -> Option<bool> {
    let for_signatures = fields.optional("use").map_or(Some(true), |node| node.text().map(|text| text == "sig"));
    let verifies = fields.optional("key_ops").map_or(Some(true), |node| {
        node.list(|item| item.text().map(|operation| operation == "verify"))
            .map(|operations| operations.contains(&true))
    });
    Some(for_signatures? && verifies?)
}

/// RSA keys of 2048 to 4096 bits with the exponent 65537: what every provider uses, and what `jwt-simple` verifies.
fn check_rsa(node: &Node<'_>, modulus: &[u8], exponent: &[u8]) -> Option<()> {
    if modulus.first() == Some(&0) || exponent.first() == Some(&0) {
        return node.refuse("its numbers must not start with a zero byte (RFC 7518 section 2, Base64urlUInt)");
    }
    if !(256..=512).contains(&modulus.len()) {
        return node
            .refuse(format!("its modulus has {} bits; 2048 to 4096 are accepted", modulus.len().saturating_mul(8)));
    }
    if roca::has_fingerprint(modulus) {
        return node.refuse(
            "was made by a broken generator (ROCA, CVE-2017-15361): its private part can be computed; replace it",
        );
    }
    if exponent != [1, 0, 1] {
        return node.refuse("its exponent is not 65537 (`AQAB`), the only one that is accepted");
    }
    Some(())
}

/// An elliptic curve point in SEC 1 form from full-length coordinates (RFC 7518 section 6.2.1.2).
fn point(node: &Node<'_>, fields: &Fields<'_>, coordinate_bytes: usize) -> Option<Vec<u8>> {
    let (x, y) = (octets(fields, "x"), octets(fields, "y"));
    let (x, y) = (x?, y?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return node.refuse(format!("its coordinates must have {coordinate_bytes} bytes each"));
    }
    Some([&[4][..], &x, &y].concat())
}

fn octets(fields: &Fields<'_>, name: &'static str) -> Option<Vec<u8>> {
    let node = fields.required(name)?;
    base64url::decode(node.text()?).or_else(|| node.refuse("is not base64url without padding (RFC 7515 section 2)"))
}
