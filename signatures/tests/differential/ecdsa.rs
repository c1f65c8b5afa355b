//! ECDSA beside RustCrypto's `p256` and `p384`, and `aws-lc-rs`.

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use fastrand::Rng;
use num_bigint::BigUint;
use p256::ecdsa::signature::Verifier as _;
use signatures::{Algorithm, PublicKey, VerificationKey};

use super::{Case, bytes, compare, flipped, number, ours, padded, resized};

/// What the two curves differ in.
struct Curve {
    algorithm: Algorithm,
    hash: &'static digest::Algorithm,
    p: BigUint,
    n: BigUint,
    bytes: usize,
    aws: &'static EcdsaVerificationAlgorithm,
}

/// A key pair, and nonces with 1 / k and r.
struct Key<V> {
    d: BigUint,
    nonces: Vec<(BigUint, BigUint)>,
    point: Vec<u8>,
    ours: VerificationKey,
    rust_crypto: V,
}

impl Curve {
    fn case<V>(&self, key: &Key<V>, random: &mut Rng) -> Case {
        let length = random.usize(..80);
        let message = bytes(random, length);
        let hash = BigUint::from_bytes_be(digest(self.hash, &message).as_ref());
        let (k_inverse, r) = &key.nonces[random.usize(..key.nonces.len())];
        let s = k_inverse * (hash + r * &key.d) % &self.n;
        let join = |r: &BigUint, s: &BigUint| [padded(r, self.bytes), padded(s, self.bytes)].concat();
        let good = join(r, &s);
        let (kind, signature) = match random.u8(..8) {
            0 | 1 => ("good", good),
            2 => ("the other s", join(r, &(&self.n - &s))),
            3 => ("a bit flipped", flipped(good, random)),
            4 => ("another length", resized(&good, random)),
            5 => ("r and s swapped", join(&s, r)),
            6 => ("r or s at an edge", {
                let edge = self.edge(random, r, &s);
                if random.bool() { join(&edge, &s) } else { join(r, &edge) }
            }),
            _ => ("r and s at edges", join(&self.edge(random, r, &s), &self.edge(random, r, &s))),
        };
        let other_message = random.u8(..16) == 0;
        let message = if other_message { flipped([&*message, &[0]].concat(), random) } else { message };
        Case { kind: if other_message { "another message" } else { kind }, message, signature }
    }

    fn edge(&self, random: &mut Rng, r: &BigUint, s: &BigUint) -> BigUint {
        let (n, p) = (&self.n, &self.p);
        let small = BigUint::from(random.u8(..4));
        match random.u8(..10) {
            0 | 1 => small,
            2 => n - small,
            3 => n + small,
            4 => p - small,
            5 => p + small,
            6 => (BigUint::from(1_u8) << (self.bytes * 8)) - 1_u8 - small,
            7 => r + n,
            8 => s + n,
            _ => (n + 1_u8) >> 1,
        }
    }

    fn compare<V>(&self, name: &str, keys: &[Key<V>], rust_crypto: impl Fn(&V, &Case) -> bool) {
        compare(
            name,
            keys,
            |key, random| self.case(key, random),
            &[
                ("ours", &|key, case| Some(key.ours.verify(&case.message, &case.signature))),
                ("RustCrypto", &|key, case| Some(rust_crypto(&key.rust_crypto, case))),
                ("aws-lc", &|key, case| {
                    Some(UnparsedPublicKey::new(self.aws, &key.point).verify(&case.message, &case.signature).is_ok())
                }),
            ],
        );
    }
}

/// The test of one curve: its crate has the same names as that of the other.
macro_rules! curve_test {
    ($test:ident, $library:ident, $curve:expr) => {
        #[test]
        fn $test() {
            use $library::ecdsa::{Signature, SigningKey, VerifyingKey};
            let curve: Curve = $curve;
            let mut random = Rng::with_seed(0);
            let mut pair = |d: Option<BigUint>| {
                let d = d.unwrap_or_else(|| BigUint::from_bytes_be(&bytes(&mut random, curve.bytes)) % &curve.n);
                let secret = SigningKey::from_slice(&padded(&d, curve.bytes)).unwrap();
                (d, VerifyingKey::from(&secret))
            };
            let point = |key: &VerifyingKey| key.to_sec1_point(false).as_bytes().to_vec();
            let nonces: Vec<_> = (0..48_u8)
                .map(|index| {
                    // Small and large nonces, and random ones: R is a small multiple of the base point.
                    let small = BigUint::from(index / 4 + 1);
                    let (k, r) =
                        pair([Some(small.clone()), Some(&curve.n - small), None, None][usize::from(index) % 4].clone());
                    let x = BigUint::from_bytes_be(&point(&r)[1..=curve.bytes]);
                    (k.modinv(&curve.n).unwrap(), x % &curve.n)
                })
                .collect();
            // The base point itself and its opposite are keys like any other.
            let secrets = [1_u8, 2, 3].map(BigUint::from);
            let opposites = secrets.clone().map(|d| &curve.n - d);
            let keys: Vec<_> = secrets
                .into_iter()
                .chain(opposites)
                .map(Some)
                .chain(vec![None; 18])
                .map(|d| {
                    let (d, rust_crypto) = pair(d);
                    let point = point(&rust_crypto);
                    let ours = ours(curve.algorithm, PublicKey::Point(&point));
                    Key { d, nonces: nonces.clone(), point, ours, rust_crypto }
                })
                .collect();
            curve.compare(stringify!($test), &keys, |key, case| {
                Signature::from_slice(&case.signature)
                    .is_ok_and(|signature| key.verify(&case.message, &signature).is_ok())
            });
        }
    };
}

curve_test!(
    es256,
    p256,
    Curve {
        algorithm: Algorithm::Es256,
        hash: &digest::SHA256,
        p: number("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
        n: number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        bytes: 32,
        aws: &ECDSA_P256_SHA256_FIXED,
    }
);

curve_test!(
    es384,
    p384,
    Curve {
        algorithm: Algorithm::Es384,
        hash: &digest::SHA384,
        p: number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff"),
        n: number("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
        bytes: 48,
        aws: &ECDSA_P384_SHA384_FIXED,
    }
);

/// What is no point of the curve is no key for anybody.
#[test]
fn altered_keys_are_refused() {
    let mut random = Rng::with_seed(3);
    for _ in 0..2000 {
        let secret = p256::ecdsa::SigningKey::from_slice(&padded(&BigUint::from(random.u64(1..)), 32)).unwrap();
        let point = p256::ecdsa::VerifyingKey::from(&secret).to_sec1_point(false).as_bytes().to_vec();
        let mut altered = flipped(point[1..].to_vec(), &mut random);
        altered.insert(0, 4);
        let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(&altered).is_ok();
        assert_eq!(VerificationKey::new(Algorithm::Es256, PublicKey::Point(&altered)).is_ok(), theirs);
        assert!(VerificationKey::new(Algorithm::Es384, PublicKey::Point(&point)).is_err());
    }
}
