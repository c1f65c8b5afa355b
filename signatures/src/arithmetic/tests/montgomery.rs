use num_bigint::BigUint;

use super::super::limbs;
use super::super::montgomery::{BITS, COLUMNS, Modulus};
use super::{P256, P384, bytes_of, number, rsa_moduli, samples};

/// The plain number of limbs.
fn value(limbs: &[u32]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |value, limb| (value << BITS) + limb)
}

fn limbs_of(value: &BigUint, count: usize) -> Vec<u32> {
    let mut limbs = vec![0; count];
    limbs::fill(&mut limbs, &value.to_bytes_be(), BITS);
    limbs
}

/// Checks every operation for all pairs.
fn check(modulus: &BigUint, numbers: &[BigUint]) {
    let bytes = modulus.to_bytes_be();
    let prepared = Modulus::new(&bytes).unwrap();
    let count = (bytes.len() * 8 + 2).div_ceil(BITS as usize).next_multiple_of(COLUMNS);
    let r = BigUint::from(1_u8) << (BITS as usize * count);
    let r_inverse = r.modinv(modulus).unwrap();
    assert_eq!(value(&prepared.half()), (modulus + 1_u8) >> 1);
    for a in numbers {
        let a_bytes = bytes_of(a, bytes.len());
        let a_limbs = prepared.number(&a_bytes).unwrap();
        assert_eq!(value(&a_limbs), *a);
        assert_eq!(prepared.to_bytes(&a_limbs), a_bytes);
        assert_eq!(value(&prepared.to_montgomery(&a_limbs)), a * &r % modulus);
        // Squares of what is below the double modulus are below it too.
        for unreduced in [a.clone(), a + modulus] {
            let square = value(&prepared.square_repeatedly(&limbs_of(&unreduced, count), 1));
            assert!(square < modulus * 2_u8);
            assert_eq!(square % modulus, a * a * &r_inverse % modulus);
            let power = value(&prepared.square_repeatedly(&limbs_of(&unreduced, count), 3));
            assert_eq!(
                power % modulus,
                a.modpow(&8_u8.into(), modulus) * r_inverse.modpow(&7_u8.into(), modulus) % modulus
            );
        }
        let mut doubled = a_limbs.clone();
        prepared.double(&mut doubled);
        assert_eq!(value(&doubled), a * 2_u8 % modulus);
        for b in numbers {
            let b_limbs = prepared.number(&bytes_of(b, bytes.len())).unwrap();
            assert_eq!(value(&prepared.sum(&a_limbs, &b_limbs)), (a + b) % modulus);
            assert_eq!(value(&prepared.multiply(&a_limbs, &b_limbs)), a * b * &r_inverse % modulus);
            let wide = limbs_of(&(a + modulus), count);
            assert_eq!(value(&prepared.multiply(&wide, &b_limbs)), a * b * &r_inverse % modulus);
        }
    }
    // The modulus itself, and what is longer, are no numbers below it.
    assert!(prepared.number(&bytes).is_none());
    assert!(prepared.number(&[&[0], &*bytes].concat()).is_none());
}

#[test]
fn small_moduli_exhaustively() {
    for modulus in (3..48_u32).step_by(2).chain([251, 253, 255]) {
        let numbers: Vec<_> = (0..modulus).map(BigUint::from).collect();
        check(&modulus.into(), &numbers);
    }
}

#[test]
fn curve_orders_and_primes() {
    let mut random = fastrand::Rng::with_seed(1);
    for modulus in P256.iter().chain(&P384) {
        let modulus = number(modulus);
        check(&modulus, &samples(&modulus, &mut random, 4));
    }
}

#[test]
fn moduli_of_rsa() {
    let mut random = fastrand::Rng::with_seed(2);
    for modulus in rsa_moduli() {
        check(&modulus, &samples(&modulus, &mut random, 1)[..9]);
    }
}

/// What is left of a number that is much longer than the modulus.
#[test]
fn long_numbers_are_reduced() {
    let mut random = fastrand::Rng::with_seed(3);
    for modulus in rsa_moduli().into_iter().chain(P384.map(number)) {
        let prepared = Modulus::new(&modulus.to_bytes_be()).unwrap();
        let bytes = modulus.to_bytes_be().len();
        let power = BigUint::from_bytes_be(&prepared.to_bytes(&prepared.reduction_power()));
        let inverse = power.modinv(&modulus).unwrap();
        for long in samples(&(&power * &modulus), &mut random, 4) {
            let reduced = prepared.reduce(&digits(&long), 50);
            assert_eq!(reduced, bytes_of(&(long * &inverse % &modulus), bytes));
        }
    }
}

/// A number in digits of 50 bits, the lowest first.
fn digits(number: &BigUint) -> Vec<u64> {
    let (mut digits, mut rest) = (Vec::new(), number.clone());
    while rest > BigUint::ZERO {
        digits.push((&rest % (1_u64 << 50)).try_into().unwrap());
        rest >>= 50;
    }
    digits
}

#[test]
fn powers_of_two_and_their_inverses() {
    for modulus in rsa_moduli() {
        let prepared = Modulus::new(&modulus.to_bytes_be()).unwrap();
        let two = BigUint::from(2_u8);
        for power in [1_u32, 27, 28, 100, 2000] {
            let inverse = two.modpow(&power.into(), &modulus).modinv(&modulus).unwrap();
            assert_eq!(value(&prepared.inverse_of_power_of_two(power as usize)), inverse);
        }
        let lowest = (prepared.bytes() * 8 + 2).div_ceil(BITS as usize).next_multiple_of(COLUMNS) * BITS as usize;
        for power in [1, lowest - 1, lowest, lowest + 1, lowest + 160, 2 * lowest - 1] {
            assert_eq!(value(&prepared.power_of_two(power)), two.modpow(&power.into(), &modulus));
        }
    }
}

#[test]
fn moduli_that_montgomery_cannot_use_are_refused() {
    for bytes in [&[][..], &[0], &[2], &[0, 3], &[1, 0]] {
        assert!(Modulus::new(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn zeros_before_a_modulus_are_counted() {
    for (top, zeros) in [(1, 7), (2, 6), (0x7f, 1), (0x80, 0), (0xff, 0)] {
        assert_eq!(Modulus::new(&[top, 0, 1]).unwrap().leading_zeros(), zeros);
    }
}

#[test]
fn a_smaller_number_is_subtracted() {
    let [p, n] = P256.map(number);
    let prepared = Modulus::new(&n.to_bytes_be()).unwrap();
    assert_eq!(prepared.subtracted_from(&p.to_bytes_be()), bytes_of(&(p - n), 32));
}
