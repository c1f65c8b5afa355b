//! The arithmetic against that of `num-bigint`: at the edges, at random, and for small numbers exhaustively.

mod field;
mod inverse;
mod montgomery;
mod power;

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

/// The largest and smallest moduli of each length, ones and zeros in long runs, and random ones, where columns are fullest.
pub(super) fn rsa_moduli() -> Vec<BigUint> {
    let mut random = fastrand::Rng::with_seed(0);
    let one = BigUint::from(1_u8);
    let of_length = move |bytes: usize| {
        let bits = bytes * 8;
        let mut noise = vec![0; bytes];
        random.fill(&mut noise);
        noise[0] |= 1;
        noise[bytes - 1] |= 1;
        [
            (&one << bits) - &one,
            (&one << (bits - 8)) + &one,
            (&one << bits) - (&one << (bits / 2)) + &one,
            (&one << (bits - 1)) + (&one << (bits / 2)) - &one,
            BigUint::from_bytes_be(&noise),
        ]
    };
    [256_usize, 257, 258, 300, 384, 511, 512].into_iter().flat_map(of_length).collect()
}
