//! The same answers as two other libraries for each algorithm, for good, altered, forged and odd signatures.
//!
//! A few hundred comparisons are made by default. A million of each kind, from another seed:
//!
//! ```sh
//! SIGNATURES_COUNT=1000000 SIGNATURES_SEED=7 cargo test --release --package signatures --test differential -- --nocapture
//! ```
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod ecdsa;
mod ed25519;
mod rsa;

use std::collections::BTreeMap;
use std::env;

use fastrand::Rng;
use num_bigint::BigUint;
use signatures::{Algorithm, PublicKey, VerificationKey};

/// A signature, and what it is.
struct Case {
    kind: &'static str,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Whether a signature is good by one library; none if it is not asked about this one.
type Judge<'j, K> = (&'j str, &'j dyn Fn(&K, &Case) -> Option<bool>);

/// Compares answers for one case after another, and says how many of each kind were good.
///
/// A case is made by `case` and judged by `judges`, of which the first is this crate; all have to agree.
fn compare<K>(name: &str, keys: &[K], case: impl Fn(&K, &mut Rng) -> Case, judges: &[Judge<'_, K>]) {
    let setting = |name: &str, default| env::var(name).map_or(default, |value| value.parse().unwrap());
    let (count, seed) = (setting("SIGNATURES_COUNT", 400), setting("SIGNATURES_SEED", 1));
    let mut random = Rng::with_seed(seed);
    let mut kinds = BTreeMap::<_, (u64, u64)>::new();
    for number in 0..count {
        let key = &keys[random.usize(..keys.len())];
        let case = case(key, &mut random);
        let answers: Vec<_> = judges.iter().filter_map(|(name, judge)| Some((name, judge(key, &case)?))).collect();
        let answer = answers[0].1;
        assert!(
            answers.iter().all(|(_, other)| *other == answer),
            "{name}, case {number} of seed {seed}: {}: {answers:?}, signature {:02x?} of {:02x?}",
            case.kind,
            case.signature,
            case.message
        );
        let (good, all) = kinds.entry(case.kind).or_default();
        *good += u64::from(answer);
        *all += 1;
    }
    println!("{name}: {count} comparisons from seed {seed}; good of all by kind: {kinds:?}");
    let good: u64 = kinds.values().map(|(good, _)| good).sum();
    assert!(good > count / 10 && good < count * 9 / 10, "{good} of {count} are good");
}

/// The key of this crate.
fn ours(algorithm: Algorithm, key: PublicKey<'_>) -> VerificationKey {
    VerificationKey::new(algorithm, key).unwrap()
}

fn bytes(random: &mut Rng, count: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..)).take(count).collect()
}

/// Bytes with one bit flipped.
fn flipped(mut bytes: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    if !bytes.is_empty() {
        let place = random.usize(..bytes.len());
        bytes[place] ^= 1 << random.u8(..8);
    }
    bytes
}

/// Bytes of another length: some missing or too many at either end.
fn resized(bytes: &[u8], random: &mut Rng) -> Vec<u8> {
    let zeros = vec![0; random.usize(1..3)];
    match random.u8(..4) {
        0 => bytes[zeros.len()..].to_vec(),
        1 => bytes[..bytes.len() - zeros.len()].to_vec(),
        2 => [&*zeros, bytes].concat(),
        _ => [bytes, &zeros].concat(),
    }
}

/// A number as so many bytes; its lowest if it is longer.
fn padded(number: &BigUint, count: usize) -> Vec<u8> {
    let bytes = [vec![0; count], number.to_bytes_be()].concat();
    bytes[bytes.len() - count..].to_vec()
}

fn number(hexadecimal: &str) -> BigUint {
    BigUint::parse_bytes(hexadecimal.as_bytes(), 16).unwrap()
}
