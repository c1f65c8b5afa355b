//! Ed25519 beside `aws-lc-rs`, `ed25519-compact` (that of `jwt-simple`) and the strict verification of `ed25519-dalek`.
//!
//! They differ about points of small order and their sums: `aws-lc-rs` takes them, `ed25519-compact` multiplies by eight
//! before it compares. The strict answer counts; the others are asked about what they agree on.

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use fastrand::Rng;
use signatures::{Algorithm, PublicKey, VerificationKey};

use super::{Case, bytes, compare, flipped, ours, resized};

struct Key {
    secret: Scalar,
    bytes: [u8; 32],
    has_torsion: bool,
    ours: VerificationKey,
    strict: ed25519_dalek::VerifyingKey,
}

impl Key {
    fn new(secret: Scalar, torsion: EdwardsPoint) -> Self {
        let bytes = (EdwardsPoint::mul_base(&secret) + torsion).compress().0;
        Self {
            secret,
            bytes,
            has_torsion: torsion != EIGHT_TORSION[0],
            ours: ours(Algorithm::EdDsa, PublicKey::Ed25519(&bytes)),
            strict: ed25519_dalek::VerifyingKey::from_bytes(&bytes).unwrap(),
        }
    }

    /// The signature with this nonce, to whose point another is added.
    fn sign(&self, nonce: Scalar, torsion: EdwardsPoint, message: &[u8]) -> Vec<u8> {
        let r = (EdwardsPoint::mul_base(&nonce) + torsion).compress().0;
        let hash = digest(&digest::SHA512, &[&r, &self.bytes, message].concat());
        let k = Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().unwrap());
        [r, (nonce + k * self.secret).to_bytes()].concat()
    }

    fn case(&self, random: &mut Rng) -> Case {
        let length = random.usize(..80);
        let message = bytes(random, length);
        let torsion = EIGHT_TORSION[random.usize(1..8)];
        let good = self.sign(scalar(random), EIGHT_TORSION[0], &message);
        let (kind, signature) = match random.u8(..12) {
            0..4 => ("good", good),
            4 => ("a bit flipped", flipped(good, random)),
            5 => ("another length", resized(&good, random)),
            6 => ("s and multiples of the order", plus_order(good, random)),
            7 => ("R and a point of small order", self.sign(scalar(random), torsion, &message)),
            8 => ("R of small order", self.sign(Scalar::ZERO, torsion, &message)),
            9 => ("R in another form", {
                let encodings = small_order_encodings();
                [&encodings[random.usize(..encodings.len())][..], &good[32..]].concat()
            }),
            10 => ("nothing but zeros", vec![0; 64]),
            _ => ("R and s swapped", [&good[32..], &good[..32]].concat()),
        };
        let other_message = random.u8(..16) == 0;
        let message = if other_message { flipped([&*message, &[0]].concat(), random) } else { message };
        Case { kind: if other_message { "another message" } else { kind }, message, signature }
    }
}

fn scalar(random: &mut Rng) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&bytes(random, 64).try_into().unwrap())
}

/// Adds the order to s, or more of it: the same scalar in another form.
fn plus_order(signature: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let mut order = super::number("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed").to_bytes_le();
    order.resize(32, 0);
    let mut signature = signature;
    for _ in 0..random.u8(1..8) {
        let mut carry = 0;
        for (byte, addend) in signature[32..].iter_mut().zip(&order) {
            carry += u16::from(*byte) + u16::from(*addend);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
    }
    signature
}

/// All forms of the points of small order, those included that no encoder writes: y from p on, and x = 0 with a sign.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings = Vec::new();
    for point in EIGHT_TORSION {
        let bytes = point.compress().0;
        let y = num_bigint::BigUint::from_bytes_le(&[&bytes[..31], &[bytes[31] & 0x7f]].concat());
        let prime = (num_bigint::BigUint::from(1_u8) << 255) - 19_u8;
        // y from p on fits only for the smallest.
        for y in [y.clone(), y + prime].into_iter().filter(|y| y.bits() <= 255) {
            let mut bytes = y.to_bytes_le();
            bytes.resize(32, 0);
            let bytes: [u8; 32] = bytes.try_into().unwrap();
            for sign in [0, 0x80] {
                let mut signed = bytes;
                signed[31] ^= sign;
                encodings.push(signed);
            }
        }
    }
    encodings
}

fn is_small_order(bytes: &[u8]) -> bool {
    let point = bytes.get(..32).and_then(|bytes| CompressedEdwardsY(bytes.try_into().unwrap()).decompress());
    point.is_some_and(|point| point.is_small_order())
}

#[test]
fn ed25519() {
    let mut random = Rng::with_seed(0);
    let keys: Vec<_> =
        (0..24).map(|index| Key::new(scalar(&mut random), EIGHT_TORSION[usize::saturating_sub(index, 16)])).collect();
    compare(
        "ed25519",
        &keys,
        Key::case,
        &[
            ("ours", &|key, case| Some(key.ours.verify(&case.message, &case.signature))),
            ("dalek, strict", &|key, case| {
                let signature = ed25519_dalek::Signature::from_slice(&case.signature);
                Some(signature.is_ok_and(|signature| key.strict.verify_strict(&case.message, &signature).is_ok()))
            }),
            ("aws-lc", &|key, case| {
                let verify =
                    || UnparsedPublicKey::new(&ED25519, &key.bytes).verify(&case.message, &case.signature).is_ok();
                (!is_small_order(&case.signature)).then(verify)
            }),
            ("compact", &|key, case| {
                let verify = || {
                    ed25519_compact::Signature::from_slice(&case.signature).is_ok_and(|signature| {
                        ed25519_compact::PublicKey::new(key.bytes).verify(&case.message, &signature).is_ok()
                    })
                };
                let has_torsion = key.has_torsion || case.kind.contains("small order");
                (!has_torsion && !is_small_order(&case.signature)).then(verify)
            }),
        ],
    );
}

#[test]
fn keys_of_small_order_and_in_other_forms_are_refused() {
    for encoding in small_order_encodings() {
        assert!(VerificationKey::new(Algorithm::EdDsa, PublicKey::Ed25519(&encoding)).is_err(), "{encoding:02x?}");
    }
    // y from p on: the points with y up to 18 have such a form.
    for low in 0xed_u8..=0xff {
        for high in [0x7f, 0xff] {
            let mut encoding = [0xff; 32];
            (encoding[0], encoding[31]) = (low, high);
            assert!(VerificationKey::new(Algorithm::EdDsa, PublicKey::Ed25519(&encoding)).is_err(), "{encoding:02x?}");
        }
    }
    for bytes in [&[][..], &[9; 31], &[9; 33]] {
        assert!(VerificationKey::new(Algorithm::EdDsa, PublicKey::Ed25519(bytes)).is_err(), "{bytes:02x?}");
    }
}
