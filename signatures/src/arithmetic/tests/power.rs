use num_bigint::{BigInt, BigUint};

use super::super::digits::{BITS, HALF, Row, rows};
use super::super::montgomery::Modulus;
use super::super::power::Power;
use super::{bytes_of, rsa_moduli, samples};

/// A modulus, prepared for either way.
fn prepare(modulus: &BigUint) -> (Modulus, Power) {
    let plain = Modulus::new(&modulus.to_bytes_be()).unwrap();
    let power = Power::new(&plain).expect("fused");
    (plain, power)
}

#[test]
fn the_power_is_that_of_num_bigint() {
    let mut random = fastrand::Rng::with_seed(1);
    for modulus in rsa_moduli() {
        let (plain, power) = prepare(&modulus);
        for number in samples(&modulus, &mut random, 4) {
            let expected = number.modpow(&65537_u32.into(), &modulus);
            let actual = power.of(&plain, &bytes_of(&number, plain.bytes()));
            assert_eq!(BigUint::from_bytes_be(&actual), expected, "{number} modulo {modulus}");
        }
    }
}

/// Every length that a key may have ends differently in digits and blocks.
#[test]
fn moduli_of_every_length() {
    for bytes in 256..=512 {
        let modulus = (BigUint::from(1_u8) << (8 * bytes)) - 1_u8;
        let (plain, power) = prepare(&modulus);
        let number = &modulus - 2_u8;
        let expected = number.modpow(&65537_u32.into(), &modulus);
        assert_eq!(power.of(&plain, &bytes_of(&number, bytes)), bytes_of(&expected, bytes), "{bytes} bytes");
    }
}

/// Digits at their bounds, of one sign and of both, make the fullest columns.
#[test]
fn products_of_extreme_digits_are_right() {
    const LEAST: f64 = -((HALF + (1 << 8)) as f64);
    let mut random = fastrand::Rng::with_seed(2);
    for modulus in rsa_moduli() {
        let (_, power) = prepare(&modulus);
        let (count, modulus) = (power.count(), BigInt::from(modulus));
        let of_digits = |digit: &mut dyn FnMut(usize) -> f64| {
            // The highest are zero, as those of numbers up to N' are.
            let digits: Vec<_> = (0..count).map(|index| if index < count - 4 { digit(index) } else { 0.0 }).collect();
            rows(&digits)
        };
        let numbers = [
            of_digits(&mut |_| LEAST),
            of_digits(&mut |_| -LEAST),
            of_digits(&mut |index| if index % 2 == 0 { LEAST } else { -LEAST }),
            of_digits(&mut |index| if index % 4 < 2 { LEAST + 1.0 } else { -1.0 }),
            of_digits(&mut |_| if random.bool() { LEAST } else { -LEAST }),
        ];
        let r = BigInt::from(1_u8) << (BITS * count);
        let is_right = |number: &[Row], product: BigInt| {
            let bound = LEAST as i64..=-LEAST as i64;
            digits_of(number).iter().all(|digit| bound.contains(digit))
                && (value(number) * &r - product) % &modulus == BigInt::ZERO
        };
        let mut columns = power.starts.product.clone();
        for a in &numbers {
            for b in &numbers {
                let mut product = a.clone();
                power.multiply(&mut columns, &mut product, b);
                assert!(is_right(&product, value(a) * value(b)));
            }
            let mut square = a.clone();
            power.square(&mut columns, &mut square);
            assert!(is_right(&square, value(a) * value(a)));
        }
    }
}

fn digits_of(number: &[Row]) -> Vec<i64> {
    number.iter().flat_map(|[pair, _]| pair.whole()).collect()
}

fn value(number: &[Row]) -> BigInt {
    digits_of(number).into_iter().rev().fold(BigInt::ZERO, |value, digit| (value << BITS) + digit)
}
