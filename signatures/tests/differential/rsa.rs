//! RSA beside RustCrypto's `rsa`, and `aws-lc-rs`. The encodings are made here, wrong ones too, and signed as they are.

use std::iter::repeat_with;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use fastrand::Rng;
use num_bigint::BigUint;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::Verifier;
use rsa::{RsaPublicKey, pkcs1v15, pss};
use signatures::{Algorithm, PublicKey, VerificationKey};

use super::{Case, bytes, compare, flipped, number, ours, padded, resized};

/// The padding of an algorithm, by what is made differently with each.
#[derive(Clone, Copy, PartialEq)]
enum Padding {
    Pkcs1,
    Pss,
}

struct Scheme {
    algorithm: Algorithm,
    padding: Padding,
    hash: &'static digest::Algorithm,
    /// Its number in the last byte of the object identifier.
    hash_id: u8,
    aws: &'static RsaParameters,
    rust_crypto: fn(RsaPublicKey, &Case) -> bool,
}

/// A key pair, and signatures that were made with it beforehand: making one takes long.
struct Key {
    modulus: BigUint,
    modulus_bytes: Vec<u8>,
    ours: VerificationKey,
    rust_crypto: RsaPublicKey,
    cases: Vec<Case>,
}

impl Key {
    fn new(scheme: &Scheme, line: &str, count: usize, random: &mut Rng) -> Self {
        let (p, q) = line.split_once(' ').map(|(p, q)| (number(p), number(q))).unwrap();
        let modulus = &p * &q;
        let modulus_bytes = modulus.to_bytes_be();
        let exponent = BigUint::from(65537_u32);
        let sign = |encoded: &BigUint| {
            // With the Chinese remainder theorem, as it would take four times as long.
            let part = |prime: &BigUint| encoded.modpow(&exponent.modinv(&(prime - 1_u8)).unwrap(), prime);
            let (of_p, of_q) = (part(&p), part(&q));
            let difference = (&of_p + &p * 2_u8 - &of_q % &p) * q.modinv(&p).unwrap() % &p;
            of_q + difference * &q
        };
        let cases = repeat_with(|| {
            let length = random.usize(..80);
            let message = bytes(random, length);
            let (kind, encoded) = scheme.encode(&message, modulus.bits(), random);
            let signature = sign(&(BigUint::from_bytes_be(&encoded) % &modulus));
            Case { kind, message, signature: padded(&signature, modulus_bytes.len()) }
        });
        Self {
            ours: ours(scheme.algorithm, PublicKey::Rsa { modulus: &modulus_bytes, exponent: &[1, 0, 1] }),
            rust_crypto: RsaPublicKey::new(rsa::BigUint::from_bytes_be(&modulus_bytes), 65537_u32.into()).unwrap(),
            cases: cases.take(count).collect(),
            modulus,
            modulus_bytes,
        }
    }

    fn case(&self, random: &mut Rng) -> Case {
        let Case { kind, message, signature } = &self.cases[random.usize(..self.cases.len())];
        let (message, signature, modulus) = (message.clone(), signature.clone(), &self.modulus);
        let value = BigUint::from_bytes_be(&signature);
        let small = BigUint::from(random.u8(..3));
        let length = self.modulus_bytes.len();
        let (kind, message, signature) = match random.u8(..16) {
            0 => ("a bit flipped", message, flipped(signature, random)),
            1 => ("another message", flipped([&*message, &[0]].concat(), random), signature),
            2 => ("another length", message, resized(&signature, random)),
            3 => ("and the modulus", message, (&value + modulus).to_bytes_be()),
            4 => ("opposite", message, padded(&(modulus - value), length)),
            5 => ("small", message, padded(&small, length)),
            6 => ("about the modulus", message, padded(&(modulus + 1_u8 - small), length)),
            7 => ("random", message, bytes(random, length)),
            _ => (*kind, message, signature),
        };
        Case { kind, message, signature }
    }
}

impl Scheme {
    fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        digest(self.hash, &parts.concat()).as_ref().to_vec()
    }

    /// What is to be signed, right or wrong in one way.
    fn encode(&self, message: &[u8], modulus_bits: u64, random: &mut Rng) -> (&'static str, Vec<u8>) {
        match self.padding {
            Padding::Pkcs1 => self.encode_pkcs1(message, usize::try_from(modulus_bits.div_ceil(8)).unwrap(), random),
            Padding::Pss => self.encode_pss(message, usize::try_from(modulus_bits - 1).unwrap(), random),
        }
    }

    fn encode_pkcs1(&self, message: &[u8], length: usize, random: &mut Rng) -> (&'static str, Vec<u8>) {
        let hash = self.hash(&[message]);
        let size = u8::try_from(hash.len()).unwrap();
        let oid = [6, 9, 96, 134, 72, 1, 101, 3, 4, 2, self.hash_id];
        let info = |algorithm: &[u8], octets: &[u8]| {
            let algorithm = [&[48, u8::try_from(algorithm.len()).unwrap()], algorithm].concat();
            [&[48, u8::try_from(algorithm.len() + octets.len()).unwrap()], &*algorithm, octets].concat()
        };
        let octets = [&[4, size], &*hash].concat();
        let good = info(&[&oid[..], &[5, 0]].concat(), &octets);
        let filled = |start: &[u8], suffix: &[u8]| {
            let ones = vec![0xff; length - start.len() - 1 - suffix.len()];
            [start, &ones, &[0], suffix].concat()
        };
        match random.u8(..20) {
            0 => ("without NULL", filled(&[0, 1], &info(&oid, &octets))),
            1 => ("with parameters", filled(&[0, 1], &info(&[&oid[..], &[4, 2, 1, 2]].concat(), &octets))),
            2 => ("of another hash's name", {
                let mut other = good;
                other[14] = other[14] % 3 + 1;
                filled(&[0, 1], &other)
            }),
            3 => ("bare hash", filled(&[0, 1], &hash)),
            4 => ("garbage after the hash", {
                // Bleichenbacher's forgery of 2006.
                let garbage = bytes(random, length - 11 - good.len());
                [&[0, 1], &[0xff; 8][..], &[0], &*good, &garbage].concat()
            }),
            5 => ("garbage in the padding", {
                let mut encoded = filled(&[0, 1], &good);
                let place = random.usize(2..length - good.len() - 1);
                encoded[place] = random.u8(..0xff);
                encoded
            }),
            6 => ("of block type", filled(&[0, random.u8(..)], &good)),
            7 => ("not starting with zero", filled(&[1, 1], &good)),
            8 => ("short padding", {
                let short = [&[0, 1], &[0xff; 7][..], &[0], &*good].concat();
                [short, vec![0; length - 10 - good.len()]].concat()
            }),
            9 => ("a byte longer in BER", {
                let mut ber = good;
                ber.splice(1..2, [0x81, ber[1]]);
                filled(&[0, 1], &ber)
            }),
            10 => ("a bit flipped in the encoding", flipped(filled(&[0, 1], &good), random)),
            11 => ("ones only", filled(&[0, 1], &[])),
            12 => ("shifted", [&[0], &filled(&[0, 1], &good)[..length - 1]].concat()),
            _ => ("good", filled(&[0, 1], &good)),
        }
    }

    fn encode_pss(&self, message: &[u8], bits: usize, random: &mut Rng) -> (&'static str, Vec<u8>) {
        let (length, hash_bytes) = (bits.div_ceil(8), self.hash.output_len());
        let (mut kind, mut salt_bytes, mut trailer, mut one) = ("good", hash_bytes, 0xbc, 1);
        let mut wrong_padding = false;
        match random.u8(..20) {
            0 => (kind, salt_bytes) = ("no salt", 0),
            1 => (kind, salt_bytes) = ("a salt of 20", 20),
            2 => (kind, salt_bytes) = ("a salt too short", hash_bytes - 1),
            3 => (kind, salt_bytes) = ("a salt too long", hash_bytes + 1),
            4 => (kind, salt_bytes) = ("the longest salt", length - hash_bytes - 2),
            5 => (kind, trailer) = ("another trailer", random.u8(..)),
            6 => (kind, one) = ("no one before the salt", random.u8(..)),
            7 => (kind, wrong_padding) = ("padding that is not zero", true),
            _ => {}
        }
        let salt = bytes(random, salt_bytes);
        let value = self.hash(&[&[0; 8], &self.hash(&[message]), &salt]);
        let mut block = vec![0; length - hash_bytes - 1];
        let salt_start = block.len() - salt_bytes;
        block[salt_start..].copy_from_slice(&salt);
        block[salt_start - 1] = one;
        if wrong_padding {
            let place = random.usize(1..salt_start - 1);
            block[place] = random.u8(1..);
        }
        let mask = (0_u32..).flat_map(|counter| self.hash(&[&value, &counter.to_be_bytes()]));
        let mut encoded: Vec<u8> = block.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        encoded[0] &= 0xff >> (length * 8 - bits);
        match random.u8(..20) {
            0 if !bits.is_multiple_of(8) => {
                kind = "a bit above the encoding";
                encoded[0] |= 1 << (bits % 8);
            }
            1 => {
                kind = "a bit flipped in the encoding";
                encoded = flipped(encoded, random);
            }
            _ => {}
        }
        (kind, [encoded, value, vec![trailer]].concat())
    }
}

fn check(scheme: &Scheme) {
    let mut random = Rng::with_seed(u64::from(scheme.hash_id));
    let count = if std::env::var("SIGNATURES_COUNT").is_ok() { 500 } else { 8 };
    let keys: Vec<_> =
        include_str!("rsa_keys.txt").lines().skip(1).map(|line| Key::new(scheme, line, count, &mut random)).collect();
    compare(
        &format!("{:?}", scheme.algorithm),
        &keys,
        Key::case,
        &[
            ("ours", &|key, case| Some(key.ours.verify(&case.message, &case.signature))),
            ("RustCrypto", &|key, case| Some((scheme.rust_crypto)(key.rust_crypto.clone(), case))),
            ("aws-lc", &|key, case| {
                let components = RsaPublicKeyComponents { n: &*key.modulus_bytes, e: &[1, 0, 1][..] };
                Some(components.verify(scheme.aws, &case.message, &case.signature).is_ok())
            }),
        ],
    );
}

/// The test of one algorithm.
macro_rules! scheme_test {
    ($test:ident, $algorithm:ident, $padding:ident, $library:ident, $rust_hash:ident, $hash:ident, $id:literal, $aws:ident) => {
        #[test]
        fn $test() {
            check(&Scheme {
                algorithm: Algorithm::$algorithm,
                padding: Padding::$padding,
                hash: &digest::$hash,
                hash_id: $id,
                aws: &$aws,
                rust_crypto: |key, case| {
                    $library::Signature::try_from(&*case.signature).is_ok_and(|signature| {
                        $library::VerifyingKey::<$rust_hash>::new(key).verify(&case.message, &signature).is_ok()
                    })
                },
            });
        }
    };
}

scheme_test!(rs256, Rs256, Pkcs1, pkcs1v15, Sha256, SHA256, 1, RSA_PKCS1_2048_8192_SHA256);
scheme_test!(rs384, Rs384, Pkcs1, pkcs1v15, Sha384, SHA384, 2, RSA_PKCS1_2048_8192_SHA384);
scheme_test!(rs512, Rs512, Pkcs1, pkcs1v15, Sha512, SHA512, 3, RSA_PKCS1_2048_8192_SHA512);
scheme_test!(ps256, Ps256, Pss, pss, Sha256, SHA256, 1, RSA_PSS_2048_8192_SHA256);
scheme_test!(ps384, Ps384, Pss, pss, Sha384, SHA384, 2, RSA_PSS_2048_8192_SHA384);
scheme_test!(ps512, Ps512, Pss, pss, Sha512, SHA512, 3, RSA_PSS_2048_8192_SHA512);

#[test]
fn other_keys_are_refused() {
    let mut random = Rng::with_seed(9);
    let mut modulus = bytes(&mut random, 256);
    (modulus[0], modulus[255]) = (0x80, 1);
    let prepare = |modulus: &[u8], exponent: &[u8]| {
        VerificationKey::new(Algorithm::Rs256, PublicKey::Rsa { modulus, exponent }).is_ok()
    };
    assert!(prepare(&modulus, &[1, 0, 1]));
    for exponent in [&[][..], &[1], &[3], &[1, 0, 0], &[0, 1, 0, 1], &[1, 0, 2], &[1, 0, 1, 0]] {
        assert!(!prepare(&modulus, exponent), "{exponent:?}");
    }
    let even = [&modulus[..255], &[2]].concat();
    for modulus in [&[][..], &modulus[..255], &[&[0], &*modulus].concat(), &[7; 513], &even] {
        assert!(!prepare(modulus, &[1, 0, 1]), "{} bytes", modulus.len());
    }
}
