use num_bigint::BigUint;

use super::super::inverse::Inverter;
use super::{P256, P384, bytes_of, number, samples};

fn check<const N: usize>(modulus: &BigUint, bytes: usize, numbers: &[BigUint]) {
    let inverter = Inverter::<N>::new(&modulus.to_bytes_be());
    for number in numbers {
        let mut inverse = bytes_of(number, bytes);
        inverter.invert(&mut inverse);
        // Where there is no inverse, anything will do.
        if let Some(expected) = number.modinv(modulus) {
            assert_eq!(BigUint::from_bytes_be(&inverse), expected, "1 / {number} modulo {modulus}");
        }
    }
}

#[test]
fn small_moduli_exhaustively() {
    for modulus in (3..400_u32).step_by(2) {
        let numbers: Vec<_> = (0..modulus).map(BigUint::from).collect();
        check::<9>(&modulus.into(), 4, &numbers);
    }
}

#[test]
fn curve_orders_and_primes() {
    let mut random = fastrand::Rng::with_seed(3);
    for modulus in P256.map(number) {
        check::<9>(&modulus, 32, &samples(&modulus, &mut random, 1000));
    }
    for modulus in P384.map(number) {
        check::<14>(&modulus, 48, &samples(&modulus, &mut random, 1000));
    }
}
