//! Arithmetic modulo an odd number in Montgomery's form ("Modular multiplication without trial
//! division", 1985), for the moduli of RSA and the orders of curves.
//!
//! WebAssembly multiplies 64 bits by 64 and keeps the low 64 of the product, so limbs have 28 bits: a column of 148
//! products, those of 4096 bits, still fits into 64 bits. Columns are summed up four at a time, for the same limbs count for
//! all: loading them takes as long as multiplying.

use super::limbs::{self, is_less, low_bits, subtract};
use super::power::MORE_BITS;

/// Bits of a limb.
pub(crate) const BITS: u32 = 28;

/// How many columns are summed up at a time. Numbers have a multiple of as many limbs.
pub(crate) const COLUMNS: usize = 4;

/// How many limbs [`Modulus::reduce`] takes off a number: as many bits as [`Power`](super::power::Power) has more than the modulus, and some.
const REDUCTION: usize = 4;
const _: () = assert!(REDUCTION * BITS as usize > MORE_BITS + 4);

/// An odd modulus and what is worth computing once for it. R below is 2 to the power of the bits of all limbs, and is more
/// than four times the modulus.
#[derive(Clone, Debug)]
pub(crate) struct Modulus {
    limbs: Vec<u32>,
    /// The same as [`reversed`].
    reversed: Vec<u32>,
    /// -1 / modulus, modulo 2 to the power of [`BITS`].
    negated_inverse: u32,
    /// R² modulo the modulus: multiplying by it brings a number into Montgomery's form.
    r_squared: Vec<u32>,
    /// Its bytes, the most significant first.
    bytes: Vec<u8>,
}

impl Modulus {
    /// A modulus from its bytes; none if it is even, or starts with a zero byte.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.first() == Some(&0) || bytes.last()? & 1 == 0 {
            return None;
        }
        let mut limbs = vec![0; (bytes.len() * 8 + 2).div_ceil(BITS as usize).next_multiple_of(COLUMNS)];
        limbs::fill(&mut limbs, bytes, BITS);
        let reversed = reversed(&limbs);
        let low = *limbs.first()?;
        // Newton's iteration: each step doubles the bits that are right, from three.
        let inverse =
            (0..4).fold(low, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(low.wrapping_mul(inverse))));
        let negated_inverse = low_bits(u64::from(inverse.wrapping_neg()), BITS);
        let mut modulus = Self { limbs, reversed, negated_inverse, r_squared: Vec::new(), bytes: bytes.to_vec() };
        modulus.r_squared = modulus.r_squared();
        Some(modulus)
    }

    /// How many bytes its numbers have.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many zero bits its bytes begin with, at most seven.
    pub(crate) fn leading_zeros(&self) -> usize {
        self.bytes.first().map_or(0, |byte| byte.leading_zeros() as usize)
    }

    /// How much memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let limbs = [&self.limbs, &self.reversed, &self.r_squared].map(|limbs| size_of_val(&**limbs));
        self.bytes.len() + limbs.iter().sum::<usize>()
    }

    /// Whether a number of these bytes is below the modulus; there are as many as it has itself.
    pub(crate) fn is_above(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.bytes.len() && bytes < &*self.bytes
    }

    /// A number from its bytes; none if it is not less than the modulus.
    pub(crate) fn number(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        self.is_above(bytes).then(|| {
            let mut number = vec![0; self.limbs.len()];
            limbs::fill(&mut number, bytes, BITS);
            number
        })
    }

    /// The bytes of a number below the modulus.
    pub(crate) fn to_bytes(&self, number: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes.len()];
        limbs::write_bytes(number, BITS, &mut bytes);
        bytes
    }

    /// `a` · R, for an `a` below R.
    pub(crate) fn to_montgomery(&self, a: &[u32]) -> Vec<u32> {
        self.multiply(a, &self.r_squared)
    }

    /// A number below 2 to the power of [`REDUCTION`] limbs times the modulus, divided by that power. It is given in digits of more bits.
    pub(crate) fn reduce(&self, digits: &[u64], digit_bits: usize) -> Vec<u8> {
        let digit = |index| digits.get(index).copied().unwrap_or_default();
        let limb = |index: usize| {
            let (first, offset) = (index * BITS as usize / digit_bits, index * BITS as usize % digit_bits);
            low_bits(digit(first) >> offset | digit(first + 1) << (digit_bits - offset), BITS)
        };
        let mut number: Vec<u32> = (0..self.limbs.len() + REDUCTION).map(limb).collect();
        for from in 0..REDUCTION {
            let quotient = u64::from(low_bits(u64::from(number[from]) * u64::from(self.negated_inverse), BITS));
            let mut carry = 0;
            let modulus = self.limbs.iter().copied().chain(std::iter::repeat(0));
            for (limb, modulus) in number[from..].iter_mut().zip(modulus) {
                carry += u64::from(*limb) + quotient * u64::from(modulus);
                *limb = low_bits(carry, BITS);
                carry >>= BITS;
            }
        }
        let reduced = &mut number[REDUCTION..];
        self.reduce_once(reduced);
        self.to_bytes(reduced)
    }

    /// What [`Self::reduce`] divides by.
    pub(crate) fn reduction_power(&self) -> Vec<u32> {
        self.bit(REDUCTION * BITS as usize)
    }

    /// 2 to a power up to the double of that of R.
    pub(crate) fn power_of_two(&self, power: usize) -> Vec<u32> {
        match power.checked_sub(self.limbs.len() * BITS as usize) {
            // As R² times 2 to the power of what is above R's.
            Some(above) => self.multiply(&self.r_squared, &self.bit(above)),
            None => self.multiply(&self.to_montgomery(&self.bit(power)), &self.bit(0)),
        }
    }

    /// 1 / 2 to a power below that of R.
    pub(crate) fn inverse_of_power_of_two(&self, power: usize) -> Vec<u32> {
        self.multiply(&self.bit(self.limbs.len() * BITS as usize - power), &self.bit(0))
    }

    /// 2 to this power, below R.
    fn bit(&self, power: usize) -> Vec<u32> {
        let mut number = vec![0; self.limbs.len()];
        number[power / BITS as usize] = 1 << (power % BITS as usize);
        number
    }

    /// `a` · `b` / R, below the modulus, for factors whose product is below R times the modulus.
    pub(crate) fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let (reversed, count) = (reversed(b), a.len());
        let mut product = vec![0; count];
        self.reduce_columns(&mut vec![0; count], &mut product, |column| match column.checked_sub(count) {
            None => dot(&a[..column + COLUMNS], &reversed[count - column..]),
            Some(from) => dot(&a[from..], &reversed),
        });
        self.reduce_once(&mut product);
        product
    }

    /// Squares `a` so many times, each time divided by R; below twice the modulus, as `a` must be.
    pub(crate) fn square_repeatedly(&self, a: &[u32], times: usize) -> Vec<u32> {
        let (mut square, mut a, count) = (vec![0; a.len()], a.to_vec(), a.len());
        let (mut quotients, mut reversed) = (square.clone(), reversed(&a));
        for _ in 0..times {
            self.reduce_columns(&mut quotients, &mut square, |column| {
                // Each product of two different limbs comes twice.
                let (from, half) = (column.saturating_sub(count), column / 2);
                let different = dot(&a[from..half], &reversed[count.saturating_sub(column)..]);
                let [x, y, z, w] = [0, 1, 2, 3].map(|more| u64::from(a.get(half + more).copied().unwrap_or_default()));
                let middle = [x * x, 2 * x * y, 2 * x * z + y * y, 2 * (x * w + y * z)];
                std::array::from_fn(|index| 2 * different[index] + middle[index])
            });
            std::mem::swap(&mut square, &mut a);
            reversed[COLUMNS..].iter_mut().zip(a.iter().rev()).for_each(|(reversed, limb)| *reversed = *limb);
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

    /// Montgomery's reduction of a product that is given by its columns, asked for by fours and in order. `quotients` is room to
    /// work in.
    fn reduce_columns(&self, quotients: &mut [u32], reduced: &mut [u32], columns: impl Fn(usize) -> [u64; COLUMNS]) {
        let count = self.limbs.len();
        let lowest: [u64; COLUMNS] = std::array::from_fn(|index| u64::from(self.limbs[index]));
        let digit = |sum| low_bits(u64::from(low_bits(sum, BITS)) * u64::from(self.negated_inverse), BITS);
        let (mut product, mut sum) = (0, 0);
        for column in (0..count).step_by(COLUMNS) {
            let (products, sums) = (columns(column), dot(&quotients[..column], &self.reversed[count - column..]));
            // The quotients of these columns, which are not among those that were summed up.
            let mut found = [0; COLUMNS];
            for index in 0..COLUMNS {
                product += products[index];
                sum += u64::from(low_bits(product, BITS)) + sums[index];
                sum += (0..index).map(|earlier| found[earlier] * lowest[index - earlier]).sum::<u64>();
                let quotient = digit(sum);
                (found[index], quotients[column + index]) = (u64::from(quotient), quotient);
                sum = (sum + found[index] * lowest[0]) >> BITS;
                product >>= BITS;
            }
        }
        for column in (0..count).step_by(COLUMNS) {
            let (products, sums) = (columns(count + column), dot(&quotients[column..], &self.reversed));
            for index in 0..COLUMNS {
                product += products[index];
                sum += u64::from(low_bits(product, BITS)) + sums[index];
                reduced[column + index] = low_bits(sum, BITS);
                sum >>= BITS;
                product >>= BITS;
            }
        }
    }

    /// R² modulo the modulus: R by doubling, then its bits by Montgomery's multiplication.
    fn r_squared(&self) -> Vec<u32> {
        // The power of two of the top byte is below the modulus, which starts with no zero byte and is odd.
        let power = 8 * self.bytes.len() - 8;
        let bits = self.limbs.len() * BITS as usize;
        let mut number = self.bit(power);
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

/// Limbs with the most significant first, between as many zeros as [`dot`] may reach for.
fn reversed(limbs: &[u32]) -> Vec<u32> {
    let zeros = [0; COLUMNS];
    zeros.iter().chain(limbs.iter().rev()).chain(&zeros).copied().collect()
}

/// Neighbouring columns: the sums of the products of `a`'s limbs, of which there are an even number, with those of `reversed`, from the
/// fourth on, the third, the second and the first.
fn dot(a: &[u32], reversed: &[u32]) -> [u64; COLUMNS] {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let [mut x, mut y, mut z] = [0, 1, 2].map(|index| reversed[index]);
    let mut sums = [0; COLUMNS];
    for ([a, b], [v, w]) in a.as_chunks::<2>().0.iter().zip(reversed[3..].as_chunks::<2>().0) {
        sums[0] += product(*a, *v) + product(*b, *w);
        sums[1] += product(*a, z) + product(*b, *v);
        sums[2] += product(*a, y) + product(*b, z);
        sums[3] += product(*a, x) + product(*b, y);
        (x, y, z) = (z, *v, *w);
    }
    sums
}
