//! Arithmetic modulo an odd number in Montgomery's form ("Modular multiplication without trial
//! division", 1985), for the moduli of RSA and the orders of curves.
//!
//! WebAssembly multiplies 64 bits by 64 and keeps the low 64 of the product, so limbs have 28 bits: a column of 147
//! products, those of 4096 bits, still fits into 64 bits.

use super::limbs::{self, is_less, low_bits, subtract};

/// Bits of a limb.
pub(crate) const BITS: u32 = 28;

/// An odd modulus and what is worth computing once for it. R below is 2 to the power of the bits of all limbs, and is more
/// than four times the modulus.
#[derive(Debug)]
pub(crate) struct Modulus {
    limbs: Vec<u32>,
    /// The same, the most significant limb first: columns are then sums over two slices in the same direction.
    reversed: Vec<u32>,
    /// -1 / modulus, modulo 2 to the power of [`BITS`].
    negated_inverse: u32,
    /// R² modulo the modulus: multiplying by it brings a number into Montgomery's form.
    r_squared: Vec<u32>,
    bytes: usize,
    leading_zeros: usize,
}

impl Modulus {
    /// A modulus from its bytes; none if it is even, or starts with a zero byte.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.first() == Some(&0) || bytes.last()? & 1 == 0 {
            return None;
        }
        let mut limbs = vec![0; (bytes.len() * 8 + 2).div_ceil(BITS as usize)];
        limbs::fill(&mut limbs, bytes, BITS);
        let reversed = limbs.iter().rev().copied().collect();
        let low = *limbs.first()?;
        // Newton's iteration: each step doubles the bits that are right, from three.
        let inverse =
            (0..4).fold(low, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(low.wrapping_mul(inverse))));
        let negated_inverse = low_bits(u64::from(inverse.wrapping_neg()), BITS);
        let mut modulus = Self {
            limbs,
            reversed,
            negated_inverse,
            r_squared: Vec::new(),
            bytes: bytes.len(),
            leading_zeros: bytes.first()?.leading_zeros() as usize,
        };
        modulus.r_squared = modulus.r_squared();
        Some(modulus)
    }

    /// How many bytes its numbers have.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many zero bits its bytes begin with, at most seven.
    pub(crate) const fn leading_zeros(&self) -> usize {
        self.leading_zeros
    }

    /// How much memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        3 * size_of_val(&*self.limbs)
    }

    /// A number from its bytes; none if it is not less than the modulus.
    pub(crate) fn number(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        if bytes.len() != self.bytes {
            return None;
        }
        let mut number = vec![0; self.limbs.len()];
        limbs::fill(&mut number, bytes, BITS);
        is_less(&number, &self.limbs).then_some(number)
    }

    /// The bytes of a number below the modulus.
    pub(crate) fn to_bytes(&self, number: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes];
        limbs::write_bytes(number, BITS, &mut bytes);
        bytes
    }

    /// `a` · R, for an `a` below R.
    pub(crate) fn to_montgomery(&self, a: &[u32]) -> Vec<u32> {
        self.multiply(a, &self.r_squared)
    }

    /// `a` · `b` / R, below the modulus, for factors whose product is below R times the modulus.
    pub(crate) fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let b: Vec<u32> = b.iter().rev().copied().collect();
        let last = self.limbs.len() - 1;
        let mut product = vec![0; self.limbs.len()];
        self.reduce_columns(&mut product, |column| match column.checked_sub(last) {
            None => dot(&a[..=column], &b[last - column..]),
            Some(from) => dot(&a[from..], &b[..=last - from]),
        });
        self.reduce_once(&mut product);
        product
    }

    /// Squares `a` so many times, each time divided by R; below twice the modulus, as `a` must be.
    pub(crate) fn square_repeatedly(&self, a: &[u32], times: usize) -> Vec<u32> {
        let (mut square, mut a, last) = (vec![0; a.len()], a.to_vec(), a.len() - 1);
        let mut reversed = a.clone();
        for _ in 0..times {
            reversed.clone_from(&a);
            reversed.reverse();
            self.reduce_columns(&mut square, |column| {
                // Each product of two different limbs comes twice.
                let from = column.saturating_sub(last);
                let pairs = (column + 1 - 2 * from) / 2;
                let start = last + from - column;
                let twice = 2 * dot(&a[from..from + pairs], &reversed[start..start + pairs]);
                if column % 2 == 0 { twice + u64::from(a[column / 2]).pow(2) } else { twice }
            });
            std::mem::swap(&mut square, &mut a);
        }
        a
    }

    /// `a` + `b`, both below the modulus.
    pub(crate) fn sum(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut carry = 0;
        let add = |(a, b): (&u32, &u32)| {
            let limb = u64::from(*a) + u64::from(*b) + carry;
            carry = limb >> BITS;
            low_bits(limb, BITS)
        };
        let mut sum: Vec<_> = a.iter().zip(b).map(add).collect();
        self.reduce_once(&mut sum);
        sum
    }

    /// 1 / 2 modulo the modulus, which is odd.
    pub(crate) fn half(&self) -> Vec<u32> {
        let next = self.limbs.iter().skip(1).chain([&0]);
        let floor: Vec<_> =
            self.limbs.iter().zip(next).map(|(limb, next)| limb >> 1 | (next & 1) << (BITS - 1)).collect();
        let mut one = vec![0; floor.len()];
        one[0] = 1;
        self.sum(&floor, &one)
    }

    /// The modulus subtracted from a greater number of as many bytes.
    pub(crate) fn subtracted_from(&self, number: &[u8]) -> Vec<u8> {
        let mut limbs = vec![0; self.limbs.len()];
        limbs::fill(&mut limbs, number, BITS);
        subtract(&mut limbs, &self.limbs, BITS);
        self.to_bytes(&limbs)
    }

    /// Subtracts the modulus from a number that is not below it; numbers are below its double.
    pub(crate) fn reduce_once(&self, number: &mut [u32]) {
        if !is_less(number, &self.limbs) {
            subtract(number, &self.limbs, BITS);
        }
    }

    /// Montgomery's reduction of a product that is given by its columns, each asked for once and in order.
    fn reduce_columns(&self, reduced: &mut [u32], columns: impl Fn(usize) -> u64) {
        let (count, last) = (self.limbs.len(), self.limbs.len() - 1);
        let mut quotients = vec![0; count];
        let (mut product, mut sum) = (0, 0);
        for column in 0..count {
            product += columns(column);
            sum += u64::from(low_bits(product, BITS)) + dot(&quotients[..column], &self.reversed[last - column..last]);
            let quotient = low_bits(u64::from(low_bits(sum, BITS)) * u64::from(self.negated_inverse), BITS);
            quotients[column] = quotient;
            sum = (sum + u64::from(quotient) * u64::from(self.limbs[0])) >> BITS;
            product >>= BITS;
        }
        for column in count..2 * count {
            if column < 2 * count - 1 {
                product += columns(column);
                sum += dot(&quotients[column - last..], &self.reversed[..2 * last + 1 - column]);
            }
            sum += u64::from(low_bits(product, BITS));
            reduced[column - count] = low_bits(sum, BITS);
            sum >>= BITS;
            product >>= BITS;
        }
    }

    /// R² modulo the modulus: R by doubling, then its bits by Montgomery's multiplication.
    fn r_squared(&self) -> Vec<u32> {
        // The power of two of the top byte is below the modulus, which starts with no zero byte and is odd.
        let power = 8 * self.bytes - 8;
        let bits = self.limbs.len() * BITS as usize;
        let mut number = vec![0; self.limbs.len()];
        number[power / BITS as usize] = 1 << (power % BITS as usize);
        for _ in power..=bits {
            self.double(&mut number);
        }
        // Now 2R, which stands for 2; R² stands for R.
        let exponent_bits = (0..bits.ilog2()).rev();
        for bit in exponent_bits {
            number = self.square_repeatedly(&number, 1);
            self.reduce_once(&mut number);
            if (bits >> bit) & 1 == 1 {
                self.double(&mut number);
            }
        }
        number
    }

    /// Doubles a number below the modulus.
    pub(crate) fn double(&self, number: &mut Vec<u32>) {
        *number = self.sum(number, number);
    }
}

/// The sum of the products of two slices' limbs.
fn dot(a: &[u32], b: &[u32]) -> u64 {
    let (a_chunks, a_rest) = a.as_chunks::<4>();
    let (b_chunks, b_rest) = b.as_chunks::<4>();
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let chunks = a_chunks.iter().zip(b_chunks).fold(0, |sum, (a, b)| {
        sum + ((product(a[0], b[0]) + product(a[1], b[1])) + (product(a[2], b[2]) + product(a[3], b[3])))
    });
    a_rest.iter().zip(b_rest).fold(chunks, |sum, (a, b)| sum + product(*a, *b))
}
