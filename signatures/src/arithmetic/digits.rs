//! Numbers as digits of 50 bits about zero, in floating-point numbers and in pairs of them.

use super::lanes::{Lanes, ZERO};

/// Bits of a digit.
pub(super) const BITS: usize = 50;

/// Half of what a digit counts to: digits lie this far about zero.
pub(super) const HALF: i64 = 1 << (BITS - 1);

/// The lowest bits, as many as a digit has.
pub(super) const MASK: u64 = (1 << BITS) - 1;

/// A pair of a number's digits, and the same places with the digits one place lower: what digits of even and of odd places are multiplied
/// by. A number has a row more than pairs, for its highest digit one place lower.
pub(super) type Row = [Lanes; 2];

/// The rows of a number of so many digits, which are an even number.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn rows(digits: &[f64]) -> Vec<Row> {
    let mut rows = vec![[ZERO; 2]; digits.len() / 2 + 1];
    fill_rows(&mut rows, digits.as_chunks().0.iter().map(|[low, high]| Lanes::of_floats(*low, *high)));
    rows
}

/// Lays out the rows of a number, from its digits in pairs.
#[inline]
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn fill_rows(rows: &mut [Row], pairs: impl Iterator<Item = Lanes>) {
    let mut before = ZERO;
    let Some((last, rows)) = rows.split_last_mut() else { return };
    for (row, pair) in rows.iter_mut().zip(pairs) {
        *row = [pair, Lanes::across(before, pair)];
        before = pair;
    }
    *last = [ZERO, Lanes::across(before, ZERO)];
}

/// So many digits of the number of these bytes.
pub(super) fn from_bytes(bytes: &[u8], count: usize) -> Vec<f64> {
    // Bytes in this order are integers of the machine, at any of them.
    let mut little: Vec<u8> = bytes.iter().rev().copied().collect();
    little.resize(count * BITS / 8 + 8, 0);
    let mut carry = 0_i64;
    let digit = |index: usize| {
        let (byte, bit) = (index * BITS / 8, index * BITS % 8);
        let window = little[byte..].first_chunk().map_or(0, |window| u64::from_le_bytes(*window));
        let sum = (window >> bit & MASK).cast_signed() + carry;
        carry = (sum + HALF) >> BITS;
        (sum - (carry << BITS)) as f64
    };
    (0..count).map(digit).collect()
}

/// A number's digits as integers, each with a carry added that begins with this one and goes on to the next.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128,relaxed-simd"))]
pub(super) fn positive_digits(pairs: impl Iterator<Item = Lanes>, mut carry: i64) -> Vec<u64> {
    pairs
        .flat_map(|pair| pair.whole())
        .map(|digit| {
            let sum = digit + carry;
            carry = sum >> BITS;
            sum.cast_unsigned() & MASK
        })
        .collect()
}
