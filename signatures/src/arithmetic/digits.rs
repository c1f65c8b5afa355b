//! Numbers as digits of 52 bits about zero, in floating-point numbers and in pairs of them.

use super::lanes::{Lanes, ZERO};

/// Bits of a digit.
pub(super) const BITS: usize = 52;

/// Bytes of two digits.
pub(super) const PAIR_BYTES: usize = 2 * BITS / 8;

/// What the last bit of a product's upper half counts, as a power of two: half of the next digit.
pub(super) const UPPER_BITS: u32 = 51;

/// A number's digits in pairs, each also with the digits one place lower: what a block is multiplied by. A zero before, and two after.
pub(super) type Rows = Vec<[Lanes; 2]>;

/// A number, as a factor of either side.
pub(super) struct Number {
    pub(super) digits: Vec<f64>,
    pub(super) rows: Rows,
}

impl Number {
    /// Room for so many digits.
    pub(super) fn zero(count: usize) -> Self {
        Self { digits: vec![0.0; count], rows: Rows::with_capacity(count / 2 + 3) }
    }

    /// Lays out the rows for the digits.
    #[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
    pub(super) fn fill_rows(&mut self) {
        let Self { digits, rows } = self;
        rows.clear();
        rows.push([ZERO; 2]);
        let mut before = 0.0;
        for &[low, high] in digits.as_chunks().0 {
            rows.push([Lanes::of_floats(low, high), Lanes::of_floats(before, low)]);
            before = high;
        }
        rows.push([ZERO, Lanes::of_floats(before, 0.0)]);
        rows.push([ZERO; 2]);
    }
}

/// So many digits of the number of these bytes.
pub(super) fn digits(bytes: &[u8], count: usize) -> Vec<f64> {
    let mut digits = Vec::with_capacity(count);
    let mut carry = 0;
    for pair in bytes.rchunks(PAIR_BYTES) {
        let pair = pair.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        for digit in [pair & ((1 << BITS) - 1), pair >> BITS] {
            digits.push(take_digit(digit as i64, &mut carry));
        }
    }
    digits.push(carry as f64);
    digits.resize(count, 0.0);
    digits
}

/// The lowest digit of a sum to which is added what earlier digits left over; leaves over what is above it.
#[inline]
fn take_digit(sum: i64, carry: &mut i64) -> f64 {
    let sum = sum + *carry;
    *carry = (sum + (1 << (BITS - 1))) >> BITS;
    (sum - (*carry << BITS)) as f64
}

/// The two digits of a pair of columns.
#[inline]
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn take_digits([lower, upper]: [Lanes; 2], carry: &mut i64) -> (f64, f64) {
    let ([low, high], [upper_low, upper_high]) = (lower.integers(), upper.integers());
    // What counts 2^51 counts half of the next digit.
    let odd = |upper: i64| (upper & 1) << UPPER_BITS;
    let first = take_digit(low + odd(upper_low), carry);
    let second = take_digit(high + (upper_low >> 1) + odd(upper_high), carry);
    *carry += upper_high >> 1;
    (first, second)
}
