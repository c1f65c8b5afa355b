//! The arithmetic against that of `num-bigint`: at the edges, at random, and for small numbers exhaustively.

mod field;
mod inverse;
mod montgomery;

use num_bigint::BigUint;

/// The moduli of the curves: their primes and orders.
pub(super) const P256: [&str; 2] = [
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
];
pub(super) const P384: [&str; 2] = [
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
];

pub(super) fn number(hexadecimal: &str) -> BigUint {
    BigUint::parse_bytes(hexadecimal.as_bytes(), 16).unwrap()
}

/// The bytes of a number, as many as are asked for.
pub(super) fn bytes_of(number: &BigUint, count: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let bytes = if *number == BigUint::ZERO { &[][..] } else { &bytes };
    [&*vec![0; count - bytes.len()], bytes].concat()
}

/// Numbers below a bound: the edges, powers of two and their neighbours, long runs of ones, and random ones.
pub(super) fn samples(bound: &BigUint, random: &mut fastrand::Rng, count: usize) -> Vec<BigUint> {
    let one = BigUint::from(1_u8);
    let bits = bound.bits();
    let mut samples = vec![BigUint::ZERO, one.clone(), bound - &one, bound - 2_u8, bound >> 1, (bound >> 1) + &one];
    for _ in 0..count {
        let power = &one << random.u64(0..bits);
        let run = (&one << random.u64(0..=bits)) - &power.clone().min(one.clone());
        let mut noise = vec![0; usize::try_from(bits.div_ceil(8)).unwrap()];
        random.fill(&mut noise);
        samples.extend([power.clone() - &one, run, &power + BigUint::from_bytes_be(&noise), power]);
    }
    samples.into_iter().map(|sample| sample % bound).collect()
}
